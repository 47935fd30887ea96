"""The features of many windows, float16 in a file that is mapped into memory: on what SVMs and the like are fitted.

A picture's rows are the whole picture and, after it, some of its windows. The file grows by some pictures at a time,
which go through the network by themselves: what a kill leaves is gone on with, and the numbers are the same.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.index import Index
from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import Boxes
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.description import described, layers, width
from googlenet.detection.regions.pipeline import Answer, Boxed, read_boxes, whole_box
from googlenet.detection.regions.windows import Labelled
from googlenet.errors import BrokenOff, InputError
from googlenet.inference.predictor import Predictor
from googlenet.randomness import generator
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress

__all__ = ["FeaturePlan", "RegionFeatures", "write_features"]

CHUNK = 16
"""Pictures whose features are written together, and done again where they were not written whole."""


@dataclass(frozen=True)
class FeaturePlan:
    """Which windows' features are wanted, and how they are cropped; `key` says of what, such as a hash of weights."""

    windows: int
    """of a picture, at most, unless it has more objects"""
    seed: int
    context: float
    key: str

    @property
    def identity(self) -> str:
        return f"{self.key} described windows={self.windows} seed={self.seed} context={self.context}"


class RegionFeatures(NamedTuple):
    """Features of R rows, the whole pictures' among them."""

    starts: NDArray[np.int64]
    """[pictures + 1], where the rows of each begin"""
    windows: NDArray[np.int64]
    """[R], the number of a row's window in its picture; -1 for the whole picture"""
    values: NDArray[np.float16]
    """[R, D], mapped"""


def write_features(folder: Path, images: RegionImages, predictor: Predictor, plan: FeaturePlan) -> RegionFeatures:
    """Write the features of windows to `folder`, or what is missing of them, and return them.

    Says before how much they are. `InputError` names a picture that cannot be read; `BrokenOff` a full disk.
    """
    reader = _FeatureReader(predictor)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index = _planned(folder, images, plan)
        starts, windows = index.arrays["starts"], index.arrays["windows"]
        if windows.size:
            _complete(folder / "values", images, reader, plan, starts, windows)
        shape = (len(windows), reader.width)
        mapped = np.memmap(folder / "values", np.float16, "r", shape=shape) if windows.size else np.empty(shape)
    except InputError:
        raise
    except OSError as error:
        raise BrokenOff(f"{folder}: cannot be written ({error.strerror or error}); make room, or look at it") from error
    return RegionFeatures(starts, windows, mapped.view(np.ndarray).astype(np.float16, copy=False))


@dataclass(frozen=True)
class _FeatureReader:
    predictor: Predictor

    @property
    def width(self) -> int:
        """How many numbers the features of a region are."""
        return width(self.predictor.specification)

    def read(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Answer:
        specification = self.predictor.specification
        return (described(self.predictor.features(pixels, layers(specification), mask), specification),)


def _planned(folder: Path, images: RegionImages, plan: FeaturePlan) -> Index:
    """Return which rows are to be written, in a file that is made anew where it is of something else."""
    found = Index.load(folder / "index")
    if found is not None and found.header.get("key") == plan.identity:
        return found
    (folder / "index").unlink(missing_ok=True)
    (folder / "values").unlink(missing_ok=True)
    background = len(images.classes)
    rows = [
        _chosen(images.windows(index), images.objects(index), background, plan, index) for index in range(len(images))
    ]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in rows])]).astype(np.int64)
    windows = np.concatenate([np.empty(0, np.int64), *rows])
    return Index({"key": plan.identity}, {"starts": starts, "windows": windows}).save(folder / "index")


def _chosen(
    labelled: Labelled, objects: Objects, background: int, plan: FeaturePlan, picture: int
) -> NDArray[np.int64]:
    """Return -1 and the numbers of a picture's windows, ascending; nothing where it has none.

    Each box counts once. Objects come first, then half of the rest are windows that show one, and half background,
    each as likely as the others of its kind.
    """
    if not len(labelled.boxes):
        return np.empty(0, np.int64)
    first = np.sort(np.unique(labelled.boxes, axis=0, return_index=True)[1])
    boxes, shows = labelled.boxes[first], labelled.labels[first] != background
    is_own = (boxes[:, None] == objects.boxes[None]).all(2).any(1)
    own, near, others = (first[kind] for kind in (is_own, shows & ~is_own, ~shows & ~is_own))
    free = max(0, plan.windows - len(own))
    of_near = min(len(near), max(free // 2, free - len(others)))
    random = generator(plan.seed, "features", 0, picture)
    drawn = random.permutation(near)[:of_near], random.permutation(others)[: free - of_near]
    return np.sort(np.concatenate([[-1], own, *drawn])).astype(np.int64)


def _complete(
    path: Path,
    images: RegionImages,
    reader: _FeatureReader,
    plan: FeaturePlan,
    starts: NDArray[np.int64],
    windows: NDArray[np.int64],
) -> None:
    """Write the rows that are not there yet."""
    bytes_of_row = 2 * reader.width
    firsts = np.append(np.arange(0, len(images), CHUNK), len(images))
    path.touch()
    done = int(np.searchsorted(starts[firsts] * bytes_of_row, path.stat().st_size, side="right")) - 1
    begun = int(starts[firsts[done]])
    if begun == len(windows):
        return
    size = f"{len(windows) * bytes_of_row / 2**20:,.1f} MiB on the disk"
    say(f"features of {len(windows):,} regions, {reader.width:,} numbers each: {size}")
    with (
        path.open("r+b") as file,
        Progress("features", total=len(windows), start=begun, unit="regions") as progress,
    ):
        file.truncate(begun * bytes_of_row)
        file.seek(0, os.SEEK_END)
        reader.predictor.expect(len(windows) - begun)
        for start, stop in zip(firsts[done:-1].tolist(), firsts[done + 1 :].tolist(), strict=True):
            numbers = (windows[starts[index] : starts[index + 1]] for index in range(start, stop))
            for read in read_boxes(_boxed(images, range(start, stop), numbers), [reader], plan.context):
                file.write(read.answers[0][0].tobytes())
                progress.update(len(read.answers[0][0]))
            file.flush()
            os.fsync(file.fileno())


def _boxed(images: RegionImages, pictures: range, numbers: Iterator[NDArray[np.int64]]) -> Iterator[Boxed]:
    for index, of_picture in zip(pictures, numbers, strict=True):
        if len(of_picture):
            image = images.picture(index)
            boxes: Boxes = images.windows(index).boxes[of_picture[1:]]
            yield Boxed(images.name(index), image, np.concatenate([whole_box(image), boxes]))
