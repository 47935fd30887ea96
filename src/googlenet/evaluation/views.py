"""Where the views of an image lie: which part of it is resized to what, and which box of that is a view.

The geometry depends on the image's size alone. Several views can be the same pixels, and are then equal: of a square
image the three squares of the paper's protocol coincide, which leaves 48 of its 144.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.evaluation.protocol import Position, Protocol, Square
from googlenet.images.preprocessing import check_fit, resized_part, resized_size
from googlenet.network.specification import Pixels, Resize

__all__ = ["Box", "View", "distinct", "find_places", "views"]

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""


@dataclass(frozen=True)
class View:
    """One view: `part` of the image is resized to `size`, of which `box` is taken.

    `part` is the whole image but where the weights resize its centre square, and where it is longer than 16 times its
    short side: then it is that much at the start, middle or end. Where the view is `resized`, the box is a square
    that is resized once more, to the network's input. `mirror` reverses the columns of the view.
    """

    part: Box
    size: tuple[int, int]
    """Width and height."""
    box: Box
    mirror: bool = False
    resized: bool = False

    @property
    def scale(self) -> int:
        """The short side of the resized image, the paper's scale."""
        return min(self.size)

    def to_json(self) -> dict[str, Any]:
        """Return a view of `views --json`."""
        return {
            "scale": self.scale,
            "box": list(self.box),
            "mirror": self.mirror,
            "resized": self.resized,
            "size": list(self.size),
            "part": list(self.part),
        }


def views(shape: tuple[int, int], protocol: Protocol, size: tuple[int, int], pixels: Pixels) -> tuple[View, ...]:
    """Return the views that `protocol` takes of an image of (height, width) `shape`, all `protocol.views` of them.

    `size` is the network's (height, width). They are ordered by scale, square and position, as the protocol lists
    them, the mirror image of each beside it. Margins that cannot be halved are a pixel smaller at the left or top.
    Raises `InputError` where the weights' own resize holds no crop of `size`.
    """
    found: list[View] = []
    for how in _resizes(protocol, size, pixels.resize):
        for square in protocol.squares or (None,):
            for position in protocol.positions:
                view = _view(shape, how, square, position, size)
                found += [view, replace(view, mirror=True)] if protocol.mirror else [view]
    return tuple(found)


def distinct(given: Iterable[View]) -> tuple[View, ...]:
    """Return each of the views once, in the order of the first; the mirror image beside the view that it mirrors."""
    mirrors: dict[View, set[bool]] = {}
    for view in given:
        mirrors.setdefault(replace(view, mirror=False), set()).add(view.mirror)
    return tuple(replace(view, mirror=mirror) for view, either in mirrors.items() for mirror in sorted(either))


def find_places(
    shape: tuple[int, int], protocols: Sequence[Protocol], size: tuple[int, int], pixels: Pixels
) -> tuple[tuple[View, ...], dict[str, NDArray[np.int64]]]:
    """Return the distinct views of all protocols together, and by a protocol's name which of them its views are."""
    found, places = _find_places(shape, tuple(protocols), size, pixels)
    return found, dict(places)


SHAPES = 256
"""Of so many images the geometry is remembered: many have the same shape, and 144 views take milliseconds to place."""


@lru_cache(SHAPES)
def _find_places(
    shape: tuple[int, int], protocols: tuple[Protocol, ...], size: tuple[int, int], pixels: Pixels
) -> tuple[tuple[View, ...], dict[str, NDArray[np.int64]]]:
    wanted = {protocol.name: views(shape, protocol, size, pixels) for protocol in protocols}
    found = distinct(chain.from_iterable(wanted.values()))
    numbers = {view: number for number, view in enumerate(found)}
    places = {name: np.array([numbers[view] for view in taken], np.int64) for name, taken in wanted.items()}
    for array in places.values():
        array.flags.writeable = False
    return found, places


_PLACES: dict[Position, tuple[Square, Square]] = {  # down, across
    "top-left": ("start", "start"),
    "top-right": ("start", "end"),
    "bottom-left": ("end", "start"),
    "bottom-right": ("end", "end"),
    "centre": ("middle", "middle"),
}


def _resizes(protocol: Protocol, size: tuple[int, int], own: Resize) -> list[Resize]:
    if not protocol.scales:
        return [own]
    return [replace(own, geometry="short-side", size=side) for side in protocol.sides(size)]


def _view(
    shape: tuple[int, int], how: Resize, square: Square | None, position: Position, size: tuple[int, int]
) -> View:
    along = 1 if shape[1] >= shape[0] else 0  # the axis of the long side; axes are down, across
    place = square or _PLACES[position][along]
    part, resized = _resized(shape, how, size, place)
    field = (0, 0, resized[1], resized[0])
    if square:
        side = min(resized)
        field = _box(field, (side, side), (square, square))
    if position == "whole":
        return View(part, (resized[1], resized[0]), field, resized=True)
    check_fit(size, resized)
    return View(part, (resized[1], resized[0]), _box(field, size, _PLACES[position]))


def _resized(shape: tuple[int, int], how: Resize, size: tuple[int, int], place: Square) -> tuple[Box, tuple[int, int]]:
    """Return the part of the image that holds what lies at `place` along its long side, and its resized size."""
    kept = resized_part(shape, how, size)
    if how.geometry == "centre-square":
        place = "middle"
    return _box((0, 0, shape[1], shape[0]), kept, (place, place)), resized_size(kept, how)


def _box(field: Box, size: tuple[int, int], places: tuple[Square, Square]) -> Box:
    """Return the box of (height, width) `size` at the places down and across in `field`."""
    x0, y0, x1, y1 = field
    top = y0 + _offset(places[0], y1 - y0 - size[0])
    left = x0 + _offset(places[1], x1 - x0 - size[1])
    return left, top, left + size[1], top + size[0]


def _offset(place: Square, room: int) -> int:
    return {"start": 0, "middle": room // 2, "end": room}[place]
