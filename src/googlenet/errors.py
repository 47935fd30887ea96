"""The one error of this package that its user can mend."""

__all__ = ["InputError", "shown"]


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line that names the file, row or option and the mend.

    Commands print the message alone and end with exit status 2; any other exception is a bug in this package.
    What foreign files and names bring in is escaped, so that it stays one line and cannot move a terminal's cursor.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


def shown(text: str, longest: int = 60) -> str:
    """Return text that a file gave, short enough for a message."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
