"""What is known of pixels and of regions: colour, texture, size, box.

A pixel has codes: which of 25 bins each of its three colours lies in, and which of 10 bins the slopes of each colour in
four directions and their opposites lie in. Histograms are counts, 3 and 24 for each pixel, of which a union's are the
sums: nothing is rounded however often regions are merged, and shares are taken when two are compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet import native
from googlenet.detection.selective_search.colour import Planes
from googlenet.detection.selective_search.filtering import filtered, gaussian, gaussian_slope
from googlenet.detection.selective_search.segmentation import Labels

__all__ = ["COLOURS", "SLOPES", "Codes", "Regions", "describe", "measure"]

COLOURS, SLOPES = 25, 10
"""Bins."""

Codes = NDArray[np.uint8]
"""[15, height, width]: of three colours 0 to 24; of each colour's slopes to the right, down to the right, down, and up
to the right 0 to 9, or 11 to 19 where it falls, which are bins 1 to 9 of the opposite direction"""

_SMOOTH, _SLOPE = gaussian(1.0), gaussian_slope(1.0)
_DIRECTIONS = 4
_DIAGONAL = 46341  # 65536 / sqrt(2)


@dataclass(frozen=True)
class Regions:
    """N regions of a picture."""

    sizes: NDArray[np.int64]
    """[N], pixels"""
    firsts: NDArray[np.int64]
    """[N], the first pixel in raster order"""
    boxes: NDArray[np.int64]
    """[N, 4]: x0, y0, x1, y1, half-open"""
    colours: NDArray[np.int64]
    """[N, 75], counts: 3 for each pixel"""
    textures: NDArray[np.int64]
    """[N, 240], counts: 24 for each pixel"""
    neighbours: list[set[int]]
    """which regions touch each, across or down"""


def describe(planes: Planes) -> Codes:
    """Return the codes of pixels: Gaussian derivatives with sigma 1, in shares of the plane's largest one."""
    return (_natively if native.library() is not None else _by_numpy)(planes)


def measure(labels: Labels, codes: Codes) -> Regions:
    """Measure the regions of a picture; each label from 0 to the largest is there."""
    flat, count = labels.ravel().astype(np.int64), int(labels.max()) + 1
    sizes = np.bincount(flat, minlength=count)
    firsts = np.unique(flat, return_index=True)[1]
    rows, columns = np.indices(labels.shape).reshape(2, -1)
    boxes = np.empty((count, 4), np.int64)
    for side, places in enumerate((columns, rows)):
        first, last = np.full(count, places.max()), np.zeros(count, np.int64)
        np.minimum.at(first, flat, places)
        np.maximum.at(last, flat, places)
        boxes[:, side], boxes[:, side + 2] = first, last + 1
    colours = np.stack([_counts(flat, count, plane, COLOURS) for plane in codes[:3]], 1)
    textures = np.stack([_counts(flat, count, plane, 2 * SLOPES) for plane in codes[3:]], 1)
    textures = textures.reshape(count, -1, SLOPES)
    textures[:, :, 0] = sizes[:, None] - textures[:, :, 1:].sum(2)  # a pixel slopes one way; the other way it is flat
    return Regions(sizes, firsts, boxes, colours.reshape(count, -1), textures.reshape(count, -1), _touching(labels))


def _natively(planes: Planes) -> Codes:
    codes = np.empty((3 + 3 * _DIRECTIONS, *planes.shape[1:]), np.uint8)
    taps = (_SMOOTH.ctypes.data, _SLOPE.ctypes.data)
    native.call("describe_pixels", planes.ctypes.data, *planes.shape[1:], *taps, codes.ctypes.data)
    return codes


def _by_numpy(planes: Planes) -> Codes:
    across, down = filtered(planes, _SLOPE, _SMOOTH), filtered(planes, _SMOOTH, _SLOPE)
    falling, rising = (slopes * _DIAGONAL >> 16 for slopes in (across + down, across - down))
    slopes = np.stack([across, falling, down, rising], 1)  # [3, 4, height, width]
    sizes = np.abs(slopes)
    scales = (SLOPES << 16) // np.maximum(sizes.max((1, 2, 3), keepdims=True), 1)
    bins = np.minimum(sizes * scales >> 16, SLOPES - 1)
    bins += np.where((slopes < 0) & (bins > 0), SLOPES, 0)
    colours = planes.astype(np.int32) * COLOURS >> 8
    return np.concatenate([colours, bins.reshape(-1, *planes.shape[1:])]).astype(np.uint8)


def _counts(labels: NDArray[np.int64], count: int, codes: NDArray[np.uint8], bins: int) -> NDArray[np.int64]:
    return np.bincount(labels * bins + codes.ravel(), minlength=count * bins).reshape(count, bins)


def _touching(labels: Labels) -> list[set[int]]:
    neighbours: list[set[int]] = [set() for _ in range(int(labels.max()) + 1)]
    for ones, others in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        border = ones != others
        for one, other in set(zip(ones[border].tolist(), others[border].tolist(), strict=True)):
            neighbours[one].add(other)
            neighbours[other].add(one)
    return neighbours
