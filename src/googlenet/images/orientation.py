"""Which way up a picture is: EXIF's orientation, and turning pixels by it."""

import struct

import numpy as np

__all__ = ["orientation", "turned"]

_ORIENTATION = 274  # TIFF 6.0, section 8
_NUMBERS = {3: "H", 4: "L", 5: "LL", 6: "b", 8: "h", 9: "l", 10: "ll", 11: "f", 12: "d", 13: "L"}
"""TIFF's types of numbers, section 2. EXIF asks for the first, SHORT; writers use others, and readers obey them."""


def orientation(exif: bytes) -> int:
    """Find the orientation, 1 to 8, in an EXIF block; 1 where there is none or the block is damaged."""
    tiff = exif.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return 1
    (first,) = struct.unpack_from(f"{order}L", tiff, 4)
    if first + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(f"{order}H", tiff, first)
    for start in range(first + 2, min(first + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHL", tiff, start)
        if tag == _ORIENTATION and kind in _NUMBERS and count:
            return _value(tiff, order, start + 8, _NUMBERS[kind], count)
    return 1


def _value(tiff: bytes, order: str, at: int, form: str, count: int) -> int:
    """Read the first of `count` numbers, which lie in the entry itself or, above 4 bytes, where it points."""
    size = count * struct.calcsize(order + form)
    if size > 4:
        (at,) = struct.unpack_from(f"{order}L", tiff, at)
    if at + size > len(tiff):
        return 1
    number, *divisor = struct.unpack_from(order + form, tiff, at)
    value = number / divisor[0] if divisor and divisor[0] else number if not divisor else 1
    return int(value) if value in range(1, 9) else 1


def turned(pixels: np.ndarray, how: int) -> np.ndarray:
    """Turn a stored picture upright: 5 to 8 swap the axes, then rows and columns run backwards where they must."""
    if how >= 5:
        pixels = pixels.transpose(1, 0, 2)
    backwards = slice(None, None, -1)
    rows = backwards if how in (3, 4, 7, 8) else slice(None)
    columns = backwards if how in (2, 3, 6, 7) else slice(None)
    return np.ascontiguousarray(pixels[rows, columns])
