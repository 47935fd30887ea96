"""Which windows are objects, which are background, which neither; and that the files give back what went in."""

import pickle

import numpy as np
import pytest
from coloured import objects

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import as_boxes, iou
from googlenet.detection.regions.windows import Labelled, label_windows, open_windows, write_windows


def labels(boxes: object, found: Objects, classes: int = 3) -> list[int]:
    return label_windows(as_boxes(boxes), found, classes).labels.tolist()


def test_a_window_has_the_class_of_the_object_that_it_overlaps_most():
    found = objects([(0, 0, 10, 10), (4, 0, 14, 10)], [0, 2])
    assert labels([(0, 0, 10, 10), (1, 0, 11, 10), (3, 0, 13, 10), (4, 0, 14, 10)], found) == [0, 0, 2, 2]


def test_half_is_an_object_and_less_is_background():
    found = objects([(0, 0, 10, 10)], [1])
    boxes = [(0, 0, 10, 5), (0, 0, 10, 4.9), (0, 0, 20, 10), (0, 0, 20.2, 10), (50, 50, 60, 60)]
    assert [round(value, 2) for value in iou(as_boxes(boxes), found.boxes)[:, 0]] == [0.5, 0.49, 0.5, 0.5, 0]
    assert labels(boxes, found) == [1, 3, 1, 3, 3]


def test_pictures_without_objects_are_background():
    assert labels([(0, 0, 10, 10)], objects([], [])) == [3]
    assert labels([], objects([], [])) == []


def test_windows_on_difficult_objects_are_neither():
    found = objects([(0, 0, 10, 10), (20, 0, 30, 10)], [0, 1], difficult=[True, False])
    kept = label_windows(as_boxes([(0, 0, 10, 10), (20, 0, 30, 10), (0, 0, 5, 5)]), found, 3)
    assert (kept.boxes.tolist(), kept.labels.tolist()) == ([[20, 0, 30, 10], [0, 0, 5, 5]], [1, 3])


def test_background_within_a_crowd_is_none_but_objects_there_are_objects():
    found = objects([(0, 0, 100, 100), (10, 10, 20, 20)], [0, 1], crowd=[True, False])
    kept = label_windows(as_boxes([(40, 40, 60, 60), (10, 10, 20, 20), (95, 0, 115, 10)]), found, 3)
    assert (kept.boxes.tolist(), kept.labels.tolist()) == ([[10, 10, 20, 20], [95, 0, 115, 10]], [1, 3])


def test_a_picture_in_which_a_class_is_not_annotated_has_no_background():
    whole = objects([(0, 0, 10, 10)], [1])
    found = Objects(whole.boxes, whole.labels, whole.difficult, whole.crowd, whole.areas, frozenset({2}))
    assert labels([(0, 0, 10, 10), (50, 0, 60, 10)], found) == [1]


def test_boxes_without_area_are_left_out():
    assert labels([(5, 5, 5, 9), (5, 5, 9, 9)], objects([], [])) == [3]


@pytest.fixture
def parts():
    random = np.random.default_rng(0)
    return [Labelled(random.uniform(0, 99, (n, 4)), random.integers(0, 4, n).astype(np.int32)) for n in (3, 0, 7, 1, 0)]


def test_the_files_give_back_what_went_in(tmp_path, parts):
    found = write_windows(tmp_path / "windows", iter(parts), 3, "a key")
    again = open_windows(tmp_path / "windows")
    sent = pickle.loads(pickle.dumps(found))
    for one in (found, again, sent):
        assert (one.pictures, len(one), one.most, one.key, one.identity) == (5, 11, 7, "a key", found.identity)
        for number, part in enumerate(parts):
            assert (one.of(number).boxes == part.boxes).all()
            assert (one.of(number).labels == part.labels).all()
    everything = np.concatenate([part.labels for part in parts])
    assert found.positives.tolist() == np.flatnonzero(everything != 3).tolist()
    assert found.counts(3).tolist() == np.bincount(everything, minlength=4)[:3].tolist()
    background = np.flatnonzero(everything == 3)
    assert found.negatives(np.arange(len(background))).tolist() == background.tolist()
    assert [row.tolist() for row in found.places(np.array([0, 2, 3, 9, 10]))] == [[0, 0, 2, 2, 3], [0, 2, 0, 6, 0]]


def test_other_windows_have_another_identity(tmp_path, parts):
    first = write_windows(tmp_path / "first", parts, 3, "")
    moved = [parts[0]._replace(boxes=parts[0].boxes + 1e-9), *parts[1:]]
    assert write_windows(tmp_path / "second", moved, 3, "").identity != first.identity
    assert write_windows(tmp_path / "third", parts, 3, "").identity == first.identity


def test_what_is_not_whole_is_nothing(tmp_path, parts):
    assert open_windows(tmp_path / "nowhere") is None
    write_windows(tmp_path, parts, 3, "")
    (tmp_path / "boxes").write_bytes(bytes(8))
    assert open_windows(tmp_path) is None

    def killed():
        yield parts[0]
        raise KeyboardInterrupt

    write_windows(tmp_path, parts, 3, "")
    with pytest.raises(KeyboardInterrupt):
        write_windows(tmp_path, killed(), 3, "")
    assert open_windows(tmp_path) is None
