"""The bytes of an image, from a path or an open file, within bounds."""

import os
import stat
from pathlib import Path
from typing import Protocol

from PIL import Image

from googlenet.errors import InputError
from googlenet.images.finding import display_name

__all__ = ["MAXIMUM_BYTES", "Readable", "Source", "check_bytes", "name_of", "read_content"]

MAXIMUM_BYTES = 256 * 2**20  # of a file


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int, /) -> bytes: ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image
"""A picture: a path, the bytes of a file, an open file, or Pillow's picture."""


def name_of(source: Source) -> str:
    """What an error calls a source that was given without a name."""
    if isinstance(source, (str, os.PathLike)):
        return display_name(source)
    name = getattr(source, "filename", None) or getattr(source, "name", None)  # Pillow's, or an open file's
    return display_name(name) if isinstance(name, (str, os.PathLike)) and str(name) else "image in memory"


def read_content(source: str | os.PathLike[str] | bytes | bytearray | memoryview | Readable, name: str) -> bytes:
    """Return the bytes, of an open file those from where it stands.

    Raises `InputError` for what cannot be read, is empty, or is above `MAXIMUM_BYTES`.
    """
    if isinstance(source, (str, os.PathLike)):
        data = _read_path(Path(source), name)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        check_bytes(name, memoryview(source).nbytes)
        data = bytes(source)
    else:
        data = _read_open(source, name)
    if not data:
        raise InputError(f"{name}: the file is empty; replace it or leave it out")
    check_bytes(name, len(data))
    return data


def check_bytes(name: str, count: int) -> None:
    """Refuse a file of more than `MAXIMUM_BYTES`."""
    if count > MAXIMUM_BYTES:
        raise InputError(f"{name}: above the limit of {MAXIMUM_BYTES >> 20} MiB for an image file; make it smaller")


def _read_path(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name}: a folder, not an image file; name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name}: a pipe or device, not a regular file; save the image to a file first")
        check_bytes(name, status.st_size)
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}); check the path and its rights") from error


def _read_open(file: Readable, name: str) -> bytes:
    """Read to the end; a raw file or a socket gives its bytes piece by piece."""
    if not callable(getattr(file, "read", None)):
        raise InputError(
            f"{name}: {type(file).__name__} is no picture; give a path, bytes, an open file or a PIL image"
        )
    pieces: list[bytes] = []
    try:
        while (size := sum(map(len, pieces))) <= MAXIMUM_BYTES and (piece := file.read(MAXIMUM_BYTES + 1 - size)):
            if not isinstance(piece, bytes):
                raise InputError(f"{name}: the file is open for text; open it with mode 'rb'")
            pieces.append(piece)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise InputError(f"{name}: cannot be read ({error}); open it anew, for reading bytes") from error
    return b"".join(pieces)
