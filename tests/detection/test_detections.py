"""`Detections` in the forms of other programs, against what those programs write of the same box."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from googlenet.detection.detections import Detections
from googlenet.errors import InputError


@pytest.fixture
def two():
    boxes = [[10.0, 20.0, 110.0, 70.0], [0.0, 0.0, 200.0, 100.0]]
    return Detections("photos/a.jpg", (200, 100), boxes, ("dog", "cat"), [0.75, 0.5])


def test_coco_has_corner_and_size(two):
    assert two.to_coco(7, {"cat": 17, "dog": 18}) == [
        {"image_id": 7, "category_id": 18, "bbox": [10.0, 20.0, 100.0, 50.0], "score": 0.75},
        {"image_id": 7, "category_id": 17, "bbox": [0.0, 0.0, 200.0, 100.0], "score": 0.5},
    ]


def test_yolo_has_centre_and_size_as_shares(two):
    assert two.to_yolo(["cat", "dog"]) == "1 0.3 0.45 0.5 0.5 0.75\n0 0.5 0.5 1 1 0.5\n"


def test_supervision_is_given_its_own_arrays(two, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    found = two.to_supervision(["cat", "dog"])
    assert (found.xyxy.dtype, found.xyxy.tolist()) == (np.float32, two.boxes.tolist())
    assert found.class_id.tolist() == [1, 0]
    assert found.confidence.tolist() == [0.75, 0.5]
    assert found.data["class_name"].tolist() == ["dog", "cat"]


def test_without_supervision_the_mend_is_told(two, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="pip install supervision"):
        two.to_supervision(["cat", "dog"])


def test_nothing_can_be_written_to(two):
    given = np.zeros((1, 4))
    found = Detections("a.jpg", (9, 9), given, ("dog",), [1])
    given[:] = 5
    assert found.boxes.tolist() == [[0, 0, 0, 0]]
    for array in (found.boxes, found.scores):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ids": ("dog",)}, "2 boxes, 1 ids and 2 scores"),
        ({"scores": [np.nan, 1]}, "not finite"),
        ({"boxes": [[0, 0, np.inf, 1], [0, 0, 1, 1]]}, "not finite"),
        ({"size": (0, 5)}, "a picture of 0 x 5"),
    ],
)
def test_what_does_not_fit_is_refused(two, change, complaint):
    with pytest.raises(InputError, match=complaint):
        Detections(**({"image": "a.jpg", **vars(two)} | change))


def test_an_unknown_class_is_named(two):
    with pytest.raises(InputError, match=r"class dog is not among the 1 given"):
        two.to_yolo(["cat"])
    assert len(Detections("a.jpg", (1, 1), [], (), []).to_coco(1, {})) == 0
