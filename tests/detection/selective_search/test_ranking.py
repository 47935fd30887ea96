"""The joint order: priorities, chance from a seed, what is too small, what is there twice."""

import numpy as np

from googlenet.detection.selective_search.grouping import Hierarchy
from googlenet.detection.selective_search.ranking import candidates, rank
from googlenet.randomness import generator


def boxes_of(count: int, side: int = 200) -> np.ndarray:
    corners = generator(0, "test").integers(0, side - 20, (count, 2))
    return np.concatenate([corners, np.minimum(corners + generator(1, "test").integers(1, 60, (count, 2)), side)], 1)


def test_first_regions_are_there_once_and_the_whole_picture_has_priority_one():
    first = boxes_of(3).astype(np.int32)
    hierarchies = [
        Hierarchy(np.zeros((2, 2), np.int32), np.concatenate([first, np.full((2, 4), number, np.int32)]))
        for number in (7, 8)
    ]
    boxes, priorities = candidates(hierarchies)
    assert np.array_equal(boxes[:3], first)
    assert boxes[3:, 0].tolist() == [7, 7, 8, 8]
    assert priorities.tolist() == [3, 3, 3, 2, 1, 2, 1]


def test_small_boxes_and_duplicates_go():
    boxes = np.tile(boxes_of(200), (3, 1)).astype(np.int32)
    ranked = rank(boxes, np.arange(1, 601), (200, 200), 0, 0)
    large = {tuple(box) for box in boxes.tolist() if box[2] - box[0] >= 20 and box[3] - box[1] >= 20}
    assert 20 < len(large) < 200
    assert len(ranked) == len(large)
    assert {tuple(box) for box in ranked.tolist()} == large


def test_a_box_of_twenty_pixels_is_large_enough():
    boxes = np.array([[0, 0, 20, 20], [0, 0, 19, 30], [5, 0, 35, 19]], np.int32)
    assert rank(boxes, np.ones(3, int), (100, 100), 0, 0).tolist() == [[0, 0, 20, 20]]


def test_in_a_flat_picture_a_box_is_as_high_as_the_picture():
    boxes = np.array([[0, 0, 100, 5], [0, 0, 100, 4], [0, 0, 19, 5]], np.int32)
    assert rank(boxes, np.ones(3, int), (5, 100), 0, 0).tolist() == [[0, 0, 100, 5]]


def test_the_order_is_a_function_of_seed_and_picture():
    boxes, priorities = boxes_of(300).astype(np.int32), np.arange(1, 301)
    orders = [rank(boxes, priorities, (200, 200), *key).tolist() for key in [(0, 5), (0, 5), (1, 5), (0, 6)]]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(orders[3])


def test_chance_is_uniform_and_priorities_count():
    """Of two boxes with priorities 1 and 3 the first comes first with probability 1 - 1 / 6."""
    boxes = np.array([[0, 0, 50, 50], [0, 0, 60, 60]], np.int32)
    first = sum(rank(boxes, np.array([1, 3]), (99, 99), 0, index)[0, 2] == 50 for index in range(2000))
    assert abs(first / 2000 - 5 / 6) < 4 * np.sqrt(5 / 36 / 2000)


def test_what_is_there_often_comes_earlier():
    boxes = np.array([[0, 0, 50, 50]] * 9 + [[0, 0, 60, 60]], np.int32)
    first = sum(rank(boxes, np.ones(10, int), (99, 99), 0, index)[0, 2] == 50 for index in range(1000))
    assert abs(first / 1000 - 0.9) < 4 * np.sqrt(0.09 / 1000)
