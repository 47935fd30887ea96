"""Image files from what a user names: files, folders, patterns that the shell did not expand, lists of paths."""

import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from googlenet.errors import InputError

__all__ = ["ENDINGS", "Found", "display_name", "find_images", "image_arguments", "left_out", "read_list"]

ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})

_LEFT_OUT = frozenset(
    {"@eadir", "#recycle", "#snapshot", "__macosx", "$recycle.bin", "system volume information", "lost+found"}
)
"""Folders of network disks, archives and file systems: thumbnails, forks, deleted files."""


def left_out(name: str) -> bool:
    """Whether a file or folder is none of the user's images: hidden, or made by the system beside them."""
    return name.startswith(".") or name.lower() in _LEFT_OUT


@dataclass
class Found:
    """What arguments named."""

    paths: list[Path] = field(default_factory=list)
    """The images, and in their place the paths at which there is nothing: reading says so of each."""
    failures: list[tuple[str, InputError]] = field(default_factory=list)
    """Folders that cannot be read, and folders and patterns without an image, by name."""
    passed_over: list[str] = field(default_factory=list)
    """Folders that are `left_out` though their names are not hidden, and macOS's notes `._name.jpg`, by path."""

    def describe_passed_over(self) -> str:
        """Say in one line what was passed over; empty where nothing was."""
        if not self.passed_over:
            return ""
        kinds = dict.fromkeys(
            "._*" if Path(path).name.startswith("._") else Path(path).name for path in self.passed_over
        )
        return f"passed over: {len(self.passed_over)} that are no pictures of yours ({', '.join(kinds)})"


def find_images(arguments: Iterable[str | os.PathLike[str]]) -> Found:
    """Return the image files that the arguments name, those of one argument sorted, the arguments in their order.

    A file is taken whatever its ending. Of a folder, all files below it with one of `ENDINGS` (in capitals or not) are
    taken, without what is `left_out`; links to folders are followed once. A string at which nothing exists but
    which holds `*`, `?` or `[` is a pattern (`**` for folders at any depth) for such files and folders, below as much
    of it as exists; a `Path` never is. Raises `InputError`, the first failure, where all that is named fails.
    """
    found = Found()
    missing: list[InputError] = []
    for argument in arguments:
        _find(argument, found, missing)
    failures = [*missing, *(error for _, error in found.failures)]
    if failures and len(found.paths) == len(missing):
        others = f" (and {len(failures) - 1:,} more like it)" if len(failures) > 1 else ""
        raise InputError(f"{failures[0]}{others}")
    return found


def read_list(stream: IO[Any], null: bool = False) -> list[str]:
    """Read one path a line, skipping blank lines, from a binary or text stream such as `sys.stdin`.

    Spaces belong to the names, line ends of either kind do not. With `null` a zero byte ends each path, as `find
    -print0` writes them, and everything else belongs to the names. Names that are not valid UTF-8 are kept as the file
    system knows them.
    """
    content = getattr(stream, "buffer", stream).read()
    if isinstance(content, bytes):
        content = os.fsdecode(content if null else content.removeprefix(b"\xef\xbb\xbf"))
    if null:
        return [path for path in content.split("\0") if path]
    return [line for line in (line.rstrip("\r") for line in content.split("\n")) if line.strip()]


def image_arguments(images: Iterable[str], null: bool = False) -> list[str | Path]:
    """Return what a command was given, `-` replaced by the list of paths on standard input, which holds no patterns.

    `null` as in `read_list`. Raises `InputError` where nothing was given, and for `null` without a list.
    """
    images = list(images)
    if null and "-" not in images:
        raise InputError("--null is about the list on standard input, which - stands for; give - as well")
    found: list[str | Path] = []
    for image in images:
        found += map(Path, read_list(sys.stdin, null)) if image == "-" else [image]
    if not found:
        raise InputError("no image was named: give images, folders or patterns, or - for a list on standard input")
    return found


def display_name(path: str | os.PathLike[str]) -> str:
    """Return a path as one printable line: line breaks, control characters and undecodable bytes are escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in os.fspath(path))


def _find(argument: str | os.PathLike[str], found: Found, missing: list[InputError]) -> None:
    """Add to `found` what one argument names; to `missing` why its path, which is added too, cannot be read."""
    path = os.fspath(argument)
    if not path:
        raise InputError("an empty name was given for an image; name a file, folder or pattern")
    name, before = display_name(path), len(found.failures)
    try:
        status = _status(path)
    except InputError as error:
        missing.append(error)
        found.paths.append(Path(path))
        return
    if status is not None and not stat.S_ISDIR(status.st_mode):
        found.paths.append(Path(path))
        return
    if status is None and not (isinstance(argument, str) and glob.has_magic(path)):
        missing.append(InputError(f"{name}: no such file or folder; check the path"))
        found.paths.append(Path(path))
        return
    images = sorted(set(_below(path, found) if status else _matching(path, found)))
    if not images and len(found.failures) == before:
        endings = f"(files ending in {', '.join(sorted(ENDINGS))})"
        told = f"{name}: no images here {endings}; give another folder"
        if status is None:
            told = f"{name}: matches no image {endings}; give another pattern"
        found.failures.append((path, InputError(told)))
    found.paths += images


def _matching(pattern: str, found: Found) -> Iterator[Path]:
    """Expand a pattern as a shell does: `*` and `**` pass over hidden names, and `**` does not follow links."""
    path = Path(pattern)
    top = next(folder for folder in path.parents if folder.exists())  # brackets in it belong to its name
    try:
        matches = list(top.glob(str(path.relative_to(top))))
    except ValueError as error:
        found.failures.append((pattern, InputError(f"{display_name(pattern)}: not a pattern ({error}); check it")))
        return
    for match in matches:
        if any(left_out(part) and part not in path.parts for part in match.parts):
            continue
        if match.is_dir():
            yield from _below(str(match), found)
        elif _is_image(match.name):
            yield match


def _below(top: str, found: Found) -> Iterator[Path]:
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
            told = f"{display_name(folder)}: cannot be read ({error.strerror or error}); check its rights"
            found.failures.append((folder, InputError(told)))
            continue
        for name, path, is_folder in sorted(entries):
            if left_out(name) and name != "lost+found":  # which may hold pictures: it is read, or said to be unreadable
                if name.startswith("._") and _is_image(name) if name.startswith(".") else is_folder:
                    found.passed_over.append(path)
            elif is_folder:
                folders.append(path)
            elif _is_image(name):
                yield Path(path)


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
