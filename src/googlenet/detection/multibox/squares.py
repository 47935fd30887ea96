"""The squares of a picture that the network looks at, their pixels, and boxes in shares of them.

A square may reach over the border; what lies outside is filled with the network's mean colour, which is 0 to it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, areas, as_boxes, clip
from googlenet.images.crops import Crop
from googlenet.images.regions import SourceImage
from googlenet.network.specification import Pixels

__all__ = ["KEPT", "LONGEST", "SCALES", "Square", "covering", "cut", "from_shares", "in_shares", "kept_within"]
__all__ += ["mean_colour"]

SCALES = (1.0, 0.5)
"""Sides of the squares of `covering`, as shares of the picture's short side."""

LONGEST = 16
"""Squares that a picture is long, at most, without those between: it bounds time and memory for any picture."""

KEPT = 0.5
"""The share of an object's area that must lie in a square for the square to show the object."""


class Square(NamedTuple):
    """In whole pixels of the picture."""

    x0: int
    y0: int
    side: int


def covering(width: int, height: int, scales: tuple[float, ...] = SCALES) -> list[Square]:
    """Return the squares that are looked at for all objects of a picture of `width` x `height`.

    One around the whole picture, unless it is a square itself, and for each scale as few as cover the picture with
    neighbours that share half of their side or more. Of a very long picture the squares are larger than the scale says:
    at most `LONGEST` stand side by side.
    """
    longest = max(width, height)
    found = [] if width == height else [Square((width - longest) // 2, (height - longest) // 2, longest)]
    for scale in scales:
        side = max(1, round(scale * min(width, height)), -(-longest // LONGEST))
        found += [Square(x0, y0, side) for y0 in _starts(height, side) for x0 in _starts(width, side)]
    return list(dict.fromkeys(found))


def cut(
    image: SourceImage, square: Square, size: tuple[int, int], fill: tuple[int, int, int], mirror: bool = False
) -> NDArray[np.uint8]:
    """Return the pixels of a square, uint8 [height, width, 3] of `size` (height, width), RGB.

    Raises `InputError` where the picture is damaged.
    """
    height, width = size
    x0, y0 = max(square.x0, 0), max(square.y0, 0)
    x1, y1 = min(square.x0 + square.side, image.width), min(square.y0 + square.side, image.height)
    left, right = (round((x - square.x0) * width / square.side) for x in (x0, x1))
    top, bottom = (round((y - square.y0) * height / square.side) for y in (y0, y1))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    crop = Crop(x0, y0, x1 - x0, y1 - y0, mirror=False, interpolation="bilinear")
    found = np.empty((height, width, 3), np.uint8)
    found[:] = fill
    found[top:bottom, left:right] = image.patch(crop, (bottom - top, right - left))
    return np.ascontiguousarray(found[:, ::-1]) if mirror else found


def in_shares(boxes: Boxes, square: Square, mirror: bool = False) -> Boxes:
    """Return boxes of the picture as a square has them, from 0 to 1 within it; of its mirror image with `mirror`."""
    found = (boxes - [square.x0, square.y0, square.x0, square.y0]) / square.side
    return np.stack([1 - found[:, 2], found[:, 1], 1 - found[:, 0], found[:, 3]], 1) if mirror else found


def from_shares(boxes: Boxes, square: Square) -> Boxes:
    """Undo `in_shares`, without `mirror`."""
    return boxes * square.side + [square.x0, square.y0, square.x0, square.y0]


def kept_within(boxes: Boxes, square: Square, mirror: bool = False) -> Boxes:
    """Return the parts, `in_shares`, of the objects of which at least half (`KEPT`) lies within a square."""
    shares = in_shares(boxes, square, mirror)
    parts = clip(shares, 1, 1)
    return as_boxes(parts[areas(parts) >= KEPT * areas(shares)])


def mean_colour(pixels: Pixels) -> tuple[int, int, int]:
    """Return the RGB byte that is nearest to 0 once it is normalised."""
    red, green, blue = (min(255, max(0, round(mean * 255 / pixels.white))) for mean in pixels.mean)
    return (red, green, blue) if pixels.order == "RGB" else (blue, green, red)


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin along an axis: evenly, at both ends too, each sharing at least half with the next.

    One that is longer than the axis lies in its middle.
    """
    if side >= length:
        return [(length - side) // 2]
    count = -(-2 * (length - side) // side) + 1
    return [round(number * (length - side) / (count - 1)) for number in range(count)]
