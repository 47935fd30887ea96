"""A sheet of an image's views: a row for each square of each scale, which begins with where they lie on the image."""

import os

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from googlenet.evaluation.cutting import cut
from googlenet.evaluation.protocol import Position, Protocol, Square
from googlenet.evaluation.views import View, views
from googlenet.network.specification import Pixels
from googlenet.reporting.pictures import fit
from googlenet.reporting.sheet import Tile, draw_sheet

__all__ = ["draw_views"]

TILE = 176

_COLOURS: dict[Position, tuple[int, int, int]] = {  # told apart also by those who see few
    "whole": (20, 20, 20),
    "centre": (86, 60, 160),
    "top-left": (0, 114, 178),
    "top-right": (213, 94, 0),
    "bottom-left": (0, 158, 115),
    "bottom-right": (204, 121, 167),
}
_INSETS = {"top-left": 2, "top-right": 4, "bottom-left": 4, "bottom-right": 2}
"""Pixels by which a corner's box is drawn smaller, so that edges that coincide are both seen."""


def draw_views(
    path: str | os.PathLike[str],
    image: NDArray[np.uint8],
    protocol: Protocol,
    size: tuple[int, int],
    pixels: Pixels,
) -> None:
    """Write a PNG of the views that `protocol` takes of an RGB image uint8 [H, W, 3]; arguments as those of `cut`.

    Squares that coincide share a row.
    """
    shape = (image.shape[0], image.shape[1])
    taken = views(shape, protocol, size, pixels)
    found = cut(image, [protocol], size, pixels)
    columns = len(protocol.positions) * (1 + protocol.mirror)
    rows: dict[tuple[View, ...], list[Square | None]] = {}
    squares = protocol.squares or (None,)
    for number, begin in enumerate(range(0, len(taken), columns)):
        rows.setdefault(taken[begin : begin + columns], []).append(squares[number % len(squares)])
    pictures = dict(zip(taken, found.pictures[found.places[protocol.name]], strict=True))
    tiles: list[Tile] = []
    for row, names in rows.items():
        positions = [protocol.positions[number // (1 + protocol.mirror)] for number in range(columns)]
        tiles.append(Tile(_map(image, dict(zip(positions, row, strict=True))), _caption(row[0], names, shape)))
        for position, view in zip(positions, row, strict=True):
            caption = (position, "mirrored") if view.mirror else (position,)
            tiles.append(Tile(pictures[view], caption, colour=_COLOURS[position]))
    draw_sheet(path, tiles, size=TILE, columns=1 + columns)


def _caption(view: View, squares: list[Square | None], shape: tuple[int, int]) -> tuple[str, ...]:
    """Say to what the image is resized, and which squares of it the row shows."""
    names = ("top", "centre", "bottom") if shape[0] > shape[1] else ("left", "centre", "right")
    name_of = dict(zip(("start", "middle", "end"), names, strict=True))
    told = [name_of[square] for square in squares if square]
    x0, y0, x1, y1 = view.part
    part = f"{x1 - x0} x {y1 - y0} of it " if (y1 - y0, x1 - x0) != shape else ""
    size = f"{part}resized to {view.size[0]} x {view.size[1]}"
    return (size, f"{', '.join(told)} square") if told else (size,)


def _map(image: NDArray[np.uint8], row: dict[Position, View]) -> Image.Image:
    """Draw where the views of a row lie on the image; what none of them shows is pale."""
    picture = fit(image, TILE)
    scale = picture.width / image.shape[1], picture.height / image.shape[0]
    boxes = {position: _on_image(row[position], scale) for position in _COLOURS if position in row}
    seen = Image.new("L", picture.size, 90)
    for box in boxes.values():
        ImageDraw.Draw(seen).rectangle(box, fill=255)
    picture = Image.composite(picture, Image.new("RGB", picture.size, (255, 255, 255)), seen)
    for position, box in boxes.items():
        inset = _INSETS.get(position, 0)
        inner = (box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset)
        drawn = inner if inner[0] < inner[2] and inner[1] < inner[3] else box
        ImageDraw.Draw(picture).rectangle(drawn, outline=_COLOURS[position], width=2)
    return picture


def _on_image(view: View, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return the first and last pixel, across and down, of a view on the image drawn at `scale`."""
    x0, y0, x1, y1 = view.part
    across, down = (x1 - x0) / view.size[0], (y1 - y0) / view.size[1]
    left, right = ((x0 + x * across) * scale[0] for x in view.box[::2])
    top, bottom = ((y0 + y * down) * scale[1] for y in view.box[1::2])
    return round(left), round(top), max(round(right) - 1, round(left)), max(round(bottom) - 1, round(top))
