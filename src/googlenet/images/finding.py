"""Image files from what a user names: files, folders, patterns that the shell did not expand, lists of paths."""

import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from googlenet.errors import InputError

__all__ = ["ENDINGS", "display_name", "find_images", "image_arguments", "left_out", "read_list"]

ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


_LEFT_OUT = frozenset(
    {"@eadir", "#recycle", "#snapshot", "__macosx", "$recycle.bin", "system volume information", "lost+found"}
)
"""Folders of network disks, archives and file systems: thumbnails, forks, deleted files."""


def left_out(name: str) -> bool:
    """Whether a file or folder is none of the user's images: hidden, or made by the system beside them."""
    return name.startswith(".") or name.lower() in _LEFT_OUT


def find_images(arguments: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the image files that the arguments name, those of one argument sorted, the arguments in their order.

    A file is taken whatever its ending. Of a folder, all files below it with one of `ENDINGS` (in capitals or not) are
    taken, without what is `left_out`; links to folders are followed once. An argument that does not exist but
    holds `*`, `?` or `[` is a pattern (`**` for folders at any depth) for such files and folders. Raises `InputError`
    for a path that does not exist or cannot be read, and for a folder or pattern that gives no image.
    """
    return [path for argument in arguments for path in _find(os.fspath(argument))]


def read_list(stream: IO[Any]) -> list[str]:
    """Read one path a line, skipping blank lines, from a binary or text stream such as `sys.stdin`.

    Spaces belong to the names, line ends of either kind do not. Names that are not valid UTF-8 are kept as the file
    system knows them.
    """
    content = getattr(stream, "buffer", stream).read()
    if isinstance(content, bytes):
        content = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))
    return [line for line in (line.rstrip("\r") for line in content.split("\n")) if line.strip()]


def image_arguments(images: Iterable[str]) -> list[str]:
    """Return what a command was given, `-` replaced by the list on standard input; raises where that is nothing."""
    found: list[str] = []
    for image in images:
        found += read_list(sys.stdin) if image == "-" else [image]
    if not found:
        raise InputError("no image was named: give images, folders or patterns, or - for a list on standard input")
    return found


def display_name(path: str | os.PathLike[str]) -> str:
    """Return a path as one printable line: line breaks, control characters and undecodable bytes are escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in os.fspath(path))


def _find(argument: str) -> list[Path]:
    name = display_name(argument)
    if not argument:
        raise InputError("an empty name was given for an image; name a file, folder or pattern")
    status = _status(argument)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        return [Path(argument)]
    if status is None and not glob.has_magic(argument):
        raise InputError(f"{name}: no such file or folder; check the path")
    found = set(_matching(argument) if status is None else _below(argument))
    if not found:
        kind = "folder" if status else "pattern"
        raise InputError(f"{name}: no images here (files ending in {', '.join(sorted(ENDINGS))}); give another {kind}")
    return sorted(found)


def _matching(pattern: str) -> Iterator[Path]:
    """Expand a pattern as a shell does: `*` and `**` pass over hidden names, and `**` does not follow links."""
    path = Path(pattern)
    try:
        matches = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except ValueError as error:
        raise InputError(f"{display_name(pattern)}: not a pattern ({error}); check it") from error
    for match in matches:
        if any(left_out(part) and part not in path.parts for part in match.parts):
            continue
        if match.is_dir():
            yield from _below(str(match))
        elif _is_image(match.name):
            yield match


def _below(top: str) -> Iterator[Path]:
    """Walk a folder; one that links lead to again is walked once. A broken link is given: reading tells."""
    folders, seen = [top], set()
    while folders:
        folder = folders.pop()
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = [(entry.name, entry.path, Path(entry.path).is_dir()) for entry in os.scandir(folder)]
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{display_name(folder)}: cannot be read ({reason}); check its rights") from error
        visible = sorted(entry for entry in entries if not left_out(entry[0]))
        folders += [path for _, path, is_folder in visible if is_folder]
        yield from (Path(path) for name, path, is_folder in visible if _is_image(name) and not is_folder)


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS


def _status(path: str) -> os.stat_result | None:
    """Return what the file system says about a path, None where nothing is there."""
    try:
        return Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{display_name(path)}: cannot be read ({reason}); check the path and its rights") from error
