"""Several sources taken together: exact duplicates go, the first source wins; nothing else is suppressed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.proposals.sources import Found

__all__ = ["ranked", "union"]


def union(parts: Sequence[Found]) -> tuple[Boxes, NDArray[np.float64], NDArray[np.int64]]:
    """Return boxes [N, 4], scores [N] and the number of the source of each, the sources one after the other."""
    boxes = np.concatenate([np.empty((0, 4)), *(part.boxes for part in parts)]) + 0.0  # -0 is 0
    scores = np.concatenate([np.empty(0), *(part.scores for part in parts)])
    source = np.repeat(np.arange(len(parts)), [len(part.boxes) for part in parts])
    first = np.sort(np.unique(boxes, axis=0, return_index=True)[1])
    return boxes[first], scores[first], source[first]


def ranked(parts: Sequence[Found]) -> Boxes:
    """Return the boxes of the union, the best of each source first, so that any beginning has the sources' shares.

    Scores of different sources say nothing of each other: a box stands where its rank within its source is, as a
    share of the source's boxes; ties go to the first source.
    """
    boxes, _, source = union(parts)
    ranks = np.empty(len(boxes))
    for number in range(len(parts)):
        own = np.flatnonzero(source == number)
        ranks[own] = np.arange(1, len(own) + 1) / max(len(own), 1)
    return boxes[np.argsort(ranks, kind="stable")]
