"""A picture at the size at which it is searched: its superpixels have a size in pixels, so the search depends on it.

The filter is the bicubic one of MATLAB's `imresize`, which R-CNN used: a = -0.5, widened where the picture shrinks. It
is computed in whole numbers, by a kernel (`native/resampling.cpp`) or here, with the same pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray

from googlenet import native

__all__ = ["MOST_PIXELS", "resize", "working_size"]

MOST_PIXELS = 1 << 21
"""A picture of more is searched at a smaller size: what the search takes of memory is bounded."""

_BITS = 22  # behind the point, in the weights; as in the kernel
_PART = 4096  # pixels of an axis whose weights are made at once


def working_size(height: int, width: int, wanted: int | None) -> tuple[int, int]:
    """Return the (height, width) at which a picture is searched that is to be `wanted` pixels wide, None: as it is.

    The height follows, a half rounded up, no side is less than a pixel, and there are at most `MOST_PIXELS`.
    """
    to_width = wanted or width
    to_height = _in_proportion(height, to_width, width)
    if to_height * to_width <= MOST_PIXELS:
        return to_height, to_width
    to_width = min(max(math.isqrt(MOST_PIXELS * width // height), 1), MOST_PIXELS)
    return min(_in_proportion(height, to_width, width), MOST_PIXELS // to_width), to_width


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize uint8 [h, w, 3] to [height, width, 3], contiguous: along the rows first, rounded between."""
    rows = _along(np.ascontiguousarray(image), width)
    return _along(rows.reshape(1, len(image), -1), height).reshape(height, width, 3)


def _in_proportion(side: int, to: int, of: int) -> int:
    return max(1, (2 * side * to + of) // (2 * of))


def _along(image: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Resize the middle axis of a contiguous array."""
    if image.shape[1] == length:
        return image
    result = np.empty((image.shape[0], length, image.shape[2]), np.uint8)
    form = _natively if native.library() is not None else _by_numpy
    for start in range(0, length, _PART):
        stop = min(start + _PART, length)
        form(image, result, start, stop, *_weights(image.shape[1], length, start, stop))
    return result


def _weights(length: int, to_length: int, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What the pixels from `start` to `stop` are made of: the first pixel [n], and weights from there on [n, taps]."""
    scale = length / to_length
    widened = max(scale, 1.0)
    taps = min(math.ceil(4 * widened) + 1, length)
    centres = (np.arange(start, stop) + 0.5) * scale
    firsts = np.clip(np.floor(centres - 2 * widened + 0.5), 0, length - taps).astype(np.int64)
    offsets = (firsts[:, None] + np.arange(taps) + 0.5 - centres[:, None]) / widened
    values = _bicubic(np.abs(offsets))
    sums = np.zeros(len(firsts))
    for tap in range(taps):  # in this order on every machine
        sums += values[:, tap]
    shares = values / sums[:, None] * (1 << _BITS)
    return firsts, np.trunc(shares + np.copysign(0.5, shares)).astype(np.int32)


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _natively(
    image: NDArray[np.uint8],
    result: NDArray[np.uint8],
    start: int,
    stop: int,
    firsts: NDArray[np.int64],
    weights: NDArray[np.int32],
) -> None:
    shape = (*image.shape, result.shape[1])
    tables = (firsts.ctypes.data, weights.ctypes.data, weights.shape[1])
    native.call("resample", image.ctypes.data, result.ctypes.data, *shape, start, stop, *tables)


def _by_numpy(
    image: NDArray[np.uint8],
    result: NDArray[np.uint8],
    start: int,
    stop: int,
    firsts: NDArray[np.int64],
    weights: NDArray[np.int32],
) -> None:
    sums = np.full((image.shape[0], stop - start, image.shape[2]), 1 << (_BITS - 1), np.int32)
    for tap in range(weights.shape[1]):
        sums += image[:, firsts + tap] * weights[:, tap, None]
    result[:, start:stop] = np.clip(sums >> _BITS, 0, 255)
