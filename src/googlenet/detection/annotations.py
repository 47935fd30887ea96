"""What is annotated: the objects of each picture of a data set, whatever files they were read from."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.weights.classes import Class

__all__ = ["AnnotatedImages", "Objects", "keys_of"]


@dataclass(frozen=True)
class Objects:
    """The objects of one picture, N of them, each with a box as `googlenet.detection.boxes` has it."""

    boxes: Boxes
    """float64 [N, 4]; each has an area: degenerate ones are left out by the readers, which say so (`data check`)"""
    labels: NDArray[np.int64]
    """[N], indices into the classes of the data set"""
    difficult: NDArray[np.bool_]
    """[N]; VOC: neither rewarded nor punished"""
    crowd: NDArray[np.bool_]
    """[N]; COCO: a region with many objects"""
    areas: NDArray[np.float64]
    """[N]; COCO's area of the object, elsewhere that of the box"""
    excluded: frozenset[int] = frozenset()
    """ILSVRC's blacklist: classes that do not count in this picture"""

    def __len__(self) -> int:
        return len(self.boxes)


class AnnotatedImages(Protocol):
    """Pictures with objects, by number. Opening one reads no picture; it can be sent to a worker process."""

    @property
    def classes(self) -> tuple[Class, ...]:
        """What the labels stand for."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Return a picture's file as it is stored, to be decoded; `InputError` where it cannot be read."""
        ...

    def name(self, index: int) -> str:
        """Return the picture's path as it is; reports and predictions match pictures by their names."""
        ...

    def objects(self, index: int) -> Objects:
        """Return what is annotated in a picture; `InputError` that names the file where it cannot be read."""
        ...


def keys_of(images: AnnotatedImages, annotated: Iterable[object]) -> Iterator[str]:
    """Yield name and annotation of each picture, from the pictures' own folder: whether it is the same data."""
    names = [os.path.abspath(images.name(index)) for index in range(len(images))]  # noqa: PTH100
    folder = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""  # noqa: PTH120
    for name, found in zip(names, annotated, strict=True):
        yield f"{os.path.relpath(name, folder)} {found}"
