"""The squares that a MultiBox is trained on: drawn evenly by how much of them objects cover (Erhan et al., 2014).

Squares at random would be background nearly all of the time in pictures of small objects, and nearly never in others.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, areas
from googlenet.detection.multibox.squares import KEPT, Square

__all__ = ["BUCKETS", "candidates", "covered", "draw"]

BUCKETS = (0.05, 0.15, 0.5)
"""What divides the squares by their covered share: up to 5 %, 15 %, 50 %, and all above."""

CANDIDATES = 100
"""Squares that are drawn, of which one is taken."""

PIECE = 0.25
"""Share of a square that an object may cover of which less than half is seen: more is a piece, and no background."""

SMALLEST = 0.3
"""Side of the smallest square, as a share of the picture's short side; the largest has the long side."""


def draw(width: int, height: int, boxes: Boxes, random: np.random.Generator) -> Square:
    """Draw a square of a picture of `width` x `height`: each bucket that has any is equally likely, and each in it.

    Squares that show a large piece of an object, neither object nor background, are left out where there are others.
    """
    squares = candidates(width, height, random)
    clear = ~_shows_pieces(squares, boxes)
    squares = squares[clear] if clear.any() else squares
    buckets = np.searchsorted(BUCKETS, covered(squares, boxes))
    chosen = random.choice(np.unique(buckets))
    return Square(*(int(value) for value in random.choice(squares[buckets == chosen])))


def candidates(width: int, height: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw squares x0, y0, side, int64 [up to `CANDIDATES`, 3], none twice.

    The logarithm of the side is uniform. They lie within the picture as far as they fit; where one is larger than a
    side of the picture, it covers the whole of that.
    """
    short, long = sorted((width, height))
    sides = np.exp(random.uniform(np.log(max(1, SMALLEST * short)), np.log(long), CANDIDATES)).round().astype(np.int64)
    free = np.stack([width - sides, height - sides], 1)
    corners = np.minimum(free, 0) + random.integers(0, np.abs(free) + 1)
    return np.unique(np.column_stack([corners, sides]), axis=0)


def covered(squares: NDArray[np.int64], boxes: Boxes) -> NDArray[np.float64]:
    """Return the share of each square, [N, 3], that lies in any of the boxes: exact, [N]."""
    if not len(boxes):
        return np.zeros(len(squares))
    xs, ys = np.unique(boxes[:, ::2]), np.unique(boxes[:, 1::2])
    inside = np.zeros((len(ys) - 1, len(xs) - 1), np.float64)
    for x0, y0, x1, y1 in boxes:
        inside[np.searchsorted(ys, y0) : np.searchsorted(ys, y1), np.searchsorted(xs, x0) : np.searchsorted(xs, x1)] = 1
    across = _overlaps(squares[:, 0], squares[:, 2], xs)
    down = _overlaps(squares[:, 1], squares[:, 2], ys)
    return np.einsum("ny,yx,nx->n", down, inside, across, optimize=True) / squares[:, 2] ** 2


def _shows_pieces(squares: NDArray[np.int64], boxes: Boxes) -> NDArray[np.bool_]:
    """[N]"""
    corners = squares[:, None, :2]
    sides = np.minimum(corners + squares[:, None, 2:], boxes[:, 2:]) - np.maximum(corners, boxes[:, :2])
    seen = np.prod(np.maximum(sides, 0), 2)
    return ((seen < KEPT * areas(boxes)) & (seen > PIECE * squares[:, 2:] ** 2)).any(1)


def _overlaps(starts: NDArray[np.int64], sides: NDArray[np.int64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each range between two edges lies in each square, along one axis: [N, edges - 1]."""
    first = np.maximum(starts[:, None], edges[None, :-1])
    return np.maximum(0, np.minimum((starts + sides)[:, None], edges[None, 1:]) - first)
