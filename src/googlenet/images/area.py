"""Resizing by area: each output pixel is the mean over its own footprint in the image, a true box filter.

Shrinking is computed in one of two forms with the same values, bit for bit: by OpenCV, or several times faster in C++
(`native/area_interpolation.cpp`) where there are compiled kernels.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet import machine, native

__all__ = ["prepare", "resize_by_area"]

Shrink = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]


def resize_by_area(patch: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize [h, w, 3] to [height, width, 3]: what shrinks first, then what grows.

    Only so is OpenCV's a box filter: where the axes are mixed, it is another one.
    """
    shrunk = (min(height, patch.shape[0]), min(width, patch.shape[1]))
    if shrunk != patch.shape[:2]:
        patch = prepare()(patch, *shrunk)
    if shrunk == (height, width):
        return patch
    # A hair under the true factor: where an output pixel begins on the border of two input pixels, rounding can make
    # OpenCV take the wrong one. The size is still rounded to the right one.
    across, down = width / shrunk[1] * (1 - 1e-9), height / shrunk[0] * (1 - 1e-9)
    return cv2.resize(patch, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)


@cache
def prepare() -> Shrink:
    """Find out which form of shrinking is the faster one here.

    Raises `InputError` where the user asks for a form that there is not (`machine.choose`).
    """
    forms: dict[str, Shrink] = {"opencv": _by_opencv}
    if native.library() is not None:
        forms["native"] = _natively
    photograph = np.zeros((300, 400, 3), np.uint8)

    def work(form: Shrink) -> Callable[[], object]:
        return lambda: form(photograph, 224, 224)

    measured = {name: work(form) for name, form in forms.items()}
    return forms[
        machine.choose("area-interpolation", measured, key=f"OpenCV {cv2.__version__}, kernels {native.level()}").form
    ]


def _by_opencv(patch: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    return cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)


def _natively(patch: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if patch.shape[0] % height == 0 and patch.shape[1] % width == 0:
        return _by_opencv(patch, height, width)  # whole factors are its strength, and rounded in another way
    if patch.strides[1:] != (3, 1) or patch.strides[0] < 3 * patch.shape[1]:
        patch = np.ascontiguousarray(patch)
    result = np.empty((height, width, 3), np.uint8)
    stride = 3 * patch.shape[1] if patch.flags.c_contiguous else patch.strides[0]  # numpy's of a single row is anything
    source = (patch.ctypes.data, *patch.shape[:2], stride)
    native.call("shrink_by_area", *source, result.ctypes.data, height, width)
    return result
