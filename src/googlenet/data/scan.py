"""The names below a folder of class folders, kept as an index that the next start believes as far as it may.

A folder is not read again where its file system vouches for it: the same inode with the same time of change (ctime),
which no program can set, on one of `_LASTING`. A folder's modification time is no proof, since copying tools restore
it and some mounts never move it. Everywhere else the names are read each time (docs/decisions/0006).
"""

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.index import Index, Names, content_of, index_file
from googlenet.errors import InputError
from googlenet.images.finding import ENDINGS, display_name, left_out

__all__ = ["scan"]


def scan(top: str) -> Index:
    """Return the index of the folder `top`, an absolute path, as it is now.

    Its arrays: `folders` with `folder_offsets` (paths below `top`, parents first, `top` itself being the empty one),
    `files` with `file_offsets` (the names of all images, folder after folder, sorted in each) and `starts`, the first
    file of each folder [folders + 1]. `InputError` names a folder that cannot be read.
    """
    file = index_file("folder", top)
    index = Index.load(file)
    known = _listings(index) if index else {}
    lasting = _lasting_devices()
    if index and all(listing.holds(_stamp(top, name, lasting)) for name, listing in known.items()):
        return index
    found = _index_of(dict(_walk(top, known, lasting)))
    same = index and all(np.array_equal(array, index.arrays[name]) for name, array in found.arrays.items())
    return index if index and same else found.save(file)


@dataclass(frozen=True)
class _Stamp:
    """What shows that a folder still holds the same names."""

    inode: int
    changed: int
    """ctime in nanoseconds; -1 where it shows nothing."""


@dataclass(frozen=True)
class _Listing:
    """One folder as it was read: the names of its images (sorted) and of its folders."""

    stamp: _Stamp
    files: Names
    folders: list[bytes]

    def holds(self, now: _Stamp | None) -> bool:
        return self.stamp == now and self.stamp.changed >= 0


_LASTING = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems of which it is known that a folder's ctime moves with every name that comes or goes."""

_SETTLED = 2 * 10**9
"""Nanoseconds after a change, within which another one might leave the time of change as it is."""


def _lasting_devices() -> frozenset[int]:
    """The devices (`st_dev`) with a file system of `_LASTING`; none where the system does not list its mounts."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    found = set()
    for line in lines:
        mount, _, source = line.partition(" - ")
        major, _, minor = mount.split(" ")[2].partition(":")
        if source.split(" ")[0] in _LASTING:
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def _walk(top: str, known: dict[bytes, _Listing], lasting: frozenset[int]) -> Iterator[tuple[bytes, _Listing]]:
    """Yield the path below `top` and the listing of each folder, parents first, reading only what may have changed."""
    waiting, seen = [b""], set()
    while waiting:
        name = waiting.pop()
        path = _join(top, name)
        try:
            status = os.stat(path)  # noqa: PTH116
            identity, stamp = (status.st_dev, status.st_ino), _stamp_of(status, lasting)
            if identity in seen:  # a link that leads back
                continue
            seen.add(identity)
            before = known.get(name)
            listing = before if before and before.holds(stamp) else _read_folder(path, stamp)
        except OSError as error:
            raise InputError(
                f"{display_name(path)}: cannot be read ({error.strerror or error}); check the path and its rights"
            ) from error
        yield name, listing
        waiting += [name + b"/" + folder if name else folder for folder in reversed(listing.folders)]


def _read_folder(path: str, stamp: _Stamp) -> _Listing:
    now = time.time_ns()
    files, folders, linked = [], [], False
    with os.scandir(path) as entries:
        for entry in entries:
            if left_out(entry.name):
                continue
            image = os.path.splitext(entry.name)[1].lower() in ENDINGS  # noqa: PTH122  a million times
            linked = linked or (not image and entry.is_symlink())
            if _is_folder(entry, image):
                folders.append(os.fsencode(entry.name))
            elif image:
                files.append(os.fsencode(entry.name))
    # where a link leads may change without its folder
    settled = stamp.changed < now - _SETTLED and not linked
    return _Listing(stamp if settled else _Stamp(stamp.inode, -1), Names.of(sorted(files)), sorted(folders))


def _is_folder(entry: "os.DirEntry[str]", image: bool) -> bool:
    """Whether it is one; a link in a circle is none, and of what looks like an image reading tells what is wrong."""
    try:
        return entry.is_dir()
    except OSError as error:
        if image or error.errno == errno.ELOOP:
            return False
        raise


def _index_of(listings: dict[bytes, _Listing]) -> Index:
    folders = Names.of(listings)
    files = Names.joined([listing.files for listing in listings.values()])
    starts = np.zeros(len(listings) + 1, np.int64)
    np.cumsum([len(listing.files) for listing in listings.values()], out=starts[1:])
    names: dict[str, NDArray[Any]] = {
        "starts": starts,
        "folders": folders.blob,
        "folder_offsets": folders.offsets,
        "files": files.blob,
        "file_offsets": files.offsets,
    }
    stamps: dict[str, NDArray[Any]] = {
        "inodes": np.array([listing.stamp.inode for listing in listings.values()], np.int64),
        "changed": np.array([listing.stamp.changed for listing in listings.values()], np.int64),
    }
    return Index({"identity": content_of(names)}, {**stamps, **names})


def _listings(index: Index) -> dict[bytes, _Listing]:
    """What an index knows of each folder."""
    folders = Names(index.arrays["folders"], index.arrays["folder_offsets"])
    files = Names(index.arrays["files"], index.arrays["file_offsets"])
    starts, inodes, changed = (index.arrays[name].tolist() for name in ("starts", "inodes", "changed"))
    names = [folders[number] for number in range(len(folders))]
    below: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name in names[1:]:
        parent, _, own = name.rpartition(b"/")
        below[parent].append(own)
    return {
        name: _Listing(_Stamp(inodes[number], changed[number]), files[starts[number] : starts[number + 1]], below[name])
        for number, name in enumerate(names)
    }


def _join(top: str, name: bytes) -> str:
    return os.path.join(top, os.fsdecode(name)) if name else top  # noqa: PTH118


def _stamp(top: str, name: bytes, lasting: frozenset[int]) -> _Stamp | None:
    """A folder's stamp as it is now; None where it is gone."""
    try:
        return _stamp_of(os.stat(_join(top, name)), lasting)  # noqa: PTH116
    except OSError:
        return None


def _stamp_of(status: os.stat_result, lasting: frozenset[int]) -> _Stamp:
    return _Stamp(status.st_ino & _LARGEST, status.st_ctime_ns if status.st_dev in lasting else -1)


_LARGEST = 2**63 - 1
"""Inodes may take 64 bits, the index holds 63."""
