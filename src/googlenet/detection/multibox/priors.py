"""The boxes that a MultiBox starts from: the means of the clusters of its training objects (k-means; Erhan et al.)."""

from math import log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.errors import InputError

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Prior", "find_priors", "start_at_priors"]

Prior = tuple[float, float, float, float]

ROUNDS = 50
"""Of assigning and averaging, at most: later ones move nothing that would be seen."""

DIGITS = 4
"""Decimals of a prior: a hundredth of what a network's outputs count in, and beyond any rounding of the means."""


NEAR_NOTHING = 0.1
"""Factor on the weights of fresh outputs, under which boxes begin within about one unit of their priors."""

_TOGETHER = 1024
"""Boxes that are compared with all centres at once."""


def find_priors(boxes: Boxes, count: int, random: np.random.Generator) -> tuple[Prior, ...]:
    """Return `count` boxes around which `boxes`, [N, 4] in shares of their squares, gather, the largest first.

    Lloyd's k-means from k-means++: no machine's order of sums takes part, so that they are the same everywhere. Raises
    `InputError` where there are fewer than `count` different boxes.
    """
    boxes = np.unique(boxes.round(DIGITS), axis=0)
    if len(boxes) < count:
        raise InputError(f"boxes {count}: the training crops show only {len(boxes)} different ones; give fewer --boxes")
    centres = boxes[_spread(boxes, count, random)]
    for _ in range(ROUNDS):
        moved = _means(boxes, centres, _nearest(boxes, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    sizes = np.prod(centres[:, 2:] - centres[:, :2], axis=1)
    return tuple(tuple(box) for box in centres[np.argsort(-sizes, kind="stable")].round(DIGITS).tolist())


def start_at_priors(outputs: "Module", objects: float) -> None:
    """Let the boxes of a fresh last layer start where their priors are, each as sure as boxes are right on the mean.

    `objects` is how many a square shows on the mean. From random places and confidences of one half, training would
    first have to unlearn both.
    """
    weight, bias = (outputs.get_parameter(name).data for name in ("weight", "bias"))
    count = len(bias) // 5
    right = min(0.5, objects / count)
    weight.mul_(NEAR_NOTHING)
    bias[4 * count :] = log(right / (1 - right))


def _spread(boxes: Boxes, count: int, random: np.random.Generator) -> list[int]:
    """The numbers of boxes to begin with, each drawn by the square of its distance to those before (k-means++)."""
    chosen = [int(random.integers(len(boxes)))]
    nearest = _distances(boxes, boxes[chosen])[:, 0]
    while len(chosen) < count:
        sums = nearest.cumsum()
        chosen.append(int(np.searchsorted(sums, random.random() * sums[-1], side="right")))
        nearest = np.minimum(nearest, _distances(boxes, boxes[chosen[-1:]])[:, 0])
    return chosen


def _nearest(boxes: Boxes, centres: Boxes) -> NDArray[np.intp]:
    """The number of the nearest centre of each box, [N]; in parts, which bounds the memory."""
    parts = np.split(boxes, range(_TOGETHER, len(boxes), _TOGETHER))
    return np.concatenate([np.argmin(_distances(part, centres), axis=1) for part in parts])


def _distances(boxes: Boxes, centres: Boxes) -> NDArray[np.float64]:
    """Squared, [N, K]; coordinate by coordinate, since a matrix product adds in an order of the machine's."""
    found = np.zeros((len(boxes), len(centres)))
    for coordinate in range(4):
        found += (boxes[:, coordinate, None] - centres[None, :, coordinate]) ** 2
    return found


def _means(boxes: Boxes, centres: Boxes, nearest: NDArray[np.intp]) -> Boxes:
    """The mean of the boxes of each centre; one that has none stays."""
    counts = np.bincount(nearest, minlength=len(centres))
    sums = np.stack([np.bincount(nearest, boxes[:, c], len(centres)) for c in range(4)], 1)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
