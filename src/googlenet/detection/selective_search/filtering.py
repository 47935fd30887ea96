"""Planes filtered along rows and columns, in whole numbers, with filters that end after four pixels to each side.

A weight has 12 binary digits behind the point; what was filtered along its rows has 7, and then along its columns 5.
Beyond a border its pixel is repeated. `native/planes.hpp` does the same.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS", "Taps", "filtered", "gaussian", "gaussian_slope"]

Taps = NDArray[np.int32]
"""[9]"""

BITS = 5
"""Binary digits behind the point of what `filtered` returns."""

_RADIUS, _TAP_BITS, _ROW_BITS = 4, 12, 7


def gaussian(sigma: float) -> Taps:
    """Return the weights of a Gaussian; they sum to one."""
    taps = _normal(sigma)
    taps[_RADIUS] += (1 << _TAP_BITS) - taps.sum()
    return taps


def gaussian_slope(sigma: float) -> Taps:
    """Return the weights of a Gaussian's derivative: above 0 where it grows brighter to the right, or downwards."""
    places = np.arange(-_RADIUS, _RADIUS + 1)
    return np.rint(places * _normal(sigma) / sigma**2).astype(np.int32)


def filtered(planes: NDArray[np.uint8], along_rows: Taps, along_columns: Taps) -> NDArray[np.int32]:
    """Return [..., height, width], 32 for each step of the input."""
    rows = _along(planes.astype(np.int32), along_rows, -1, _TAP_BITS - _ROW_BITS)
    return _along(rows, along_columns, -2, _ROW_BITS + _TAP_BITS - BITS)


def _normal(sigma: float) -> Taps:
    values = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(-_RADIUS, _RADIUS + 1)]
    return np.array([round(value / sum(values) * (1 << _TAP_BITS)) for value in values], np.int32)


def _along(planes: NDArray[np.int32], taps: Taps, axis: int, shift: int) -> NDArray[np.int32]:
    places = np.arange(planes.shape[axis])
    sums = np.full(planes.shape, 1 << (shift - 1), np.int32)
    for tap, weight in enumerate(taps):
        if weight:
            sums += weight * planes.take(np.clip(places + tap - _RADIUS, 0, len(places) - 1), axis)
    return sums >> shift
