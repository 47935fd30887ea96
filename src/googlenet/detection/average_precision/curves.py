"""Precision against recall, and what is averaged of it: the same for all protocols.

Only the detections that found something matter: between two of them precision falls, and recall stays. Every image may
weigh more than once, as in a resample of the images: R weightings are computed together, R = 1 for the images as they
are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.tables import Detected, Numbers

__all__ = ["Curve", "Floats", "Weighted", "average_precision", "by_class", "class_averages", "curve_of", "mean_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """How often each of n detections of a class, the surest first, counts in each of R weightings of the images."""

    weights: Numbers
    """[R, n]"""
    sums: Numbers
    """[R, n]: of each and all before it"""

    @classmethod
    def of(cls, weights: Numbers) -> "Weighted":
        """Sum up `weights` [R, n]."""
        return cls(weights, np.cumsum(weights, axis=1))

    @classmethod
    def once(cls, detections: int) -> "Weighted":
        """Return the one weighting (R = 1) in which each counts once."""
        return cls(np.ones((1, detections), np.int64), np.arange(1, detections + 1)[None])


@dataclass(frozen=True)
class Curve:
    """Precision and recall behind each of K detections that found something, the surest first."""

    found: Numbers
    """[R, K]: objects found so far"""
    precision: Floats
    """[R, K]: the highest precision from here on"""
    gains: Numbers
    """[R, K]: objects that this detection found; more than one where its image weighs more"""
    positives: Numbers
    """[R]: objects that are to be found"""


def by_class(labels: Numbers, detected: Detected, classes: int, as_given: bool) -> list[Numbers]:
    """Return the rows of each class, the surest first, where `labels` are the classes of the detections.

    Those of equal scores stand `as_given`, or else in the order of their pictures.
    """
    order = np.lexsort((detected.given if as_given else np.arange(len(labels)), -detected.scores, labels))
    return np.split(order, np.searchsorted(labels[order], np.arange(1, classes)))


def class_averages(
    rows: Sequence[Numbers],
    right: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    positives: Numbers,
    recalls: Floats | None,
) -> Floats:
    """Return the average precision of each of C classes, [C], NaN where nothing is to be found.

    `rows` are those of each class in `right` and `counted` [N]; `positives` [C] are to be found.
    """
    found = np.full(len(rows), np.nan)
    for label in np.flatnonzero(positives).tolist():
        those = rows[label]
        curve = curve_of(right[those], counted[those], Weighted.once(len(those)), positives[label : label + 1])
        found[label] = average_precision(curve, recalls)[0]
    return found


def curve_of(right: NDArray[np.bool_], counted: NDArray[np.bool_], weighted: Weighted, positives: Numbers) -> Curve:
    """Return the curve of n detections of one class, the surest first: `right` and `counted` [n]."""
    places, skipped = np.flatnonzero(right), np.flatnonzero(~counted)
    judged = weighted.sums[:, places]
    if len(skipped):
        before = np.searchsorted(skipped, places)
        sums = np.cumsum(weighted.weights[:, skipped], axis=1)
        judged[:, before > 0] -= sums[:, before[before > 0] - 1]
    gains = weighted.weights[:, places]
    found = np.cumsum(gains, axis=1)
    precision = np.divide(found, judged, out=np.zeros(found.shape), where=judged > 0)
    return Curve(found, np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1], gains, positives)


def average_precision(curve: Curve, recalls: Floats | None) -> Floats:
    """Return the mean precision at `recalls`, or the area below the curve: [R], NaN without anything to be found."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if recalls is None:
            return (curve.gains * curve.precision).sum(axis=1) / curve.positives
        return np.where(curve.positives > 0, _sampled(curve, recalls).mean(axis=1), np.nan)


def mean_of(values: Floats) -> float | None:
    """Return the mean of what is known; None where nothing is: NaN stands for "no ground truth"."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _sampled(curve: Curve, recalls: Floats) -> Floats:
    """The precision where each recall is reached, [R, points]; 0 where it never is."""
    rows, length = curve.found.shape
    if not length:
        return np.zeros((rows, len(recalls)))
    needed = _needed(recalls, curve.positives)
    # One search over all rows, each of which is lifted above those before.
    lift = (np.arange(rows) * (int(curve.positives.max()) + 1))[:, None]
    places = np.searchsorted((curve.found + lift).ravel(), (needed + lift).ravel()).reshape(needed.shape)
    places -= length * np.arange(rows)[:, None]
    precision = np.concatenate([curve.precision, np.zeros((rows, 1))], axis=1)
    return np.take_along_axis(precision, places, axis=1)


def _needed(recalls: Floats, positives: Numbers) -> Numbers:
    """How many objects must be found until each recall is reached, as division in floats says it: [R, points]."""
    of = positives[:, None]
    least = np.floor(recalls * of)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (least + (least / of < recalls)).astype(np.int64)
