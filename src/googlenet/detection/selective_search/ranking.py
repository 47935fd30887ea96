"""One order for the boxes of all hierarchies, with chance, and what is left out of it (section 4 there).

A hierarchy's last merge, the whole picture, has priority 1, the one before 2, and so on; regions that were there before
any merge come last. Chance keeps large boxes from all coming first: each priority is multiplied by a number of its own
between 0 and 1.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from googlenet import randomness
from googlenet.detection.selective_search.grouping import Hierarchy

__all__ = ["LEAST_SIDE", "candidates", "rank"]

LEAST_SIDE = 20
"""Pixels at the working size; a box may be smaller only where it is as wide, or as high, as the picture."""


def candidates(hierarchies: Sequence[Hierarchy]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return boxes and priorities of hierarchies over the same first regions, which are there once."""
    first = hierarchies[0]
    count = len(first.merges) + 1
    boxes = [first.boxes[:count], *(hierarchy.boxes[count:] for hierarchy in hierarchies)]
    priorities = [np.full(count, count), *[np.arange(count - 1, 0, -1)] * len(hierarchies)]
    return np.concatenate(boxes), np.concatenate(priorities)


def rank(
    boxes: NDArray[np.int32], priorities: NDArray[np.int64], size: tuple[int, int], seed: int, index: int
) -> NDArray[np.int32]:
    """Return the boxes, the best first, without small ones and without duplicates, of which the best stays.

    `size` is the (height, width) of the picture; chance is a function of (seed, index).
    """
    chances = randomness.words(seed, "selective search", 0, [index], len(boxes))[0]
    boxes = boxes[np.argsort(priorities.astype(np.uint64) * chances, kind="stable")]
    height, width = size
    least = np.minimum(LEAST_SIDE, [width, height])
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= least).all(1)]
    places = boxes.astype(np.int64) @ [1, width + 1, (width + 1) * (height + 1), (width + 1) ** 2 * (height + 1)]
    return boxes[np.sort(np.unique(places, return_index=True)[1])]
