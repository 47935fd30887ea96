"""Names at boxes in a picture: legible on light and dark, each where no other one is."""

from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

__all__ = ["COLOURS", "Box", "Colour", "label", "within"]

Box = tuple[int, int, int, int]
"""The first and the last pixel."""

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (
    *((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167)),
    *((230, 159, 0), (86, 180, 233), (240, 228, 66)),
)
"""That colour-blind people can tell apart."""


def label(
    draw: ImageDraw.ImageDraw, box: Box, text: str, colour: Colour, taken: list[Box], share: float = 1 / 45
) -> None:
    """Write `text` at a box on a ground of its colour, at the first of some places where none of `taken` is.

    The place is taken then; where there is none, nothing is written. A letter's size is a `share` of the picture's.
    """
    width, height = draw.im.size
    font = _font(max(12, round(max(width, height) * share)))
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


def within(box: list[float], size: tuple[int, int]) -> Box:
    """Return the first and last pixel of a box [4] in a picture of `size` (width, height)."""
    x0, y0 = (min(max(0, round(value)), length - 1) for value, length in zip(box[:2], size, strict=True))
    x1, y1 = (min(max(0, round(value) - 1), length - 1) for value, length in zip(box[2:], size, strict=True))
    return x0, y0, max(x0, x1), max(y0, y1)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows most alphabets."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
