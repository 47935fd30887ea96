"""A folder of class folders: the class of an image is the folder directly below the top in which it lies, at any depth.

What lies below is found by `scan`, which keeps it as an index.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import file_size, read_file
from googlenet.data.index import Names
from googlenet.data.labels import match
from googlenet.data.scan import scan
from googlenet.errors import InputError
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class, id_key

__all__ = ["Folder"]


class Folder:
    """The images below `path`; a `Dataset`.

    Without `classes`, the class folders are the classes, sorted plainly by name, the name being the id (composed, as
    Unicode's NFC has it, so that a folder copied from a Mac stays the same class), also those that hold no image. With
    `classes`, folders are matched to them by id; one that matches none raises `InputError`. Hidden files and folders,
    those that systems add (`left_out`), and files that are not images by their ending do not count. Images are in the
    order of their folders' paths, then of their names.
    """

    def __init__(self, path: str | os.PathLike[str], classes: tuple[Class, ...] | None = None) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100  a link stays the name that the user gave
        self._index = replace(scan(self.path), again=partial(scan, self.path))
        shown = display_name(path)
        found, stray = self._class_folders(shown)
        if not found:
            what = "holds images, but not in class folders" if stray else "holds no class folders with images"
            raise InputError(f"{shown}: {what}; put the images of each class in a folder of its own, or give a list")
        if not len(self):
            raise InputError(f"{shown}: no images in its class folders (files ending in {', '.join(sorted(ENDINGS))})")
        if stray:
            raise InputError(f"{shown}: images lie beside the class folders ({stray}); move them into one")
        self.classes = classes or tuple(Class(name, name) for name in found)
        position = dict(zip(found, match(found, self.classes, shown).tolist(), strict=True))
        of_folder = np.array([position.get(id_key(_top(folder)), -1) for folder in self._folders], np.int32)
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

    def _class_folders(self, shown: str) -> tuple[list[str], str]:
        """Ids of the class folders, plainly sorted; and the name of an image that lies in none of them."""
        names = sorted({id_key(_top(folder)) for folder in self._folders} - {""})
        for name in names:
            if any("\ud800" <= character <= "\udfff" for character in name):
                raise InputError(
                    f"{shown}: the name of class folder {display_name(name)} is not UTF-8 "
                    "(unpacked from an archive of another system?); rename it"
                )
        stray = os.fsdecode(self._files[0]) if self._starts[1] > 0 else ""
        return names, display_name(stray)

    def folders_below(self, identifier: str) -> list[str]:
        """Names of the folders directly in the folder of a class."""
        paths = [os.fsdecode(folder).split("/", 2) for folder in self._folders]
        return sorted({parts[1] for parts in paths if len(parts) > 1 and id_key(parts[0]) == identifier})

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> bytes:
        return read_file(self._file(index))

    def name(self, index: int) -> str:
        return self._file(index)

    def keys(self) -> Iterator[str]:
        """Yield the path of each image below the folder."""
        for number, folder in enumerate(self._folders):
            start, stop = self._starts[number : number + 2].tolist()
            yield from (os.fsdecode(folder + b"/" + name) for name in self._files[start:stop])

    def sizes(self) -> NDArray[np.int64]:
        """Return how many bytes each image's file has now, -1 where it is gone: [N]. Asks the disk for each of them."""
        sizes = np.empty(len(self), np.int64)
        for number, folder in enumerate(self._folders):
            path = os.path.join(self.path, os.fsdecode(folder))  # noqa: PTH118
            start, stop = self._starts[number : number + 2].tolist()
            for index, name in enumerate(self._files[start:stop], start=start):
                sizes[index] = file_size(os.path.join(path, os.fsdecode(name)))  # noqa: PTH118
        return sizes

    def _file(self, index: int) -> str:
        folder = int(np.searchsorted(self._starts, index, "right")) - 1
        return os.path.join(self.path, os.fsdecode(self._folders[folder]), os.fsdecode(self._files[index]))  # noqa: PTH118

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "classes": self.classes, "labels": self.labels, "_index": self._index}


def _top(name: bytes) -> str:
    """The class folder in which a folder lies; empty for the top itself."""
    return os.fsdecode(name.partition(b"/")[0])
