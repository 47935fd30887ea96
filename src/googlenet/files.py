"""Files that are either whole or not there: every write of this package goes through here."""

import errno
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path, PurePath
from typing import IO, Any, cast

from googlenet.errors import InputError

__all__ = ["atomic_write", "expect", "expect_folder", "expect_regular", "expect_writable", "open_regular"]
__all__ += ["read_regular", "recorded_name", "remove_leftovers", "sha256", "text_lines", "write_json"]


_TEMPORARY = (".googlenet-", ".tmp")
"""How the names of our unfinished files begin and end, whatever the file is called that they become."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the place of `path` when the block ends without an error.

    What is written goes to a temporary file in the same folder, is flushed to the disk and renamed, so that a reader
    (or a crash, or a full disk) sees the old content or the new, never a part. A link is written through and stays one;
    what is there already keeps its rights; a device or pipe is written to as it is. Raises `InputError` where the
    folder cannot be written or the disk is full; `path` is then as it was.
    """
    try:
        if _is_special(path):
            with open(path, "wb") as file:  # noqa: PTH123  `Path` would name a pipe that has no path
                yield file
            return
        with _replacing(Path(os.path.realpath(path))) as file:
            yield file
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    temporary = None
    try:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "its links lead in a circle")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        beginning, end = _TEMPORARY
        descriptor, name = tempfile.mkstemp(prefix=beginning, suffix=end, dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
        _flush_folder(path.parent)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any]) -> None:
    """Write an object as JSON text, atomically; a byte of a file name that is no UTF-8 becomes an escape."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def expect(path: str | os.PathLike[str], what: str = "file") -> None:
    """Raise `InputError` where nothing is at `path`: at once, before the libraries are loaded that would read it."""
    if not os.path.lexists(path):
        raise InputError(f"{os.fspath(path)}: no such {what}; check the path")


def expect_folder(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` where no folder could be made and filled at `path`; nothing is left."""
    for place in (Path(path), *Path(path).parents):
        if os.path.lexists(place):
            if not os.path.isdir(place):  # noqa: PTH112  no name is too long for it
                raise InputError(f"{os.fspath(path)}: {place} is no folder; give another name")
            try:
                with tempfile.TemporaryFile(dir=place):
                    return
            except OSError as error:
                told = f"{place} cannot be written to ({error.strerror or error})"
                raise InputError(f"{os.fspath(path)}: {told}; give another name") from error


def expect_writable(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` where `atomic_write` could not begin to write `path`: before the work whose end it is.

    The folder is made; in it, nothing is left.
    """
    path = Path(os.path.realpath(path))
    if _is_special(path):
        return
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); give another name") from error


def expect_regular(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` where something else than a regular file is at `path`, which is to be read or written later.

    A pipe may keep whoever opens it waiting; nothing there is no fault.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be read ({error.strerror or error}); remove it") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{os.fspath(path)}: not a file but a folder, pipe or device; remove it")


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading its bytes; raises `OSError` as `open` does.

    Raises `InputError` for anything but a regular file: a pipe may keep its reader waiting, a device may have no end.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{os.fspath(path)}: not a file but a folder, pipe or device; give a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], largest: int, what: str) -> bytes:
    """Return the bytes of a regular file; `InputError` where it cannot be read or has more than `largest`.

    Such a file is no `what` ("list of boxes").
    """
    name = os.fspath(path)
    try:
        with open_regular(path) as file:
            content = file.read(largest + 1)
    except InputError:  # a ValueError too
        raise
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); check the path") from error
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"{name}: not a path ({error}); check the name") from error
    if len(content) > largest:
        raise InputError(f"{name}: over {largest >> 20} MiB, which is no {what}; check the file")
    return content


def text_lines(path: str | os.PathLike[str], longest: int, what: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a regular file that is not empty; memory holds one of them.

    Raises `InputError` where the file cannot be read, a line has more than `longest` bytes, which are no `what`
    ("prediction"), or it is not UTF-8.
    """
    name = os.fspath(path)
    try:
        with open_regular(path) as file:
            number = 0
            while line := file.readline(longest + 1):
                number += 1
                if len(line) > longest:
                    raise InputError(f"{name}, line {number}: over {longest} bytes, which is no {what}; check the file")
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(f"{name}, line {number}: not UTF-8; save it as UTF-8 text") from error
                if text.strip():
                    yield number, text
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); check the path") from error


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files that processes of this user left in a folder of ours when they were killed."""
    beginning, end = _TEMPORARY
    for path in folder.glob(f"{beginning}*{end}"):
        with suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and (os.name != "posix" or status.st_uid == os.geteuid()):
                path.unlink()


def _is_special(path: str | os.PathLike[str]) -> bool:
    """Whether there is something that is neither a file nor a folder: a device, a pipe."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a regular file's bytes in hexadecimal digits; raises as `open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


def recorded_name(source: str | os.PathLike[str]) -> str:
    """Return what a record that may be passed on says of where something came from: a path or a URL.

    Of a path its last two parts, without those that name a user's folder; of a URL all but user, password, query and
    fragment, which may be secrets. What is not Unicode is escaped.
    """
    name = os.fspath(source).encode("utf-8", "backslashreplace").decode()
    if "://" in name:
        return re.sub(r"://[^/?#]*@", "://", re.sub(r"[?#].*", "", name, flags=re.DOTALL))
    parts = PurePath(name).parts
    home = PurePath(os.path.expanduser("~")).parts  # noqa: PTH111  it never fails
    if len(home) > 1 and parts[: len(home)] == home:
        parts = parts[len(home) :]
    elif len(parts) > 2 and PurePath(name).anchor and parts[1].lower() in ("home", "users"):
        parts = parts[3:]
    return "/".join([part for part in parts if part != PurePath(name).anchor][-2:]) or "."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last; folders cannot be opened for this on Windows."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
