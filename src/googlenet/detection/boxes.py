"""Boxes, as all of the detector has them: x0, y0, x1, y1 in pixels of the original picture, half-open, float64 [N, 4].

A box of the whole picture is (0, 0, width, height); its width is x1 - x0. What others count otherwise (from 1, both
ends inside, a corner and a size, shares of the picture) is turned here where it is read or written, nowhere else.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    *["Boxes", "areas", "as_boxes", "clip", "from_inclusive", "from_shares", "from_xywh", "iou", "suppress"],
    *["to_inclusive", "to_shares", "to_xywh"],
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
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), 1)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Return the parts within a picture; of a box outside of it nothing is left but a line or point on its border."""
    return np.clip(boxes, 0, [width, height, width, height])


def iou(ones: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each with each, [N, M]; 0 where both are empty."""
    sizes = np.minimum(ones[:, None, 2:], others[None, :, 2:]) - np.maximum(ones[:, None, :2], others[None, :, :2])
    shared = np.prod(np.maximum(sizes, 0), 2)
    union = areas(ones)[:, None] + areas(others)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress(boxes: Boxes, scores: NDArray[np.floating], threshold: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the numbers of what is kept, the best first, ties in the given order.

    A box goes where its IoU with a better one that is kept lies above `threshold`; exactly at it, it stays.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[iou(boxes[best : best + 1], boxes[order])[0] <= threshold]
    return np.array(kept, np.int64)
