"""The rules of VOC: a detection belongs to the object that it overlaps most, whether that was found before or not.

It finds the object where they overlap by the threshold or more and none before did; it does not count where the object
is ignored (difficult); otherwise it is wrong.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.matching import Matches
from googlenet.detection.average_precision.overlaps import best, pairs
from googlenet.detection.average_precision.tables import Detected, Truths

__all__ = ["match"]


def match(detected: Detected, truths: Truths, thresholds: NDArray[np.float64]) -> Matches:
    """Judge each detection, at each of T thresholds; the record has A = 1."""
    found = pairs(detected, truths, float(thresholds.min()))
    chosen = best(found.detections, found.overlaps)
    right = np.zeros((1, len(thresholds), len(detected)), np.bool_)
    counted = np.ones_like(right)
    for place, threshold in enumerate(thresholds):
        enough = chosen[found.overlaps[chosen] >= threshold]
        detections, objects = found.detections[enough], found.truths[enough]
        _, first = np.unique(objects, return_index=True)
        right[0, place, detections[first]] = True
        counted[0, place, detections[truths.ignored[objects]]] = False
    right &= counted
    taken = np.zeros(len(truths.labels), np.bool_)
    of_first = chosen[right[0, 0, found.detections[chosen]]]
    taken[found.truths[of_first]] = True
    return Matches(right, counted, ~truths.ignored[None], taken, np.full(len(taken), thresholds[0]))
