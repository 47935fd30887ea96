"""The rules of ILSVRC: a detection takes the object that it overlaps most among those that were not found before.

A small object asks for less: of one with width w and height h, by the threshold or by w h / ((w + 10) (h + 10)), what
is less, as if five pixels were added on each side.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.matching import Matches, assign
from googlenet.detection.average_precision.overlaps import pairs
from googlenet.detection.average_precision.tables import Detected, Truths

__all__ = ["match"]

MARGIN = 10.0
"""Pixels that a box is made wider and higher."""


def match(detected: Detected, truths: Truths, thresholds: NDArray[np.float64]) -> Matches:
    """Judge each detection, at each of T thresholds; the record has A = 1."""
    sizes = truths.boxes[:, 2:] - truths.boxes[:, :2]
    limits = np.prod(sizes, axis=1) / np.prod(sizes + MARGIN, axis=1)
    found = pairs(detected, truths, min(float(thresholds.min()), float(limits.min(initial=1))))
    ignored = np.repeat(truths.ignored[None], len(thresholds), axis=0)
    detections, objects = assign(detected, truths, found, thresholds, limits, ignored, later=False)
    right = np.zeros((1, len(thresholds), len(detected)), np.bool_)
    counted = np.ones_like(right)
    counted[0][:, detections] = (objects < 0) | ~truths.ignored[objects]
    right[0][:, detections] = (objects >= 0) & ~truths.ignored[objects]
    taken = np.zeros(len(limits), np.bool_)
    taken[objects[0][right[0, 0, detections]]] = True
    return Matches(right, counted, ~truths.ignored[None], taken, np.minimum(thresholds[0], limits))
