"""Squares of a picture: they cover it, and boxes are where their pixels are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.boxes import as_boxes
from googlenet.detection.multibox.squares import (
    Square,
    covering,
    cut,
    from_shares,
    in_shares,
    kept_within,
    mean_colour,
)
from googlenet.images.regions import whole_image
from googlenet.network.specification import Pixels

FILL = (1, 2, 3)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 400))
def test_each_scale_covers_the_picture_and_neighbours_share_half(one: int, other: int):
    for width, height in ((one, other), (other, one)):
        whole = Square((width - max(width, height)) // 2, (height - max(width, height)) // 2, max(width, height))
        for scale in (1.0, 0.5):
            squares = [square for square in covering(width, height, (scale,)) if square != whole or width == height]
            (side,) = {square.side for square in squares} or {whole.side}
            scaled = max(1, round(scale * min(width, height)))
            assert side == scaled or side == -(-max(width, height) // 16) > scaled
            seen = np.zeros((height, width), bool)
            for x0, y0, _ in squares:
                assert 0 <= x0 <= width - side or (x0 == (width - side) // 2 and side > width)
                assert 0 <= y0 <= height - side or (y0 == (height - side) // 2 and side > height)
                seen[max(y0, 0) : y0 + side, max(x0, 0) : x0 + side] = True
            assert seen.all()
            for starts in (sorted({one.x0 for one in squares}), sorted({one.y0 for one in squares})):
                assert all(np.diff(starts) <= side / 2 + 1)


def test_a_picture_of_any_shape_has_few_squares():
    assert max(len(covering(short, 60_000)) for short in (1, 7, 100, 1000, 3750, 4000, 7500, 60_000)) <= 130
    assert len(covering(60_000, 1)) == len(covering(1, 60_000)) == 32


def test_the_whole_picture_is_in_the_first_square_and_none_comes_twice():
    assert covering(400, 300, (1.0,)) == [Square(0, -50, 400), Square(0, 0, 300), Square(100, 0, 300)]
    assert covering(300, 300, (1.0,)) == [Square(0, 0, 300)]
    assert covering(1, 1) == [Square(0, 0, 1)]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("square", [Square(0, 0, 60), Square(20, 10, 40), Square(-10, -20, 80)])
def test_a_box_is_where_its_pixels_are(square: Square, mirror: bool):
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:40, 30:50] = 255
    found = cut(whole_image(picture), square, (120, 120), FILL, mirror)
    rows, columns = np.nonzero(found.max(2) > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    (box,) = in_shares(as_boxes([[30, 20, 50, 40]]), square, mirror)
    np.testing.assert_allclose(seen, 120 * box, atol=1.01)


def test_what_lies_outside_is_filled():
    found = cut(whole_image(np.full((20, 40, 3), 200, np.uint8)), Square(0, -10, 40), (8, 8), FILL)
    assert found.shape == (8, 8, 3)
    assert (found[2:6] == 200).all()
    assert (found[[0, 1, 6, 7]] == FILL).all()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 100))
def test_shares_and_pixels_undo_each_other(x0: int, y0: int, side: int):
    boxes, square = as_boxes([[0, 0, 10, 20], [5.5, 3, 7, 90]]), Square(x0, y0, side)
    np.testing.assert_allclose(from_shares(in_shares(boxes, square), square), boxes, atol=1e-9)


def test_objects_of_which_half_is_seen_are_kept_and_clipped():
    boxes = as_boxes([[0, 0, 10, 10], [5, 0, 15, 10], [6, 0, 16, 10], [20, 20, 30, 30]])
    np.testing.assert_allclose(kept_within(boxes, Square(0, 0, 10)), [[0, 0, 1, 1], [0.5, 0, 1, 1]])
    np.testing.assert_allclose(kept_within(boxes, Square(0, 0, 10), True), [[0, 0, 1, 1], [0, 0, 0.5, 1]])


def test_the_mean_colour_is_nearest_to_nothing():
    assert mean_colour(Pixels()) == (123, 117, 104)
    assert mean_colour(Pixels(order="BGR", mean=(104.0, 117.0, 123.0))) == (123, 117, 104)
    assert mean_colour(Pixels(white=1.0, mean=(0.5, 0.5, 0.5))) == (128, 128, 128)
