"""Colour spaces as planes of 0 to 255, in whole numbers: the same on every machine.

One space serves a strategy throughout: for the segmentation, colour histograms and texture.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.selective_search.settings import Space

__all__ = ["Planes", "to_space"]

Planes = NDArray[np.uint8]
"""[3, height, width], contiguous"""

_Plane = NDArray[np.int32]


def to_space(image: NDArray[np.uint8], space: Space) -> Planes:
    """Return an RGB picture, uint8 [height, width, 3], in a colour space.

    HSV: hue over its full circle. Lab: of sRGB under D65; L is 255/100 of what it is elsewhere, a and b have 128 added.
    rgI: shares of red and green (black: a third), and the luma. H and I stand there three times.
    """
    red, green, blue = (np.ascontiguousarray(image[:, :, channel]).astype(np.int32) for channel in range(3))
    return np.stack(_SPACES[space](red, green, blue)).astype(np.uint8)


def _hsv(red: _Plane, green: _Plane, blue: _Plane) -> list[_Plane]:
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    saturation = _quotient(255 * spread, value)
    return [_hue(red, green, blue, value, spread), saturation, value]


def _hue(red: _Plane, green: _Plane, blue: _Plane, value: _Plane, spread: _Plane) -> _Plane:
    from_red = np.where(green < blue, green - blue + 6 * spread, green - blue)
    others = np.where(value == green, blue - red + 2 * spread, red - green + 4 * spread)
    sixths = np.where(value == red, from_red, others)  # of the circle, times the spread
    return _quotient(255 * sixths, 6 * spread)


def _lab(red: _Plane, green: _Plane, blue: _Plane) -> list[_Plane]:
    linear = [_LINEAR[channel] for channel in (red, green, blue)]
    x, y, z = (_ROOT[(sum(w * c for w, c in zip(row, linear, strict=True)) + _HALF) >> 12] for row in _XYZ)
    lightness = (255 * (116 * y - 16 * _ONE) + 50 * _ONE) // (100 * _ONE)
    a, b = (128 * _ONE + _ONE // 2 + 500 * (x - y)) >> 15, (128 * _ONE + _ONE // 2 + 200 * (y - z)) >> 15
    return [np.clip(plane, 0, 255) for plane in (lightness, a, b)]


def _shares(red: _Plane, green: _Plane, blue: _Plane) -> list[_Plane]:
    whole = red + green + blue
    black = whole == 0
    share = [np.where(black, 85, _quotient(255 * channel, whole)) for channel in (red, green)]
    return [*share, _luma(red, green, blue)]


def _luma(red: _Plane, green: _Plane, blue: _Plane) -> _Plane:
    return (299 * red + 587 * green + 114 * blue + 500) // 1000


def _only_hue(red: _Plane, green: _Plane, blue: _Plane) -> list[_Plane]:
    return [_hsv(red, green, blue)[0]] * 3


def _only_luma(red: _Plane, green: _Plane, blue: _Plane) -> list[_Plane]:
    return [_luma(red, green, blue)] * 3


def _quotient(dividend: _Plane, divisor: _Plane) -> _Plane:
    """To the nearest, a half rounded up; 0 where the divisor is 0, which is where the dividend is."""
    divisor = np.maximum(divisor, 1)
    return (2 * dividend + divisor) // (2 * divisor)


_SPACES: dict[Space, Callable[[_Plane, _Plane, _Plane], list[_Plane]]] = {
    "HSV": _hsv,
    "Lab": _lab,
    "rgI": _shares,
    "H": _only_hue,
    "I": _only_luma,
}

_ONE = 1 << 15
_HALF = 1 << 11
_XYZ = ((1777, 1541, 778), (871, 2929, 296), (73, 448, 3575))
"""Of linear sRGB to X, Y, Z in shares of D65's white, times 4096: each sums to it, so that greys have no colour."""


def _linear(value: int) -> float:
    """The light of an 8-bit value of sRGB, 0 to 1."""
    return value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4


def _root(share: float) -> float:
    """The cube root, with CIE's straight line near 0."""
    return share ** (1 / 3) if share > (6 / 29) ** 3 else share / (3 * (6 / 29) ** 2) + 4 / 29


_LINEAR = np.array([round(_linear(value) * _ONE) for value in range(256)], np.int32)
_ROOT = np.array([round(_root(share / _ONE) * _ONE) for share in range(_ONE + 1)], np.int32)
