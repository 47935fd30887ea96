"""Training crops: how much of them is covered is exact, and all shares come equally often."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.boxes import as_boxes
from googlenet.detection.multibox.crops import BUCKETS, candidates, covered, draw
from googlenet.randomness import generator


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_the_covered_share_is_that_of_the_pixels(seed: int, count: int):
    random = np.random.default_rng(seed)
    corners = random.integers(0, 20, (count, 2))
    boxes = as_boxes(np.concatenate([corners, corners + random.integers(1, 20, (count, 2))], 1))
    squares = candidates(40, 30, random)[:10]
    seen = np.zeros((200, 200))
    for x0, y0, x1, y1 in boxes.astype(int):
        seen[80 + y0 : 80 + y1, 80 + x0 : 80 + x1] = 1
    counted = [seen[80 + y : 80 + y + side, 80 + x : 80 + x + side].mean() for x, y, side in squares]
    np.testing.assert_allclose(covered(squares, boxes), counted, atol=1e-12)


def test_every_bucket_comes_equally_often():
    boxes, squares = as_boxes([[100, 60, 260, 180], [20, 20, 60, 70]]), []
    for number in range(800):
        squares.append(draw(320, 240, boxes, generator(0, "square", 0, number)))
    buckets = Counter(np.searchsorted(BUCKETS, covered(np.array(squares), boxes)).tolist())
    assert sorted(buckets) == [0, 1, 2, 3]
    assert min(buckets.values()) > 150  # of 200; a share of 1/4 falls below with a probability of 1e-4


def test_a_piece_of_an_object_is_neither_object_nor_background():
    boxes = as_boxes([[0, 0, 100, 100]])
    for number in range(50):
        square = draw(120, 100, boxes, generator(0, "square", 0, number))
        seen = covered(np.array([square]), boxes)[0] * square.side**2
        assert seen >= 5000 or seen <= 0.25 * square.side**2


def test_a_picture_without_objects_gives_background():
    assert draw(30, 20, as_boxes([]), generator(0, "square")).side <= 30


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_squares_lie_within_the_picture_as_far_as_they_fit_and_none_comes_twice(width: int, height: int, seed: int):
    squares = candidates(width, height, np.random.default_rng(seed))
    assert len({tuple(square) for square in squares.tolist()}) == len(squares) > 0
    for x0, y0, side in squares.tolist():
        assert 1 <= side <= max(width, height)
        for start, length in ((x0, width), (y0, height)):
            assert min(0, length - side) <= start <= max(0, length - side)


def test_it_is_a_function_of_the_generator():
    boxes = as_boxes([[10, 10, 20, 20]])
    assert draw(50, 40, boxes, generator(1, "square", 2, 3)) == draw(50, 40, boxes, generator(1, "square", 2, 3))
    drawn = {draw(50, 40, boxes, generator(1, "square", 2, number)) for number in range(10)}
    assert len(drawn) > 5
