"""What an evaluation of a detector found: average precision by class, and what it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from googlenet.detection.average_precision.curves import Curve, Floats, Weighted, curve_of, mean_of
from googlenet.detection.average_precision.matching import Matches
from googlenet.detection.average_precision.protocols import Protocol
from googlenet.detection.average_precision.tables import Detected, Numbers, Truths
from googlenet.detection.average_precision.tide import Error, errors_of
from googlenet.weights.classes import Class

if TYPE_CHECKING:
    from googlenet.detection.average_precision.intervals import Intervals

__all__ = ["NO_GROUND_TRUTH", "AveragePrecision", "Strangers"]

NO_GROUND_TRUTH = "no ground truth"
"""Stands where a figure would be; it is in no mean."""


@dataclass(frozen=True)
class Strangers:
    """What the predictions have and the data set has not, by name, with the number of detections."""

    pictures: Mapping[str, int]
    classes: Mapping[str, int]


@dataclass(frozen=True)
class AveragePrecision:
    """How well detections find the objects of a data set, by a protocol."""

    protocol: Protocol
    truths: Truths
    detected: Detected
    matches: Matches
    rows: Sequence[Numbers]
    """The detections of each class, the surest first."""
    precisions: Floats
    """[A, T, C]: average precision for each range of areas, threshold and class; NaN without ground truth"""
    left_out: Strangers
    seen: int
    """Pictures that the predictions name."""

    @property
    def classes(self) -> tuple[Class, ...]:
        """The classes of the data set."""
        return self.truths.classes

    @property
    def images(self) -> int:
        """Pictures of the data set, with detections or without."""
        return len(self.truths.names)

    @cached_property
    def by_class(self) -> tuple[float | None, ...]:
        """The average precision of each class, mean over the thresholds; None without ground truth."""
        return tuple(mean_of(self.precisions[0, :, label]) for label in range(len(self.classes)))

    @property
    def mean(self) -> float:
        """The mean over the classes with ground truth."""
        return mean_of(self.precisions[0]) or 0.0

    @cached_property
    def objects(self) -> tuple[int, ...]:
        """How many objects of each class are to be found."""
        wanted = self.truths.labels[self.matches.wanted[0]]
        return tuple(np.bincount(wanted, minlength=len(self.classes)).tolist())

    @cached_property
    def figures(self) -> dict[str, float | None]:
        """What else the protocol reports, by its names: COCO's AP50, APs, AR100 ...; None without ground truth."""
        if self.protocol.figures is None:
            return {}
        thresholds = np.array(self.protocol.thresholds)
        return self.protocol.figures(self.precisions, self.matches, self.detected, self.truths, thresholds)

    @cached_property
    def errors(self) -> dict[str, Error]:
        """TIDE's types of error, at the first threshold."""
        return errors_of(self.detected, self.truths, self.matches, self.protocol)

    @cached_property
    def intervals(self) -> "Intervals":
        """95 % intervals over the images of the data set; takes seconds for large ones."""
        from googlenet.detection.average_precision.intervals import intervals_of  # which loads scipy

        recalls = None if self.protocol.recalls is None else np.array(self.protocol.recalls)
        return intervals_of(self.detected, self.truths, self.matches, self.rows, recalls)

    def curve(self, label: int) -> Curve:
        """Return the precision against the recall of a class, at the first threshold (R = 1)."""
        rows = self.rows[label]
        right, counted = self.matches.right[0, 0, rows], self.matches.counted[0, 0, rows]
        return curve_of(right, counted, Weighted.once(len(rows)), np.array([self.objects[label]]))

    def to_json(self) -> dict[str, Any]:
        """Return what `detector evaluate --json` prints (docs/json.md)."""
        intervals = dict(zip([one.id for one in self.classes], self.intervals.classes, strict=True))
        return {
            "protocol": self.protocol.name,
            "images": self.images,
            "mean_average_precision": self.mean,
            "mean_average_precision_interval": self.intervals.mean,
            "classes": {one.id: _told(ap) for one, ap in zip(self.classes, self.by_class, strict=True)},
            "class_intervals": {key: interval for key, interval in intervals.items() if interval is not None},
            "objects": dict(zip([one.id for one in self.classes], self.objects, strict=True)),
            "detections": len(self.detected),
            "figures": {name: _told(value) for name, value in self.figures.items()},
            "errors": {name: {"count": one.count, "gain": one.gain} for name, one in self.errors.items()},
            "left_out": {"images": dict(self.left_out.pictures), "classes": dict(self.left_out.classes)},
        }


def _told(value: float | None) -> float | str:
    return NO_GROUND_TRUTH if value is None else value
