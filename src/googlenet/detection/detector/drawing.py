"""What was detected, drawn on its picture: boxes with names, legible on light and dark, the surest on top."""

import io
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from googlenet.detection.detections import Detections
from googlenet.files import atomic_write
from googlenet.reporting.console import percent, printable

__all__ = ["SURE", "draw_detections"]

SURE = 0.5
"""Detections that are less sure are not drawn: of a hundred in a picture most are."""

LONGEST_NAME = 30

_COLOURS = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (240, 228, 66))
"""That colour-blind people can tell apart."""

Box = tuple[int, int, int, int]


def draw_detections(
    path: str | os.PathLike[str], image: NDArray[np.uint8], found: Detections, names: Mapping[str, str]
) -> None:
    """Write a PNG of an RGB picture, uint8 [h, w, 3], with its sure detections; `names` are the classes' by id.

    The name of each stands at its box where no surer one's does, as far as there is room.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    thickness = max(2, round(max(picture.size) / 300))
    colours = {identifier: _COLOURS[place % len(_COLOURS)] for place, identifier in enumerate(names)}
    sure = [place for place in np.argsort(-found.scores, kind="stable").tolist() if found.scores[place] >= SURE]
    for place in sure[::-1]:
        box = _within(found.boxes[place].tolist(), picture.size)
        draw.rectangle(_grown(box, 1), outline=(0, 0, 0), width=thickness + 2)
        draw.rectangle(box, outline=colours[found.ids[place]], width=thickness)
    taken: list[Box] = []
    for place in sure:
        identifier, box = found.ids[place], _within(found.boxes[place].tolist(), picture.size)
        name = printable(names[identifier])
        name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        _label(draw, box, f"{name} {percent(float(found.scores[place]), 0)}", colours[identifier], taken)
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=3)
    with atomic_write(path) as file:
        file.write(content.getvalue())


def _label(draw: ImageDraw.ImageDraw, box: Box, text: str, colour: tuple[int, int, int], taken: list[Box]) -> None:
    """Write on a ground of the box's colour, at the first of some places where no other label is."""
    width, height = draw.im.size
    font = _font(max(12, round(max(width, height) / 45)))
    left, top, right, bottom = (round(value) for value in font.getbbox(text))
    size = (right - left + 6, bottom - top + 6)
    x = max(0, min(box[0], width - size[0]))
    places = [(x, box[1] - size[1]), (x, box[1]), (x, box[3]), (x, box[3] - size[1])]
    inside = [(x, y) for x, y in places if 0 <= y <= height - size[1]] or [(x, 0)]
    grounds = [(x, y, x + size[0], y + size[1]) for x, y in inside]
    ground = next((one for one in grounds if not any(_meet(one, other) for other in taken)), None)
    if ground is None:
        return
    taken.append(ground)
    draw.rectangle(ground, fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 140
    ink = (255, 255, 255) if dark else (0, 0, 0)
    draw.text((ground[0] + 3 - left, ground[1] + 3 - top), text, fill=ink, font=font)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(box: list[float], size: tuple[int, int]) -> Box:
    """The first and last pixel of a box, in whole numbers."""
    x0, y0 = (min(max(0, round(value)), length - 1) for value, length in zip(box[:2], size, strict=True))
    x1, y1 = (min(max(0, round(value) - 1), length - 1) for value, length in zip(box[2:], size, strict=True))
    return x0, y0, max(x0, x1), max(y0, y1)


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows most alphabets."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
