"""Pictures with boxes and names: boxes are where they should be, and odd names and places end nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.detection.boxes import as_boxes
from googlenet.detection.detections import Detections
from googlenet.detection.detector.drawing import draw_detections

NAMES = {"dog": "dog", "кот": "кот", "odd": "a\n\x1b[31m very long name that does not end for a very long time"}


def drawn(path: Path, colour: int, boxes: list, scores: list, ids: list | None = None) -> np.ndarray:
    picture = np.full((120, 160, 3), colour, np.uint8)
    found = Detections("a.png", (160, 120), as_boxes(boxes), tuple(ids or ["dog"] * len(boxes)), np.array(scores))
    draw_detections(path, picture, found, NAMES)
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("colour", [0, 255])
def test_a_box_has_its_colour_within_and_black_around(tmp_path: Path, colour: int):
    pixels = drawn(tmp_path / "a.png", colour, [(40, 50, 100, 90)], [0.9])
    assert pixels.shape == (120, 160, 3)
    for y, x in ((50, 70), (89, 70), (70, 40), (70, 99)):
        assert pixels[y, x].tolist() == [213, 94, 0]
    assert pixels[70, 39].tolist() == [0, 0, 0]
    assert (pixels[70, 45:95] == colour).all()
    assert (pixels[30:48, 45:60] != colour).any()  # the name, above the box


def test_what_is_not_sure_is_not_drawn(tmp_path: Path):
    assert (drawn(tmp_path / "a.png", 200, [(40, 50, 100, 90)], [0.49]) == 200).all()


def test_names_of_all_kinds_at_the_border_and_beyond(tmp_path: Path):
    boxes = [(-20, -10, 30, 20), (100, 0, 500, 400), (0, 100, 160, 120), (10, 10, 10.4, 10.4)]
    pixels = drawn(tmp_path / "a.png", 90, boxes, [0.9, 0.8, 0.7, 0.6], ["dog", "кот", "odd", "dog"])
    assert (pixels != 90).any()


def test_two_hundred_boxes_are_drawn(tmp_path: Path):
    random = np.random.default_rng(0)
    corners = random.uniform(0, 100, (200, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 60, (200, 2))], 1)
    drawn(tmp_path / "a.png", 128, boxes.tolist(), random.uniform(0.5, 1, 200).tolist())
