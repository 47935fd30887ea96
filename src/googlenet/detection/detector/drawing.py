"""What was detected, drawn on its picture: boxes with names, legible on light and dark, the surest on top."""

import io
import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from googlenet.detection.detections import Detections
from googlenet.detection.detector.labels import COLOURS, Box, label, within
from googlenet.files import atomic_write
from googlenet.reporting.console import percent, printable

__all__ = ["SURE", "draw_detections"]

SURE = 0.5
"""Detections that are less sure are not drawn: of a hundred in a picture most are."""

LONGEST_NAME = 30


def draw_detections(
    path: str | os.PathLike[str], image: NDArray[np.uint8], found: Detections, names: Mapping[str, str]
) -> None:
    """Write a PNG of an RGB picture, uint8 [h, w, 3], with its sure detections; `names` are the classes' by id.

    The name of each stands at its box where no surer one's does, as far as there is room.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    thickness = max(2, round(max(picture.size) / 300))
    colours = {identifier: COLOURS[place % len(COLOURS)] for place, identifier in enumerate(names)}
    sure = [place for place in np.argsort(-found.scores, kind="stable").tolist() if found.scores[place] >= SURE]
    for place in sure[::-1]:
        box = within(found.boxes[place].tolist(), picture.size)
        draw.rectangle(_grown(box, 1), outline=(0, 0, 0), width=thickness + 2)
        draw.rectangle(box, outline=colours[found.ids[place]], width=thickness)
    taken: list[Box] = []
    for place in sure:
        identifier, box = found.ids[place], within(found.boxes[place].tolist(), picture.size)
        name = printable(names[identifier])
        name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        label(draw, box, f"{name} {percent(float(found.scores[place]), 0)}", colours[identifier], taken)
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=3)
    with atomic_write(path) as file:
        file.write(content.getvalue())


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by
