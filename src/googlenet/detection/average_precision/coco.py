"""The rules of COCO: each object is taken once, in each range of areas, at each of ten overlaps; its twelve figures.

A detection takes the free object that it overlaps most, of equal ones the later. Crowds and objects outside the range
are ignored: they are taken only where no other is free, and what takes one does not count; nor does what takes none and
lies itself outside the range.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.curves import mean_of
from googlenet.detection.average_precision.matching import Matches, assign
from googlenet.detection.average_precision.overlaps import pairs
from googlenet.detection.average_precision.tables import Detected, Truths
from googlenet.detection.boxes import areas

__all__ = ["AREAS", "MOST", "THRESHOLDS", "figures", "match"]

THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
MOST = 100
"""Detections of a picture and class that are judged."""

AREAS = {"": (0.0, 1e5**2), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e5**2)}
"""Square pixels, both ends included: all, small, medium, large."""


def match(detected: Detected, truths: Truths, thresholds: NDArray[np.float64]) -> Matches:
    """Judge each detection in each range of areas, at each of T thresholds; the record has A = 4."""
    ranges = np.array([*AREAS.values()])
    outside = ~_within(truths.areas, ranges)
    ignored = truths.ignored | outside
    found = pairs(detected, truths, float(thresholds.min()))
    shape = (len(ranges), len(thresholds), len(detected))
    detections, objects = assign(
        detected,
        truths,
        found,
        np.tile(thresholds, len(ranges)),
        np.full(len(truths.labels), np.inf),
        np.repeat(ignored, len(thresholds), axis=0),
        later=True,
    )
    objects = objects.reshape(*shape[:2], -1)
    counts = (objects >= 0) & ~np.take_along_axis(ignored[:, None], objects, axis=2)
    inside = _within(areas(detected.boxes), ranges)
    right, counted = np.zeros(shape, np.bool_), np.repeat(inside[:, None], len(thresholds), axis=1)
    right[:, :, detections] = counts
    counted[:, :, detections] = np.where(objects >= 0, counts, inside[:, None, detections])
    taken = np.zeros(len(truths.labels), np.bool_)
    taken[objects[0, 0][counts[0, 0]]] = True
    return Matches(right, counted, ~ignored, taken, np.full(len(taken), thresholds[0]))


def figures(
    precisions: NDArray[np.float64],
    matches: Matches,
    detected: Detected,
    truths: Truths,
    thresholds: NDArray[np.float64],
) -> dict[str, float | None]:
    """Return COCO's figures by their usual names; None without ground truth.

    `precisions` [A, T, C] are average precisions. AP is their mean, AP50 and AP75 at one threshold; AR1, AR10 and AR100
    are the shares of objects found by so many detections of a picture and class; s, m, l are the ranges of areas.
    """
    found = {"AP": mean_of(precisions[0])}
    for name, threshold in (("AP50", 0.5), ("AP75", 0.75)):
        if (at := np.isclose(thresholds, threshold)).any():
            found[name] = mean_of(precisions[0, at])
    ranges = dict(zip(AREAS, range(len(AREAS)), strict=True))
    found |= {f"AP{name}": mean_of(precisions[place]) for name, place in ranges.items() if name}
    for most in (1, 10, MOST):
        found[f"AR{most}"] = _recall(matches, detected, truths, 0, most)
    found |= {f"AR{name}": _recall(matches, detected, truths, place, MOST) for name, place in ranges.items() if name}
    return found


def _recall(matches: Matches, detected: Detected, truths: Truths, place: int, most: int) -> float | None:
    """The share of the objects of a range that the best detections found: mean over thresholds and classes."""
    classes = len(truths.classes)
    positives = np.bincount(truths.labels[matches.wanted[place]], minlength=classes)
    first = detected.turns < most
    found = [np.bincount(detected.labels[right & first], minlength=classes) for right in matches.right[place]]
    with_truths = positives > 0
    return mean_of(np.array(found)[:, with_truths] / positives[with_truths])


def _within(values: NDArray[np.float64], ranges: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each value lies in each range: [A, N]."""
    return (values >= ranges[:, :1]) & (values <= ranges[:, 1:])
