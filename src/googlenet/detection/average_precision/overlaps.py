"""Which detections lie over which objects, as one flat table of pairs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.tables import Detected, Numbers, Truths
from googlenet.detection.boxes import areas
from googlenet.errors import InputError

__all__ = ["Pairs", "best", "pairs"]

MOST_PAIRS = 1 << 26
"""That overlap, which bounds the memory."""

_AT_ONCE = 1 << 20
"""Pairs that are looked at together."""


class Pairs(NamedTuple):
    """P pairs of a detection and an object of one picture, sorted by detection, then object."""

    detections: Numbers
    """[P]"""
    truths: Numbers
    """[P]"""
    overlaps: NDArray[np.float64]
    """[P], intersection over union; over a crowd, the share of the detection that lies on it"""

    def only(self, kept: NDArray[np.bool_]) -> "Pairs":
        """Return those of the pairs that are `kept` [P]."""
        return Pairs(self.detections[kept], self.truths[kept], self.overlaps[kept])


def pairs(detected: Detected, truths: Truths, least: float, same_class: bool = True) -> Pairs:
    """Return the pairs that overlap by `least` (above 0) or more: of the same class, or of any.

    Raises `InputError` where there are more than `MOST_PAIRS`.
    """
    keys = (detected.groups, truths.groups) if same_class else (detected.images, truths.images)
    first = np.searchsorted(keys[1], keys[0], "left")
    counts = np.searchsorted(keys[1], keys[0], "right") - first
    with_truths = np.flatnonzero(counts)
    first, counts = first[with_truths], counts[with_truths]
    cuts = np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), _AT_ONCE)[1:])
    parts: list[Pairs] = []
    found = 0
    for rows in np.split(np.arange(len(with_truths)), np.unique(cuts)):
        detections = np.repeat(with_truths[rows], counts[rows])
        within = np.arange(len(detections)) - np.repeat(np.cumsum(counts[rows]) - counts[rows], counts[rows])
        objects = np.repeat(first[rows], counts[rows]) + within
        overlaps = _overlaps(detected, truths, detections, objects)
        parts.append(Pairs(detections, objects, overlaps).only(overlaps >= least))
        found += len(parts[-1].overlaps)
        if found > MOST_PAIRS:
            raise InputError(f"over {MOST_PAIRS:,} detections lie over an object; keep the best of each picture")
    return Pairs(
        np.concatenate([part.detections for part in parts]),
        np.concatenate([part.truths for part in parts]),
        np.concatenate([part.overlaps for part in parts]),
    )


def best(detections: Numbers, overlaps: NDArray[np.float64]) -> Numbers:
    """Return for each detection that has pairs the number of the one that overlaps most; of equals, the first."""
    order = np.lexsort((-overlaps, detections))
    return order[np.flatnonzero(np.diff(detections[order], prepend=-1))]


def _overlaps(detected: Detected, truths: Truths, detections: Numbers, objects: Numbers) -> NDArray[np.float64]:
    ones, others = detected.boxes[detections], truths.boxes[objects]
    widths = np.minimum(ones[:, 2], others[:, 2]) - np.maximum(ones[:, 0], others[:, 0])
    heights = np.minimum(ones[:, 3], others[:, 3]) - np.maximum(ones[:, 1], others[:, 1])
    shared = np.maximum(widths, 0) * np.maximum(heights, 0)
    own = areas(ones)
    union = np.where(truths.crowd[objects], own, own + areas(others) - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
