"""The one error of this package that its user can mend."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line that names the file, row or option and the mend.

    Commands print the message alone and end with exit status 2; any other exception is a bug in this package.
    """
