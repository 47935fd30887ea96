"""Several data sets as one: pictures in order, classes by their ids."""

import numpy as np
import pytest

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import as_boxes
from googlenet.detection.datasets.joined import Joined
from googlenet.weights.classes import Class


class Set:
    def __init__(self, name, classes, labels, excluded=()):
        self._name, self._labels, self._excluded = name, labels, frozenset(excluded)
        self.classes = tuple(Class(one, one) for one in classes)

    def __len__(self):
        return len(self._labels)

    def read(self, index):
        return f"{self._name}{index}".encode()

    def name(self, index):
        return f"{self._name}/{index}.jpg"

    def objects(self, index):
        labels = np.array(self._labels[index], np.int64)
        none = np.zeros(len(labels), bool)
        boxes = as_boxes([[label, 0, label + 2, 1] for label in labels])
        return Objects(boxes, labels, none, none, np.full(len(labels), 2.0), self._excluded)


def test_pictures_come_in_order_with_their_classes_by_id():
    sets = [Set("a", ["dog", "cat"], [[0], [1, 0]]), Set("none", ["cow"], []), Set("b", ["cat", "hen"], [[0, 1]], [1])]
    joined = Joined(sets)
    assert [one.id for one in joined.classes] == ["dog", "cat", "cow", "hen"]
    assert len(joined) == 3
    assert [joined.name(number) for number in range(3)] == ["a/0.jpg", "a/1.jpg", "b/0.jpg"]
    assert [joined.read(number) for number in range(3)] == [b"a0", b"a1", b"b0"]
    found = [joined.objects(number) for number in range(3)]
    assert [objects.labels.tolist() for objects in found] == [[0], [1, 0], [1, 3]]
    assert found[2].boxes.tolist() == [[0, 0, 2, 1], [1, 0, 3, 1]]
    assert [objects.excluded for objects in found] == [frozenset(), frozenset(), {3}]


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_picture_beyond_the_last(index):
    with pytest.raises(IndexError):
        Joined([Set("a", ["dog"], [[0], []]), Set("b", ["dog"], [[0]])]).read(index)


def test_no_set_is_an_empty_one():
    assert len(Joined([])) == 0
