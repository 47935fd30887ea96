"""From what a network says of the squares of a picture to the proposals of the picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from googlenet.detection.boxes import Boxes, areas, clip, suppress
from googlenet.detection.multibox.loss import boxes_of
from googlenet.detection.multibox.squares import Square, from_shares
from googlenet.network.specification import MultiBox

__all__ = ["Proposals", "merge"]

OVERLAP = 0.6
"""Intersection over union above which the less confident of two boxes goes."""

EDGE = 0.02
"""Share of a square's side: a box that comes so near to the end of a square within the picture is cut off there."""

SMALLEST = 1.0
"""Area of a proposal in pixels, at least."""


class Proposals(NamedTuple):
    """Boxes of one picture, the most confident first."""

    boxes: Boxes
    """float64 [N, 4]"""
    scores: NDArray[np.float64]
    """[N], the probability that it holds an object, 0 to 1"""


def merge(outputs: Tensor, head: MultiBox, squares: Sequence[Square], size: tuple[int, int], most: int) -> Proposals:
    """Return at most `most` boxes of a picture of `size` (width, height) from the outputs of its squares, [V, 5K].

    Boxes are mapped back and clipped to the picture. Those that end where their square does, within the picture, go:
    another square shows all of the object. Of those that nearly coincide the most confident stays, as nothing keeps the
    network from saying a box twice, or two squares from showing one object.
    """
    shares, confidences = (tensor.double().numpy() for tensor in boxes_of(outputs, head))
    kept = np.concatenate([~_cut_off(found, square, size) for found, square in zip(shares, squares, strict=True)])
    boxes = np.concatenate([from_shares(found, square) for found, square in zip(shares, squares, strict=True)])
    boxes, scores = clip(boxes, *size), confidences.reshape(-1)
    kept &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (areas(boxes) >= SMALLEST)
    boxes, scores = boxes[kept], scores[kept]
    chosen = suppress(boxes, scores, OVERLAP, most)
    return Proposals(boxes[chosen], scores[chosen])


def _cut_off(shares: Boxes, square: Square, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether each box ends where its square does and the picture does not, [N]."""
    x1, y1 = square.x0 + square.side, square.y0 + square.side
    inner = np.array([square.x0 > 0, square.y0 > 0, x1 < size[0], y1 < size[1]])
    near = np.concatenate([shares[:, :2] < EDGE, shares[:, 2:] > 1 - EDGE], axis=1)
    return (near & inner).any(1)
