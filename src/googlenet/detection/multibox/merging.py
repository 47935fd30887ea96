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

OVERLAP = 0.7
"""Intersection over union above which the less confident of two boxes goes."""

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

    Boxes are mapped back and clipped to the picture; of those that nearly coincide the most confident stays, as nothing
    keeps the network from saying a box twice, or two squares from showing one object.
    """
    shares, confidences = (tensor.double().numpy() for tensor in boxes_of(outputs, head))
    boxes = np.concatenate([from_shares(found, square) for found, square in zip(shares, squares, strict=True)])
    boxes, scores = clip(boxes, *size), confidences.reshape(-1)
    whole = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (areas(boxes) >= SMALLEST)
    boxes, scores = boxes[whole], scores[whole]
    kept = suppress(boxes, scores, OVERLAP, most)
    return Proposals(boxes[kept], scores[kept])
