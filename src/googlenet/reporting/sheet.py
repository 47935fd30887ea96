"""A sheet of pictures with captions: predictions beside the truth, or samples with what was done to them."""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.reporting.console import percent, printable
from googlenet.reporting.pictures import Picture, fit

__all__ = ["Tile", "check_name", "draw_sheet", "prediction_tile"]

RIGHT = (26, 127, 55)
WRONG = (207, 34, 46)
_PAPER = (255, 255, 255)
_MAT = (240, 242, 245)  # around a picture that does not fill its square
_INK = (31, 35, 40)
_MARGIN = 12
_FRAME = 4
_FONT_SIZE = 14
_LINE = 18
_INDENT = _LINE + 4  # of a caption behind a mark
_MOST_ROWS = 3  # rows that one line of a caption may take before it is cut short


@dataclass(frozen=True)
class Tile:
    """A picture (see `pictures.as_image`), the lines of its caption, and whether they are right, None if unknown.

    Then `colour` is that of its frame, which another picture may speak of.
    """

    picture: Picture
    caption: tuple[str, ...] = ()
    correct: bool | None = None
    colour: tuple[int, int, int] = (208, 215, 222)


def prediction_tile(
    picture: Picture, name: str, probability: float, truth: str | None = None, *, correct: bool | None = None
) -> Tile:
    """Return the tile of an answer. `correct` comes from the caller, who compares ids: two classes may share a name."""
    answer = f"{percent(probability)} {name}"
    return Tile(picture, (answer,) if truth is None or correct else (answer, f"truth: {truth}"), correct)


def check_name(path: Path) -> None:
    """Raise `InputError` where the name that was given with `--output` promises something else than a PNG."""
    if path.suffix.lower() not in ("", ".png"):
        raise InputError(f"--output {path}: the sheet is a PNG; let the name end in .png")


def draw_sheet(
    path: str | os.PathLike[str], tiles: Sequence[Tile], *, size: int = 176, columns: int | None = None
) -> None:
    """Write a PNG of `tiles` in rows of `columns` (by default a third more than rows), in the order given.

    Each picture lies in the middle of a square of `size` pixels: small ones enlarged by a whole factor, large ones
    reduced. A tile known to be correct has a green frame and a tick before its caption, a wrong one a red frame and
    a cross; each line of a caption takes at most three rows. Raises `ValueError` where there is no tile.
    """
    if not tiles:
        raise ValueError("a sheet needs at least one tile")
    columns = min(columns or math.ceil(math.sqrt(len(tiles) * 1.5)), len(tiles))
    side = size + 2 * _FRAME
    captions = [_caption(tile, side) for tile in tiles]
    heights = [
        side + _LINE * max(len(rows) for rows in captions[begin : begin + columns]) + 2 * _MARGIN
        for begin in range(0, len(tiles), columns)
    ]
    page = Image.new("RGB", (columns * (side + _MARGIN) + _MARGIN, sum(heights) + _MARGIN), _PAPER)
    for index, (tile, rows) in enumerate(zip(tiles, captions, strict=True)):
        row, column = divmod(index, columns)
        _draw_tile(page, tile, rows, _MARGIN + column * (side + _MARGIN), _MARGIN + sum(heights[:row]), size)
    content = io.BytesIO()
    page.save(content, "PNG", compress_level=3)  # photographs hardly shrink with more work
    with atomic_write(path) as file:
        file.write(content.getvalue())


def _draw_tile(page: Image.Image, tile: Tile, rows: list[str], left: int, top: int, size: int) -> None:
    draw = ImageDraw.Draw(page)
    side = size + 2 * _FRAME
    colour = tile.colour if tile.correct is None else RIGHT if tile.correct else WRONG
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_MAT, outline=colour, width=_FRAME)
    image = fit(tile.picture, size)
    page.paste(image, (left + _FRAME + (size - image.width) // 2, top + _FRAME + (size - image.height) // 2))
    top += side + _MARGIN // 2
    if tile.correct is not None:
        _draw_mark(draw, left, top, tile.correct)
        left += _INDENT
    for index, row in enumerate(rows):
        draw.text((left, top + index * _LINE + _LINE // 2), row, fill=_INK, font=_font(), anchor="lm")


def _draw_mark(draw: ImageDraw.ImageDraw, left: int, top: int, correct: bool) -> None:
    """A tick in a disc or a cross in a square: told apart without their colours."""
    box = (left, top, left + _LINE - 2, top + _LINE - 2)
    middle_x, middle_y = left + (_LINE - 2) // 2, top + (_LINE - 2) // 2
    if correct:
        draw.ellipse(box, fill=RIGHT)
        tick = [(middle_x - 4, middle_y), (middle_x - 1, middle_y + 3), (middle_x + 4, middle_y - 4)]
        draw.line(tick, fill=_PAPER, width=2, joint="curve")
    else:
        draw.rectangle(box, fill=WRONG)
        draw.line((middle_x - 4, middle_y - 4, middle_x + 4, middle_y + 4), fill=_PAPER, width=2)
        draw.line((middle_x - 4, middle_y + 4, middle_x + 4, middle_y - 4), fill=_PAPER, width=2)


def _caption(tile: Tile, side: int) -> list[str]:
    width = side - (_INDENT if tile.correct is not None else 0)
    return [row for line in tile.caption for row in _wrap(printable(line), width)]


def _wrap(line: str, width: int) -> list[str]:
    """Break a line at spaces (within a word where one word is too wide) into at most `_MOST_ROWS` rows."""
    rows: list[str] = []
    rest = line[:400].strip()
    while rest and len(rows) < _MOST_ROWS:
        end = len(rest)
        while end > 1 and _font().getlength(rest[:end]) > width:
            end -= 1
        space = rest.rfind(" ", 0, end + 1)
        if end < len(rest) and space > end // 3:
            end = space
        rows.append(rest[:end].rstrip())
        rest = rest[end:].strip()
    if rest:
        last = rows[-1]
        while last and _font().getlength(f"{last}…") > width:
            last = last[:-1]
        rows[-1] = f"{last.rstrip()}…"
    return rows


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows most alphabets."""
    import matplotlib  # takes long to import, and a sheet is drawn at the end of the work

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", _FONT_SIZE)
