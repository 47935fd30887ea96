"""Proposals drawn on their picture: a tile for each source, and one of the annotated objects with their best boxes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from googlenet.detection.boxes import Boxes, iou
from googlenet.detection.proposals.proposing import Proposals
from googlenet.detection.proposals.union import union
from googlenet.reporting.sheet import Tile, draw_sheet

__all__ = ["draw_proposals"]

TILE = 480
MOST = 30
"""Boxes of a source that are drawn, the best: of two thousand nothing would be seen."""

_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0))
_TRUTH = (255, 255, 255)


def draw_proposals(
    path: Path, image: NDArray[np.uint8], proposals: Proposals, names: Sequence[str], truths: Boxes | None = None
) -> None:
    """Write a PNG of the best boxes of each source on an RGB picture, uint8 [h, w, 3].

    With `truths` [M, 4] a last tile shows them in white, each with the box of any source that overlaps it most.
    """
    tiles = []
    for number, (part, name) in enumerate(zip(proposals.parts, names, strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = _drawn(image, [(box, colour) for box in part.boxes[:MOST][::-1].tolist()])
        count = len(part.boxes)
        told = f"the best {MOST} of {count:,} boxes" if count > MOST else f"{count} boxes"
        tiles.append(Tile(drawn, (name, told), colour=colour))
    if truths is not None:
        tiles.append(_truth_tile(image, proposals, truths))
    draw_sheet(path, tiles, size=TILE)


def _truth_tile(image: NDArray[np.uint8], proposals: Proposals, truths: Boxes) -> Tile:
    boxes, _, source = union(proposals.parts)
    lines = [(truth, _TRUTH) for truth in truths.tolist()]
    covered = 0
    if len(boxes) and len(truths):
        overlaps = iou(boxes, truths)
        covered = int((overlaps.max(0) >= 0.5).sum())
        lines += [(boxes[best].tolist(), _COLOURS[source[best] % len(_COLOURS)]) for best in overlaps.argmax(0)]
    told = f"{covered} of {len(truths)} annotated objects covered (white), each with its best box"
    return Tile(_drawn(image, lines), (told,))


def _drawn(image: NDArray[np.uint8], boxes: Sequence[tuple[Sequence[float], tuple[int, int, int]]]) -> Image.Image:
    """The picture with boxes, as lines that stay visible when it is reduced to a tile, and thin in a small one."""
    picture = Image.fromarray(image)
    factor = max(1, TILE // max(picture.size))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / TILE * 2))
    for box, colour in boxes:
        x0, y0, x1, y1 = (factor * side for side in box)
        left, top = max(0, round(x0)), max(0, round(y0))
        corner = (max(left, min(round(x1), picture.width) - 1), max(top, min(round(y1), picture.height) - 1))
        draw.rectangle((left, top, *corner), outline=colour, width=width)
    return picture
