"""R-CNN's crop of a box: stretched to the network's input together with what lies around it (Girshick et al., 2014).

The one function by which regions are cut, for training and for use. The box grows about its centre, so that 16 of the
input's 224 pixels on each side (the same share of other inputs) show what is around it, and both axes are stretched
to the input independently. What lies outside of the picture has no pixels: a mask says so, and 0 stands there once the
pixels are normalised, which is the mean colour.

This is the continuous form. The published code rounds the window to whole pixels and makes it one wider than exact,
which a box of a few pixels feels and which is not symmetric; here the window's edges are real numbers, and a
whole picture without context is a plain resize. Pixels are interpolated linearly between the nearest four, to 1/32 of
a pixel. Along an axis that shrinks by two or more, means of as many pixels as whole times are taken first (OpenCV's
area), so that large photographs do not alias; one that grows by over 16 is enlarged by 9 first, where 1/32 would show.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes

__all__ = ["CONTEXT", "Crops", "cut", "outside"]

CONTEXT = 16 / 224
"""Of the input's side, what shows the surroundings of the box at each of its sides."""


class Crops(NamedTuple):
    """N boxes of a picture as a network sees them."""

    pixels: NDArray[np.uint8]
    """[N, height, width, 3] RGB; what lies outside of the picture has any value"""
    inside: NDArray[np.int64]
    """[N, 4], the part that shows the picture: x0, y0, x1, y1 in pixels of the crop, half-open"""


def cut(
    image: NDArray[np.uint8], boxes: Boxes, size: tuple[int, int], *, mirror: bool = False, context: float = CONTEXT
) -> Crops:
    """Cut boxes [N, 4] with an area out of a picture, uint8 [h, w, 3] RGB, for an input of `size` (height, width).

    With `mirror` the crops are reversed, as if picture and boxes had been. Threads may cut from one picture.
    """
    height, width = size
    windows = _windows(boxes, context)
    x0, x1 = _columns(windows[:, 0], windows[:, 2], image.shape[1], width)
    y0, y1 = _columns(windows[:, 1], windows[:, 3], image.shape[0], height)
    inside = np.stack([x0, y0, x1, y1], 1)
    inside[(x1 <= x0) | (y1 <= y0)] = 0
    pixels = np.zeros((len(boxes), height, width, 3), np.uint8)
    for window, part, found in zip(windows, inside, pixels, strict=True):
        if part.any():
            _warp(image, window, found)
    if mirror:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
        inside[:, [0, 2]] = np.where(inside[:, 2:3] > 0, width - inside[:, [2, 0]], 0)
    return Crops(pixels, inside)


def outside(inside: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask of crops, bool [N, height, width]: true where they show nothing of their picture."""
    rows, columns = np.arange(size[0]), np.arange(size[1])
    x0, y0, x1, y1 = inside.T[:, :, None]
    of_rows = (rows >= y0) & (rows < y1)
    of_columns = (columns >= x0) & (columns < x1)
    return ~(of_rows[:, :, None] & of_columns[:, None, :])


def _windows(boxes: Boxes, context: float) -> Boxes:
    """The boxes with their surroundings."""
    centres, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    halves = halves / (1 - 2 * context)
    return np.concatenate([centres - halves, centres + halves], 1)


def _columns(
    first: NDArray[np.float64], last: NDArray[np.float64], length: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The columns of windows along an axis whose centres lie within the picture: the first, and one after the last."""
    steps = (last - first) / size
    begin, end = np.ceil(-first / steps - 0.5), np.ceil((length - first) / steps - 0.5)
    return np.clip(begin, 0, size).astype(np.int64), np.clip(end, 0, size).astype(np.int64)


def _warp(image: NDArray[np.uint8], window: NDArray[np.float64], found: NDArray[np.uint8]) -> None:
    """Fill `found` with a window that reaches into the picture."""
    height, width = found.shape[:2]
    patch, axes = image, []
    for axis, size in ((1, width), (0, height)):
        first, last = window[1 - axis], window[3 - axis]
        start, stop = max(0, int(np.floor(first)) - 1), min(image.shape[axis], int(np.ceil(last)) + 1)
        patch = patch[:, start:stop] if axis else patch[start:stop]
        step = (last - first) / size
        count = _count(stop - start, step)
        scale = (stop - start) / count
        axes.append((count, step / scale, (first - start + step / 2) / scale - 0.5))
    (columns, across, x), (rows, down, y) = axes
    fewer = min(columns, patch.shape[1]), min(rows, patch.shape[0])
    patch = cv2.resize(patch, fewer, interpolation=cv2.INTER_AREA)
    patch = cv2.resize(patch, (columns, rows), interpolation=cv2.INTER_LINEAR)
    places = np.array([[across, 0.0, x], [0.0, down, y]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(patch, places, (width, height), found, how, cv2.BORDER_REPLICATE)


def _count(pixels: int, step: float) -> int:
    """How many pixels an axis of a patch is brought to first; `step` of them make one of the crop."""
    if step >= 2:
        return max(1, round(pixels / int(step)))
    return pixels if step > 1 / 16 else 9 * pixels  # odd: peaks stay
