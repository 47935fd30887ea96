"""The windows of pictures from which a region classifier learns, in files that are mapped into memory.

20,000 pictures with 1,400 windows each are a gigabyte on the disk and nothing in memory: rows are written picture by
picture and read one by one. A folder holds `boxes` (float64 x0, y0, x1, y1), `labels` (int32) and an index: where the
rows of each picture begin, and which rows are objects.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.index import Index
from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import Boxes, areas, iou
from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["NEAR", "Labelled", "Windows", "label_windows", "open_windows", "write_windows"]

NEAR = 0.5
"""Intersection over union from which on a window shows an object (Girshick et al., fine-tuning)."""


class Labelled(NamedTuple):
    """The windows of one picture."""

    boxes: Boxes
    """[N, 4]"""
    labels: NDArray[np.int32]
    """[N], the place of a class; the number of classes stands for background"""


class Windows:
    """The windows of many pictures; made by `write_windows` and `open_windows`. Another process maps them anew."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self._index = folder, index
        self._starts = index.arrays["starts"]
        self.positives: NDArray[np.int64] = index.arrays["positives"]
        """The rows, of those of all pictures, that show an object, ascending: [P]."""
        count = int(self._starts[-1])
        self._boxes = _mapped(folder / "boxes", "<f8", 4 * count).reshape(-1, 4)
        self._labels = _mapped(folder / "labels", "<i4", count)

    def __len__(self) -> int:
        """Windows of all pictures."""
        return len(self._labels)

    @property
    def pictures(self) -> int:
        """How many there are, those without windows too."""
        return len(self._starts) - 1

    @property
    def identity(self) -> str:
        """The SHA-256 of boxes and labels."""
        return self._index.identity

    @property
    def key(self) -> str:
        """What they were made of, as it was told to `write_windows`."""
        return str(self._index.header["key"])

    @property
    def bad(self) -> Mapping[str, str]:
        """Name and reason of each picture that could not be read and has no windows."""
        return dict(self._index.header["bad"])

    @property
    def most(self) -> int:
        """Windows of the picture that has most."""
        return int(np.diff(self._starts).max(initial=0))

    def of(self, picture: int) -> Labelled:
        """Return the windows of a picture, in the order in which they were given."""
        rows = slice(int(self._starts[picture]), int(self._starts[picture + 1]))
        return Labelled(self._boxes[rows], self._labels[rows])

    def counts(self, classes: int) -> NDArray[np.int64]:
        """Return how many windows show each class, [classes]."""
        return np.bincount(self._labels[self.positives], minlength=classes)

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the picture of each row, and the row's number among those of the picture."""
        pictures = np.searchsorted(self._starts, rows, side="right") - 1
        return pictures, rows - self._starts[pictures]

    def negatives(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of background windows by their numbers among those, from 0."""
        before = self.positives - np.arange(len(self.positives))
        return numbers + np.searchsorted(before, numbers, side="right")

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.folder, self.identity)


def label_windows(boxes: Boxes, objects: Objects, classes: int) -> Labelled:
    """Give each box the class of the object that it overlaps most, at an IoU of 0.5 or more, or else background.

    Left out are boxes without area, those on an object that is difficult, and what could as well be an object as
    background: boxes of which half lies in a crowd, and background of a picture in which some class is not annotated.
    """
    truths = ~objects.crowd
    overlaps = iou(boxes, objects.boxes[truths])
    best, near = overlaps.argmax(1) if truths.any() else np.zeros(len(boxes), int), overlaps.max(1, initial=0) >= NEAR
    labels = np.full(len(boxes), classes, np.int32)
    kept = areas(boxes) > 0
    if truths.any():
        labels[near] = objects.labels[truths][best[near]]
        kept &= ~(near & objects.difficult[truths][best])
    kept &= near | ~_crowded(boxes, objects.boxes[objects.crowd])
    if objects.excluded:
        kept &= near
    return Labelled(boxes[kept], labels[kept])


def write_windows(
    folder: Path, parts: Iterable[Labelled], classes: int, key: str, bad: Mapping[str, str] | None = None
) -> Windows:
    """Write the windows of one picture after the other, of `classes` classes; `key` says what they were made of.

    `bad` names the pictures that could not be read, once all `parts` have come, with the reasons.
    Whole or not at all: the index, without which there are none, comes last. `InputError` where nothing can be written.
    """
    (folder / "index").unlink(missing_ok=True)
    digest, counts, positives = hashlib.sha256(), [0], [np.empty(0, np.int64)]
    with atomic_write(folder / "boxes") as boxes, atomic_write(folder / "labels") as labels:
        for part in parts:
            of_boxes, of_labels = part.boxes.astype("<f8").tobytes(), part.labels.astype("<i4").tobytes()
            boxes.write(of_boxes)
            labels.write(of_labels)
            digest.update(of_boxes)
            digest.update(of_labels)
            positives.append(counts[-1] + np.flatnonzero(part.labels != classes))
            counts.append(counts[-1] + len(part.labels))
    arrays = {"starts": np.array(counts, np.int64), "positives": np.concatenate(positives)}
    header = {"identity": digest.hexdigest(), "key": key, "bad": dict(bad or {})}
    Index(header, arrays).save(folder / "index")
    found = open_windows(folder)
    if found is None:
        raise InputError(f"{folder}: cannot be written; give another folder")
    return found


def open_windows(folder: Path) -> Windows | None:
    """Map what `write_windows` wrote; None where there is nothing, or it is not whole."""
    index = Index.load(folder / "index")
    if index is None:
        return None
    try:
        return Windows(folder, index)
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _crowded(boxes: Boxes, crowds: Boxes) -> NDArray[np.bool_]:
    """Whether half of a box lies in a crowd, [N]."""
    low = np.maximum(boxes[:, None, :2], crowds[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], crowds[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    return (shared >= 0.5 * areas(boxes)[:, None]).any(1)


def _mapped(path: Path, kind: str, count: int) -> NDArray[Any]:
    """Map so many numbers; `ValueError` where the file holds another number of them."""
    size = path.stat().st_size
    if size != count * np.dtype(kind).itemsize:
        raise ValueError(f"{path}: {size} bytes")
    if not size:
        return np.empty(0, kind)
    return np.frombuffer(np.memmap(path, np.uint8, "r").data, kind)  # numpy's own memmap class costs on each access


def _reopened(folder: Path, identity: str) -> Windows:
    found = open_windows(folder)
    if found is None or found.identity != identity:
        raise InputError(f"{folder}: the windows changed while worker processes were started; start again")
    return found
