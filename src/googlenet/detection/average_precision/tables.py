"""Truths and detections of all pictures as flat tables, whose rows are sorted by picture and class.

Everything after this works on whole tables: no picture, class or box is met in a loop of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages, Objects
from googlenet.detection.average_precision.predictions import Predictions
from googlenet.detection.boxes import Boxes, as_boxes
from googlenet.errors import InputError, shown
from googlenet.reporting.progress import Progress
from googlenet.weights.classes import Class

__all__ = ["Detected", "Numbers", "Truths", "detected", "runs", "truths_of"]

Numbers = NDArray[np.int64]

MOST_DETECTIONS = 100_000
"""Of a picture."""

MOST_PAIRS = 1 << 24
"""Detections of a picture times its objects: bounds time and memory whatever a file holds."""


@dataclass(frozen=True)
class Truths:
    """The M objects of a data set, sorted by picture and class; without those of classes that do not count there."""

    names: tuple[str, ...]
    """of the pictures"""
    classes: tuple[Class, ...]
    images: Numbers
    """[M], indices into `names`, ascending"""
    labels: Numbers
    """[M], indices into `classes`"""
    boxes: Boxes
    """[M, 4]"""
    ignored: NDArray[np.bool_]
    """[M]: neither rewarded nor punished where they are found: difficult ones and crowds"""
    crowd: NDArray[np.bool_]
    """[M]"""
    areas: NDArray[np.float64]
    """[M]"""
    excluded: Numbers
    """picture * classes + class of each that does not count in a picture (ILSVRC's blacklist)"""

    @property
    def groups(self) -> Numbers:
        """[M], one number for each picture and class, ascending."""
        return self.images * len(self.classes) + self.labels


@dataclass(frozen=True)
class Detected:
    """The N detections that are judged, sorted by picture, class and falling score, ties as they were given."""

    images: Numbers
    labels: Numbers
    boxes: Boxes
    scores: NDArray[np.float64]
    given: Numbers
    """[N], the place of each among the predictions as they were given"""
    turns: Numbers
    """[N], how many of its picture and class come before it"""
    groups: Numbers
    """[N], one number for each picture and class, ascending"""

    def __len__(self) -> int:
        return len(self.images)


def truths_of(data: AnnotatedImages) -> Truths:
    """Read the objects of all pictures; raises `InputError` where one cannot be read or there are none to be found."""
    found: list[Objects] = []
    with Progress("reading objects", total=len(data), unit="pictures", threshold=1 << 30) as progress:
        for index in range(len(data)):
            found.append(data.objects(index))
            progress.update()
    counts = np.array([len(one) for one in found], np.int64)
    images = np.repeat(np.arange(len(found)), counts)
    labels = _joined([one.labels for one in found], np.int64)
    classes = tuple(data.classes)
    excluded = np.array(
        [index * len(classes) + label for index, one in enumerate(found) for label in sorted(one.excluded)], np.int64
    )
    groups = images * len(classes) + labels
    order = np.argsort(groups, kind="stable")
    order = order[~np.isin(groups[order], excluded)]
    crowd = _joined([one.crowd for one in found], np.bool_)
    ignored = crowd | _joined([one.difficult for one in found], np.bool_)
    if ignored[order].all():
        raise InputError(f"{len(found):,} pictures, but no object to be found in them; give annotated pictures")
    return Truths(
        tuple(data.name(index) for index in range(len(found))),
        classes,
        images[order],
        labels[order],
        as_boxes(_joined([one.boxes for one in found], np.float64))[order],
        ignored[order],
        crowd[order],
        _joined([one.areas for one in found], np.float64)[order],
        excluded,
    )


def detected(predictions: Predictions, images: Numbers, labels: Numbers, truths: Truths, most: int | None) -> Detected:
    """Sort predictions, whose pictures and classes are given as those of `truths`, -1 where it has none.

    Those without are left out, and all beyond the `most` best of a picture and class. Raises `InputError` for a picture
    with more of them than can be compared with its objects.
    """
    groups = images * len(truths.classes) + labels
    rows = np.flatnonzero((images >= 0) & (labels >= 0) & ~np.isin(groups, truths.excluded))
    rows = rows[np.argsort(-predictions.scores[rows], kind="stable")]
    rows = rows[np.argsort(groups[rows], kind="stable")]
    groups = groups[rows]
    turns = np.arange(len(rows)) - np.repeat(*runs(groups))
    if most is not None:
        kept = turns < most
        rows, groups, turns = rows[kept], groups[kept], turns[kept]
    found = Detected(images[rows], labels[rows], predictions.boxes[rows], predictions.scores[rows], rows, turns, groups)
    _expect_few(found, truths)
    return found


def runs(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return where each run of equal values begins, and how long it is."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    return starts, np.diff(starts, append=len(values))


def _expect_few(found: Detected, truths: Truths) -> None:
    counts, objects = (np.bincount(table.images, minlength=len(truths.names)) for table in (found, truths))
    worst = int(np.argmax(counts * np.maximum(objects, MOST_PAIRS // MOST_DETECTIONS)))
    if counts[worst] > MOST_DETECTIONS or counts[worst] * objects[worst] > MOST_PAIRS:
        raise InputError(
            f"{shown(truths.names[worst])}: {counts[worst]:,} detections and {objects[worst]:,} objects are too many"
            " to be compared; keep the best detections"
        )


def _joined(arrays: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty((0, *arrays[0].shape[1:]), dtype), *arrays]) if arrays else np.empty(0, dtype)
