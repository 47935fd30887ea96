"""Boxes, as all of the detector has them: x0, y0, x1, y1 in pixels of the original picture, half-open, float64 [N, 4].

A box of the whole picture is (0, 0, width, height); its width is x1 - x0. What others count otherwise (from 1, both
ends inside, a corner and a size, shares of the picture) is turned here where it is read or written, nowhere else.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    *["Boxes", "areas", "as_boxes", "clip", "from_inclusive", "from_shares", "from_xywh", "iou", "reach_beyond"],
    *["suppress", "suppress_classes", "to_inclusive", "to_shares", "to_xywh"],
]

Boxes = NDArray[np.float64]
"""[N, 4]"""


def as_boxes(values: ArrayLike) -> Boxes:
    """Return boxes as float64 [N, 4], of an empty list too."""
    return np.asarray(values, np.float64).reshape(-1, 4)


def from_inclusive(boxes: ArrayLike, first: int) -> Boxes:
    """Turn boxes that name their first and last pixel, counted from `first` (1: VOC, ILSVRC; 0: ImageNet's JSON)."""
    return as_boxes(boxes) - np.array([first, first, first - 1, first - 1])


def to_inclusive(boxes: ArrayLike, first: int) -> Boxes:
    """Undo `from_inclusive`."""
    return as_boxes(boxes) + np.array([first, first, first - 1, first - 1])


def from_xywh(boxes: ArrayLike) -> Boxes:
    """Turn boxes of a left upper corner, width and height (COCO)."""
    boxes = as_boxes(boxes)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def to_xywh(boxes: ArrayLike) -> Boxes:
    """Undo `from_xywh`."""
    boxes = as_boxes(boxes)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def from_shares(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Turn boxes of a centre and a size as shares of a picture (YOLO): centre x, centre y, width, height."""
    boxes = as_boxes(boxes) * [width, height, width, height]
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def to_shares(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Undo `from_shares`."""
    boxes = as_boxes(boxes)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([centres, sizes], 1) / [width, height, width, height]


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """[N]; 0 for a box that ends before it begins."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Return the parts within a picture; of a box outside of it nothing is left but a line or point on its border."""
    return np.clip(boxes, 0, [width, height, width, height])


def reach_beyond(boxes: Boxes, width: float, height: float) -> NDArray[np.bool_]:
    """Return which boxes reach beyond a picture by more than a slip: 2 % of its side and a pixel, [N]."""
    slip = 0.02 * np.array([width, height]) + 1
    outside = (boxes[:, :2] < -slip) | (boxes[:, 2:] > np.array([width, height]) + slip)
    return outside[:, 0] | outside[:, 1]


def iou(ones: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each with each, [N, M]; 0 where both are empty."""
    shared = _overlap(ones[:, None], others[None], 0)
    shared *= _overlap(ones[:, None], others[None], 1)
    union = areas(ones)[:, None] + areas(others)[None]
    union -= shared
    shared /= np.maximum(union, _SMALLEST, out=union)
    return shared


def suppress(
    boxes: Boxes, scores: NDArray[np.floating], threshold: float, most: int | None = None
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the numbers of what is kept, the best first, ties in the given order.

    A box goes where its IoU with a better one that is kept lies above `threshold`; exactly at it, it stays. Once `most`
    are kept, the rest is not looked at.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    kept: list[int] = []
    while len(order) and len(kept) != most:
        kept.append(order[0])
        alive = np.flatnonzero(iou(ranked[:1], ranked[1:])[0] <= threshold) + 1
        order, ranked = order[alive], ranked[alive]
    return np.array(kept, np.int64)


def suppress_classes(boxes: Boxes, scores: NDArray[np.floating], threshold: float) -> list[NDArray[np.int64]]:
    """Suppress boxes [N, 4] in each of C classes by the class's scores, [N, C]; each as `suppress` would.

    Which boxes overlap is found once for all classes; it takes N x N bytes.
    """
    near = np.concatenate([iou(rows, boxes) > threshold for rows in _blocks(boxes)] or [np.empty((0, 0), np.bool_)])
    return [_suppress(near, column) for column in scores.T]


_SMALLEST = float(np.finfo(np.float64).tiny)
_ROWS = 128
"""Of boxes that are compared with all others at once, which bounds the memory."""


def _overlap(ones: Boxes, others: Boxes, axis: int) -> NDArray[np.float64]:
    """The length that boxes share along an axis, 0 where none."""
    length = np.minimum(ones[..., axis + 2], others[..., axis + 2])
    length -= np.maximum(ones[..., axis], others[..., axis])
    return np.maximum(length, 0, out=length)


def _blocks(boxes: Boxes) -> list[Boxes]:
    return [boxes[start : start + _ROWS] for start in range(0, len(boxes), _ROWS)]


def _suppress(near: NDArray[np.bool_], scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """`suppress`, given which boxes overlap too much, [N, N]."""
    alive = np.ones(len(scores), np.bool_)
    kept = []
    for place in np.argsort(-scores, kind="stable").tolist():
        if alive[place]:
            kept.append(place)
            alive &= ~near[place]
    return np.array(kept, np.int64)
