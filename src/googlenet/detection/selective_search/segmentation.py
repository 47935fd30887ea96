"""The first regions: efficient graph-based segmentation (Felzenszwalb and Huttenlocher, IJCV 2004).

Each pixel is joined to its eight neighbours, the closest colours first, as long as the step between two regions is no
longer than what lies within each, plus k / size; then what is smaller than k joins its closest neighbour. Distances are
whole 32nds of a grey level and equal ones are taken in raster order, so that there is one answer. A kernel computes it
(`native/segmentation.cpp`), or, slowly, this file.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from googlenet import native
from googlenet.detection.selective_search.colour import Planes
from googlenet.detection.selective_search.filtering import BITS, filtered, gaussian

__all__ = ["Labels", "segment"]

Labels = NDArray[np.int32]
"""[height, width], from 0 on in raster order of each region's first pixel"""

_SMOOTHING = gaussian(0.8)


def segment(planes: Planes, scales: Sequence[int]) -> list[Labels]:
    """Segment a picture with each k of `scales`, at least 1; a bigger one gives larger regions.

    No region is smaller than k pixels, unless the picture is.
    """
    form = _natively if native.library() is not None else _in_python
    return form(planes, scales)


def _natively(planes: Planes, scales: Sequence[int]) -> list[Labels]:
    wanted, counts = np.array(scales, np.int32), np.empty(len(scales), np.int64)
    labels = np.empty((len(scales), *planes.shape[1:]), np.int32)
    source = (planes.ctypes.data, *planes.shape[1:], _SMOOTHING.ctypes.data)
    native.call("segment_graph", *source, wanted.ctypes.data, len(wanted), labels.ctypes.data, counts.ctypes.data)
    return list(labels)


# --------------------------------------------------------------------------------------------------- without kernels


def _in_python(planes: Planes, scales: Sequence[int]) -> list[Labels]:
    colours = filtered(planes, _SMOOTHING, _SMOOTHING)
    edges = _edges(colours)
    return [_joined(*edges, colours[0].size, scale).reshape(planes.shape[1:]) for scale in scales]


def _edges(colours: NDArray[np.int32]) -> tuple[list[int], list[int], list[int]]:
    """Length, beginning and end of each edge: the shortest first, equal ones by pixel and then by direction."""
    height, width = colours.shape[1:]
    pixels = np.arange(height * width).reshape(height, width)
    lengths = np.full((height, width, 4), _NONE, np.uint16)
    ends = np.zeros((height, width, 4), np.int64)
    for direction, (here, there) in enumerate(_DIRECTIONS):
        difference = colours[:, *here] - colours[:, *there]
        lengths[*here, direction] = np.sqrt((difference**2).sum(0, dtype=np.int32))  # rounded down
        ends[*here, direction] = pixels[there]
    order = np.argsort(lengths, axis=None, kind="stable")
    order = order[: np.count_nonzero(lengths != _NONE)]
    return lengths.ravel()[order].tolist(), (order // 4).tolist(), ends.ravel()[order].tolist()


def _joined(lengths: list[int], begins: list[int], ends: list[int], pixels: int, scale: int) -> NDArray[np.int32]:
    k = scale << BITS
    parents, sizes, limits = list(range(pixels)), [1] * pixels, [k] * pixels

    def root(pixel: int) -> int:
        while parents[pixel] != pixel:
            parents[pixel] = pixel = parents[parents[pixel]]
        return pixel

    def join(one: int, other: int) -> None:
        parents[other] = one
        sizes[one] += sizes[other]

    between = []
    for length, begin, end in zip(lengths, begins, ends, strict=True):
        one, other = root(begin), root(end)
        if one == other:
            continue
        if length <= limits[one] and length <= limits[other]:
            join(one, other)
            limits[one] = length + k // sizes[one]
        else:
            between.append((begin, end))
    for begin, end in between:
        one, other = root(begin), root(end)
        if one != other and (sizes[one] < scale or sizes[other] < scale):
            join(one, other)
    return _in_raster_order([root(pixel) for pixel in range(pixels)])


def _in_raster_order(roots: list[int]) -> NDArray[np.int32]:
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root, len(numbers)) for root in roots], np.int32)


_NONE = np.iinfo(np.uint16).max
"""The length where a pixel has no neighbour."""

_ALL = slice(None)
_DIRECTIONS = (  # rows and columns of the pixels that have such a neighbour, and of those neighbours
    ((_ALL, slice(None, -1)), (_ALL, slice(1, None))),
    ((slice(None, -1), _ALL), (slice(1, None), _ALL)),
    ((slice(None, -1), slice(None, -1)), (slice(1, None), slice(1, None))),
    ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))),
)
