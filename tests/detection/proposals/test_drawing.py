"""Boxes on their pictures, whatever the size and shape of these."""

import numpy as np
import pytest
from PIL import Image

from googlenet.detection.boxes import as_boxes
from googlenet.detection.proposals.drawing import draw_proposals
from googlenet.detection.proposals.proposing import Proposals
from googlenet.detection.proposals.sources import Found

BLUE, WHITE, GREEN = (0, 114, 178), (255, 255, 255), (10, 200, 10)


def drawn(path, size, boxes, truths=None):
    """How many pixels of each colour the sheet has of a green picture of `size` (width, height)."""
    image = np.full((size[1], size[0], 3), GREEN, np.uint8)
    found = Found(as_boxes(boxes), np.zeros(len(boxes)))
    draw_proposals(path, image, Proposals(size, (found,)), ["a source"], None if truths is None else as_boxes(truths))
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    return {colour: int((pixels == colour).all(axis=2).sum()) for colour in (BLUE, WHITE, GREEN)}


@pytest.mark.parametrize("size", [(8, 8), (80, 60), (480, 480)])
def test_lines_are_thin_however_small_the_picture_is(tmp_path, size):
    width, height = size
    without = drawn(tmp_path / "without.png", size, [])
    with_box = drawn(tmp_path / "with.png", size, [(width / 4, height / 4, width / 2, height / 2)])
    factor = 480 // max(size)
    around = factor * (width + height) / 2
    assert 1.5 * around < with_box[BLUE] - without[BLUE] < 2.5 * around
    assert with_box[GREEN] > 0.9 * factor**2 * width * height


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_a_picture_of_any_shape_can_be_drawn(tmp_path, size):
    assert drawn(tmp_path / "a.png", size, [(0, 0, *size), (-3, -3, 9000, 9000)], [(0, 0, *size)])[BLUE] > 0


def test_the_annotated_objects_have_a_tile_of_their_own(tmp_path):
    one = drawn(tmp_path / "one.png", (80, 60), [(0, 0, 40, 30)])
    two = drawn(tmp_path / "two.png", (80, 60), [(0, 0, 40, 30)], [(10, 10, 70, 50)])
    assert two[GREEN] > 1.8 * one[GREEN]
    assert two[WHITE] - one[WHITE] > 1000
