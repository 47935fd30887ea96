"""A folder of class folders: the class of an image is the folder directly below the top in which it lies, at any depth.

The scan is kept as an index and refreshed folder by folder: a folder whose time of change is the one seen before is not
read again, so that the second start on a million files takes as long as asking a thousand folders for their times.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import match, read_file
from googlenet.data.index import Index, Names, index_file
from googlenet.errors import InputError
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class

__all__ = ["Folder"]


class Folder:
    """The images below `path`; a `Dataset`.

    Without `classes`, the class folders are the classes, sorted plainly by name, the name being the id, also those that
    hold no image. With `classes`, folders are matched to them by id; one that matches none raises `InputError`. Hidden
    files and folders, and files that are not images by their ending, are left out. Images are in the order of their
    folders' paths, then of their names.
    """

    def __init__(self, path: str | os.PathLike[str], classes: tuple[Class, ...] | None = None) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100  a link stays the name that the user gave
        self._index = _scan(self.path)
        found, stray = self._class_folders()
        shown = display_name(path)
        if not found:
            what = "holds images, but not in class folders" if stray else "holds no class folders with images"
            raise InputError(f"{shown}: {what}; put the images of each class in a folder of its own")
        if not len(self):
            raise InputError(f"{shown}: no images in its class folders (files ending in {', '.join(sorted(ENDINGS))})")
        if stray:
            raise InputError(f"{shown}: images lie beside the class folders ({stray}); move them into one")
        self.classes = classes or tuple(Class(name, name) for name in found)
        position = dict(zip(found, match(found, self.classes, shown).tolist(), strict=True))
        of_folder = np.array([position.get(_top(self._folders[i]), -1) for i in range(len(self._folders))], np.int32)
        self.labels: NDArray[np.int32] = np.repeat(of_folder, np.diff(self._starts))

    @property
    def _folders(self) -> Names:
        return Names(self._index.arrays["folders"], self._index.arrays["folder_offsets"])

    @property
    def _files(self) -> Names:
        return Names(self._index.arrays["files"], self._index.arrays["file_offsets"])

    @property
    def _starts(self) -> NDArray[np.int64]:
        """The first file of each folder, and the number of files: [folders + 1]."""
        return self._index.arrays["starts"]

    def _class_folders(self) -> tuple[list[str], str]:
        """Names of the class folders, plainly sorted; and the name of an image that lies in none of them."""
        names = sorted({_top(self._folders[i]) for i in range(len(self._folders))} - {""})
        stray = os.fsdecode(self._files[0]) if self._starts[1] > 0 else ""
        return names, display_name(stray)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> bytes:
        return read_file(self._file(index))

    def name(self, index: int) -> str:
        return display_name(self._file(index))

    def _file(self, index: int) -> str:
        folder = int(np.searchsorted(self._starts, index, "right")) - 1
        return os.path.join(self.path, os.fsdecode(self._folders[folder]), os.fsdecode(self._files[index]))  # noqa: PTH118

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "classes": self.classes, "labels": self.labels, "_index": self._index}


@dataclass(frozen=True)
class _Listing:
    """One folder as it was read: when it was last changed, the names of its images (sorted) and of its folders."""

    changed: int
    files: Names
    folders: list[bytes]


_SETTLED = 2 * 10**9
"""Nanoseconds after a change, within which another one might leave the time of change as it is."""


def _scan(top: str) -> Index:
    """Return the index of a folder, brought up to date."""
    file = index_file("folder", top)
    index = Index.load(file)
    known = _listings(index) if index else {}
    if index and all(_changed(top, name) == listing.changed for name, listing in known.items()):
        return index
    return _index_of(dict(_walk(top, known))).save(file)


def _walk(top: str, known: dict[bytes, _Listing]) -> Iterator[tuple[bytes, _Listing]]:
    """Yield the path below `top` and the listing of each folder, parents first, reading only what changed."""
    waiting, seen = [b""], set()
    while waiting:
        name = waiting.pop()
        path = _join(top, name)
        identity, changed = _identity(path)
        if identity in seen:  # a link that leads back
            continue
        seen.add(identity)
        before = known.get(name)
        listing = before if before and before.changed == changed else _read_folder(path, changed)
        yield name, listing
        waiting += [name + b"/" + folder if name else folder for folder in reversed(listing.folders)]


def _read_folder(path: str, changed: int) -> _Listing:
    now = time.time_ns()
    files, folders = [], []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(os.fsencode(entry.name))
                elif os.path.splitext(entry.name)[1].lower() in ENDINGS:  # noqa: PTH122  a million times
                    files.append(os.fsencode(entry.name))
    except OSError as error:
        raise _unreadable(path, error) from error
    return _Listing(changed if changed < now - _SETTLED else -1, Names.of(sorted(files)), sorted(folders))


def _index_of(listings: dict[bytes, _Listing]) -> Index:
    folders = Names.of(listings)
    files = Names.joined([listing.files for listing in listings.values()])
    starts = np.zeros(len(listings) + 1, np.int64)
    np.cumsum([len(listing.files) for listing in listings.values()], out=starts[1:])
    digest = hashlib.sha256()
    for array in (folders.blob, folders.offsets, files.blob, files.offsets, starts):
        digest.update(array.data)
    arrays: dict[str, NDArray[Any]] = {
        "changed": np.array([listing.changed for listing in listings.values()], np.int64),
        "starts": starts,
        "folders": folders.blob,
        "folder_offsets": folders.offsets,
        "files": files.blob,
        "file_offsets": files.offsets,
    }
    return Index({"identity": digest.hexdigest()}, arrays)


def _listings(index: Index) -> dict[bytes, _Listing]:
    """What an index knows of each folder."""
    folders = Names(index.arrays["folders"], index.arrays["folder_offsets"])
    files = Names(index.arrays["files"], index.arrays["file_offsets"])
    starts, changed = index.arrays["starts"].tolist(), index.arrays["changed"].tolist()
    names = [folders[number] for number in range(len(folders))]
    below: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name in names[1:]:
        parent, _, own = name.rpartition(b"/")
        below[parent].append(own)
    return {
        name: _Listing(changed[number], files[starts[number] : starts[number + 1]], below[name])
        for number, name in enumerate(names)
    }


def _join(top: str, name: bytes) -> str:
    return os.path.join(top, os.fsdecode(name)) if name else top  # noqa: PTH118


def _identity(path: str) -> tuple[tuple[int, int], int]:
    """Which folder this is, and when its list of names was last changed."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise _unreadable(path, error) from error
    return (status.st_dev, status.st_ino), status.st_mtime_ns


def _changed(top: str, name: bytes) -> int | None:
    try:
        return os.stat(_join(top, name)).st_mtime_ns  # noqa: PTH116
    except OSError:
        return None


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(
        f"{display_name(path)}: cannot be read ({error.strerror or error}); check the path and its rights"
    )


def _top(name: bytes) -> str:
    """The class folder in which a folder lies; empty for the top itself."""
    return os.fsdecode(name.partition(b"/")[0])
