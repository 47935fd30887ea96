"""The windows whose features are known, picture by picture, with what they show: from what everything is fitted."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import Boxes, iou
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.refinement.features import RegionFeatures

__all__ = ["Example", "Examples", "Sample"]

NORM = 20.0
"""Features are scaled so that their mean length is this (Girshick et al.): the constants of the fits depend on it."""

SAMPLED = 50_000
"""Windows of a kind from which scores are calibrated; 200 classes' scores of them take 160 MB."""

BLOCK = 4096
"""Rows that are read at once."""


class Example(NamedTuple):
    """The windows of a picture."""

    rows: NDArray[np.int64]
    """[N], of the features"""
    boxes: Boxes
    objects: Objects
    overlaps: NDArray[np.float64]
    """[N, objects], intersection over union"""

    def nearness(self, label: int) -> NDArray[np.float64]:
        """Return how much each window overlaps the object of a class that it overlaps most, [N]."""
        return self.overlaps[:, self.objects.labels == label].max(1, initial=0)


class Sample(NamedTuple):
    """Windows as often as they come: of all pictures, in two kinds of which each stands for others."""

    rows: NDArray[np.int64]
    """[S], of the features"""
    labels: NDArray[np.int64]
    """[S], what a window shows at an IoU of 0.5; the number of classes is background"""
    weights: NDArray[np.float64]
    """[S], how many windows it stands for"""
    pictures: NDArray[np.int64]
    """[S], places in `wholes`"""
    wholes: NDArray[np.int64]
    """[P], the rows of the whole pictures"""

    def shows(self, label: int, objects: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return which windows show a class, and weights in which all of its windows count as its objects do."""
        found = self.labels == label
        return found, self.weights * (objects / max(self.weights[found].sum(), 1.0))


class Examples:
    """The windows of `images` that have `features`; iterated over, those of each picture that has some."""

    def __init__(self, images: RegionImages, features: RegionFeatures) -> None:
        self._images, self._features = images, features
        self.classes = len(images.classes)

    def __iter__(self) -> Iterator[Example]:
        starts = self._features.starts
        for index in range(len(self._images)):
            rows = np.arange(starts[index] + 1, starts[index + 1])
            if len(rows):
                boxes = self._images.windows(index).boxes[self._features.windows[rows]]
                objects = self._images.objects(index)
                yield Example(rows, boxes, objects, iou(boxes, objects.boxes))

    @property
    def pictures(self) -> int:
        """How many have windows."""
        return int(np.count_nonzero(np.diff(self._features.starts)))

    @property
    def width(self) -> int:
        """How many numbers a feature has."""
        return self._features.values.shape[1]

    @cached_property
    def scale(self) -> float:
        """By what features are multiplied, so that their mean length is 20."""
        rows = _spread(np.arange(len(self._features.values)), BLOCK)
        lengths = np.linalg.norm(self._features.values[rows].astype(np.float64), axis=1)
        return NORM / float(lengths.mean()) if lengths.any() else 1.0

    @cached_property
    def own(self) -> list[NDArray[np.int64]]:
        """The rows of the objects themselves, of each class: crowds and difficult ones are none."""
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(self.classes)]
        for example in self:
            counts = ~(example.objects.crowd | example.objects.difficult)
            for box, label in zip(example.objects.boxes[counts], example.objects.labels[counts].tolist(), strict=True):
                found[label].append(example.rows[(example.boxes == box).all(1)])
        return [np.unique(np.concatenate([np.empty(0, np.int64), *rows])) for rows in found]

    def values(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features of rows, scaled: [N, D]."""
        return self._features.values[rows].astype(np.float32) * np.float32(self.scale)

    def each(self, rows: NDArray[np.int64], function: Callable[[NDArray[np.float32]], NDArray]) -> NDArray:
        """Return what `function` makes of the scaled features of rows, a few thousand at a time."""
        parts = [function(self.values(rows[at : at + BLOCK])) for at in range(0, len(rows), BLOCK)]
        return np.concatenate(parts) if parts else function(self.values(rows))

    @cached_property
    def sample(self) -> Sample:
        """Some windows of all."""
        features, windows = self._features, self._images.all_windows
        starts = features.starts
        wholes = starts[:-1][np.diff(starts) > 0]
        rows = np.delete(np.arange(len(features.values)), wholes)
        pictures = np.searchsorted(starts, rows, side="right") - 1
        labels = np.empty(len(rows), np.int64)
        for picture in np.unique(pictures).tolist():
            of_picture = slice(*np.searchsorted(pictures, [picture, picture + 1]))
            labels[of_picture] = self._images.windows(picture).labels[features.windows[rows[of_picture]]]
        near = labels != self.classes
        chosen, weights = [], []
        for kind, population in ((near, len(windows.positives)), (~near, len(windows) - len(windows.positives))):
            places = _spread(np.flatnonzero(kind), SAMPLED)
            chosen.append(places)
            weights.append(np.full(len(places), max(population, len(places)) / max(len(places), 1)))
        order = np.argsort(np.concatenate(chosen))
        places = np.concatenate(chosen)[order]
        of_wholes = np.searchsorted(wholes, rows[places], side="right") - 1
        return Sample(rows[places], labels[places], np.concatenate(weights)[order], of_wholes, wholes)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most so many of `rows`, evenly spread over them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
