"""Sheets of pictures: pixels whose colour and place follow from the margins (12), the frame (4) and the size."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet.errors import InputError
from googlenet.reporting.sheet import Tile, _font, _wrap, draw_sheet, prediction_tile

GREEN, RED, GREY, WHITE = (26, 127, 55), (207, 34, 46), (208, 215, 222), (255, 255, 255)
CHECKS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]], dtype=np.uint8)


def draw(path: Path, tiles: list[Tile], size: int = 100) -> Image.Image:
    draw_sheet(path / "sheet.png", tiles, size=size)
    image = Image.open(path / "sheet.png")
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def test_pixels_of_a_small_picture_are_squares_inside_the_frame(tmp_path: Path) -> None:
    image = draw(tmp_path, [Tile(CHECKS)])
    # margin 12, frame 4: the picture is enlarged 50 times and fills 16..115.
    assert image.size == (12 + 108 + 12, 12 + 108 + 24)
    assert [image.getpixel(at) for at in ((0, 0), (11, 50), (12, 12), (15, 60), (119, 119), (120, 60))] == [
        WHITE,
        WHITE,
        GREY,
        GREY,
        GREY,
        WHITE,
    ]
    assert [image.getpixel(at) for at in ((16, 16), (65, 65), (66, 16), (16, 66), (65, 66), (115, 115))] == [
        (255, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (0, 0, 255),
        (0, 0, 0),
    ]


def test_right_and_wrong_differ_in_colour_and_in_mark(tmp_path: Path) -> None:
    tiles = [Tile(CHECKS, ("x",), correct) for correct in (True, False, None)]
    image = draw(tmp_path, tiles)
    lefts = (12, 132, 252)
    assert [image.getpixel((left + 2, 14)) for left in lefts] == [GREEN, RED, GREY]
    # The mark is 17 pixels wide, 6 below the frame: a disc leaves its corner white, a square fills it.
    assert [image.getpixel((left, 126)) for left in lefts] == [WHITE, RED, WHITE]
    assert [image.getpixel((left + 2, 134)) for left in lefts[:2]] == [GREEN, RED]
    # Left above the middle only a cross is white, in the middle below it only a tick.
    assert [image.getpixel((left + 5, 126 + 5)) for left in lefts[:2]] == [GREEN, WHITE]
    assert [image.getpixel((left + 7, 126 + 11)) for left in lefts[:2]] == [WHITE, RED]


def test_a_frame_has_the_colour_that_its_tile_asks_for(tmp_path: Path) -> None:
    image = draw(tmp_path, [Tile(CHECKS, colour=(1, 2, 3)), Tile(CHECKS, correct=True, colour=(1, 2, 3))])
    assert [image.getpixel((left + 2, 14)) for left in (12, 132)] == [(1, 2, 3), GREEN]


def test_a_large_picture_is_centred_in_its_square(tmp_path: Path) -> None:
    image = draw(tmp_path, [Tile(Image.new("RGB", (400, 200), (9, 9, 9)))])
    assert image.getpixel((16, 16 + 24)) == image.getpixel((16, 16 + 75)) == (240, 242, 245)
    assert image.getpixel((16, 16 + 25)) == image.getpixel((115, 16 + 74)) == (9, 9, 9)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 3, 2), (12, 5, 3), (40, 8, 5), (100, 13, 8)]
)
def test_any_number_of_tiles(tmp_path: Path, count: int, columns: int, rows: int) -> None:
    image = draw(tmp_path, [Tile(CHECKS, ("1",), True)] * count, size=40)
    assert image.size == (columns * (48 + 12) + 12, rows * (48 + 18 + 24) + 12)
    column, row = (count - 1) % columns, (count - 1) // columns
    assert image.getpixel((12 + 60 * column, 12 + 90 * row)) == GREEN


def test_tiles_stand_in_the_order_given(tmp_path: Path) -> None:
    shades = [np.full((1, 1), 10 * index, np.uint8) for index in range(6)]
    image = draw(tmp_path, [Tile(shade) for shade in shades], size=20)
    places = [(20 + 40 * column, 20 + 52 * row) for row in range(2) for column in range(3)]
    assert [image.getpixel(place) for place in places] == [(10 * index,) * 3 for index in range(6)]


def test_a_row_is_as_high_as_its_longest_caption(tmp_path: Path) -> None:
    long = Tile(CHECKS, ("crop of 43 % of the area", "mirrored", "brightness 1.2"))
    assert draw(tmp_path, [Tile(CHECKS), long], size=176).height == 12 + 184 + 3 * 18 + 24


def test_a_caption_stays_below_its_picture(tmp_path: Path) -> None:
    name = "n02087394_Rhodesian_ridgeback_" * 10 + " and " * 100
    tiles = [Tile(CHECKS, (name, name), False), Tile(CHECKS)]
    image = np.asarray(draw(tmp_path, tiles))
    assert (image[:, 120:132] == 255).all()
    assert image.shape[0] == 12 + 108 + 6 * 18 + 24


@settings(max_examples=100, deadline=None)
@given(st.text("ab _-.WMil鶴", max_size=120), st.integers(30, 200))
def test_wrapped_rows_fit_and_lose_nothing_but_the_end(line: str, width: int) -> None:
    rows = _wrap(line, width)
    assert len(rows) <= 3
    assert all(_font().getlength(row) <= width for row in rows)
    shown = "".join(rows).replace(" ", "")
    whole = line.replace(" ", "")
    assert whole.startswith(shown.removesuffix("…"))
    assert shown.endswith("…") or shown == whole


def test_words_are_kept_together() -> None:
    assert _wrap("golden retriever of the neighbours", 120) == ["golden retriever", "of the", "neighbours"]


@pytest.mark.parametrize(
    ("truth", "correct", "caption"),
    [
        (None, None, ("97.3 % crane",)),
        ("crane", True, ("97.3 % crane",)),
        ("cup", False, ("97.3 % crane", "truth: cup")),
        ("crane", False, ("97.3 % crane", "truth: crane")),
    ],
)
def test_the_caption_of_a_prediction(truth: str | None, correct: bool | None, caption: tuple[str, ...]) -> None:
    """ImageNet has two classes named crane, so that equal names can be a mistake."""
    tile = prediction_tile(CHECKS, "crane", 0.973, truth, correct=correct)
    assert (tile.caption, tile.correct) == (caption, correct)


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        draw_sheet(tmp_path / "sheet.png", [])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/sheet\.png"):
        draw_sheet(tmp_path / "file/sheet.png", [Tile(CHECKS)])
