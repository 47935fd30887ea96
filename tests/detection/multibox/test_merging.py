"""From the outputs of squares to the boxes of a picture."""

import numpy as np
import torch

from googlenet.detection.multibox.merging import merge
from googlenet.detection.multibox.squares import Square
from googlenet.network.specification import MultiBox

HEAD = MultiBox(((0.0, 0.0, 0.5, 0.5), (0.25, 0.5, 1.0, 1.0)))


def outputs(*logits: list[float]) -> torch.Tensor:
    return torch.cat([torch.zeros(len(logits), 8), torch.tensor(logits)], 1)


def test_boxes_are_mapped_back_and_the_most_confident_is_first():
    found = merge(outputs([-1.0, 1.0], [0.0, 2.0]), HEAD, [Square(0, 0, 40), Square(0, 0, 80)], (80, 80), 10)
    assert found.boxes.tolist() == [[20, 40, 80, 80], [0, 0, 40, 40], [0, 0, 20, 20]]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-2.0, 0.0, 1.0])))


def test_boxes_that_are_cut_off_by_a_square_within_the_picture_are_left_to_others():
    squares = [Square(0, 0, 40), Square(10, 0, 40), Square(0, 10, 40), Square(10, 10, 40)]
    found = merge(outputs(*[[0.0, 0.0]] * 4), HEAD, squares, (50, 50), 10)
    assert sorted(found.boxes.tolist()) == [[0, 0, 20, 20], [20, 30, 50, 50]]


def test_what_two_squares_show_is_said_once_and_only_so_many_are_said():
    twice = merge(outputs([0.0, 1.0], [2.0, -1.0]), HEAD, [Square(0, 0, 40), Square(0, 0, 40)], (40, 40), 10)
    assert twice.boxes.tolist() == [[0, 0, 20, 20], [10, 20, 40, 40]]
    assert len(merge(outputs([0.0, 1.0]), HEAD, [Square(0, 0, 40)], (40, 40), 1).boxes) == 1


def test_boxes_end_at_the_border_and_empty_ones_go():
    found = merge(outputs([0.0, 1.0]), HEAD, [Square(0, -20, 80)], (80, 20), 10)
    assert found.boxes.tolist() == [[0, 0, 40, 20]]
    inside_out = outputs([0.0, 1.0])
    inside_out[0, 2] = -80  # its right edge
    assert len(merge(inside_out, HEAD, [Square(0, 0, 40)], (40, 40), 10).boxes) == 1
