"""The errors of this package that its user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral

__all__ = ["BrokenOff", "InputError", "after_work", "counted", "is_number", "shown", "whole"]


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line that names the file, row or option and the mend.

    Commands print the message alone and end with exit status 2; any other exception is a bug in this package.
    What foreign files and names bring in is escaped, so that it stays one line and cannot move a terminal's cursor.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class BrokenOff(InputError):  # noqa: N818  it is what happened, not a fault of the package
    """Long work could not go on after some of it: an image, its folder or the disk; what was done before stays.

    The exit status is 1, and the same command goes on.
    """


@contextmanager
def after_work() -> Iterator[None]:
    """Turn an `InputError` of the block, a folder that cannot be written, to `BrokenOff`: work was done before."""
    try:
        yield
    except InputError as error:
        raise BrokenOff(str(error)) from error


def whole(name: str, value: object, least: int = 1) -> int:
    """Return a count that was given for the option `name`; raises `InputError` unless it is whole and large enough."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, found {shown(repr(value))}")
    return int(value)


def is_number(text: str) -> bool:
    """Whether text is a number in the digits 0 to 9; `str.isdecimal` takes those of other scripts, too."""
    return text.isascii() and text.isdecimal()


def counted(count: int, things: str) -> str:
    """Return a count with what is counted, of which there may be one: "1,400 images", "1 class"."""
    one = things.removesuffix("es") if things.endswith(("sses", "xes", "shes", "ches")) else things.removesuffix("s")
    return f"{count:,} {one if count == 1 else things}"


def shown(text: str, longest: int = 60) -> str:
    """Return text that a file gave, short enough for a message."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
