"""Coverage of cases worked by hand, and of the definition on random boxes."""

import numpy as np
import pytest

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import areas, as_boxes, iou
from googlenet.detection.proposals.coverage import COUNTS, Coverage, arms_of
from googlenet.detection.proposals.sources import Found
from googlenet.weights.classes import Class

CLASSES = tuple(Class(name, name) for name in ("cat", "dog", "eel"))


def objects(boxes, labels, difficult=(), crowd=()):
    boxes = as_boxes(boxes)
    flags = [np.isin(np.arange(len(boxes)), places) for places in (difficult, crowd)]
    return Objects(boxes, np.array(labels, np.int64), *flags, areas(boxes))


def found(*boxes):
    return Found(as_boxes(boxes), np.arange(len(boxes), 0, -1.0))


def test_the_arms_are_each_source_and_the_first_few_together():
    assert [arm.name for arm in arms_of(["a"])] == ["a"]
    assert [arm.name for arm in arms_of(["a", "b", "c"])] == ["a", "b", "c", "a + b", "a + b + c"]


@pytest.fixture
def by_hand():
    coverage = Coverage(CLASSES, arms_of(["one", "two"]))
    truth = objects([(0, 0, 10, 10), (0, 0, 100, 100), (50, 50, 60, 60)], [0, 1, 0], difficult=[2])
    # Overlaps: 0.5 exactly with the cat, 0.81 with the dog; the second source has the cat itself.
    coverage.add(truth, [found((0, 0, 10, 5), (0, 0, 90, 90)), found((0, 0, 10, 10))])
    coverage.add(objects([(0, 0, 20, 20)], [0], crowd=[]), [found(), found((0, 0, 20, 20), (50, 50, 60, 60))])
    coverage.add(objects([], []), [found((1, 1, 2, 2)), found()])
    return coverage.to_json()


def test_a_case_by_hand(by_hand):
    one, two, both = by_hand["arms"]
    assert (by_hand["images"], by_hand["objects"], by_hand["left_out"]) == (3, 3, 1)
    assert [arm["boxes_per_image"] for arm in (one, two, both)] == [1, 1, 2]
    assert [arm["share_of_first"] for arm in (one, two, both)] == [1, 1, 2]
    assert one["recall"] == pytest.approx(2 / 3)  # exactly half counts
    assert one["average_recall"] == pytest.approx((0.1 + 0.7 + 0) / 3)  # 0.5; 0.5 to 0.8; none
    assert one["mabo"] == pytest.approx((0.25 + 0.81) / 2)  # cats 0.5 and 0, the dog
    assert two["recall"] == pytest.approx(2 / 3)
    assert two["mabo"] == pytest.approx((1 + 0.01) / 2)
    assert both["recall"] == 1
    assert both["mabo"] == pytest.approx((1 + 0.81) / 2)
    low, high = one["recall_interval"]
    assert low < 2 / 3 < high


def test_by_class_and_size(by_hand):
    one = by_hand["arms"][0]
    assert one["classes"]["cat"] == {"objects": 2, "recall": 0.5, "average_recall": pytest.approx(0.05), "abo": 0.25}
    assert one["classes"]["eel"] == {"objects": 0, "recall": None, "average_recall": None, "abo": None}
    assert [one["sizes"][name]["objects"] for name in ("small", "medium", "large")] == [2, 0, 1]
    assert one["sizes"]["large"]["recall"] == 1


def test_the_curve_reads_the_first_boxes(by_hand):
    curve = by_hand["arms"][0]["curve"]
    assert [point["boxes"] for point in curve] == [pytest.approx(2 / 3), 1]
    assert [point["recall"] for point in curve] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_against_the_definition():
    random = np.random.default_rng(0)
    coverage = Coverage(CLASSES, arms_of(["a"]))
    best, counts = [], []
    for _ in range(12):

        def some(number):
            corners = random.uniform(0, 80, (number, 2))
            return np.concatenate([corners, corners + random.uniform(5, 60, (number, 2))], 1)

        truths, boxes = some(random.integers(0, 5)), some(random.integers(0, 40))
        coverage.add(objects(truths, random.integers(0, 3, len(truths))), [found(*boxes)])
        best.append([[iou(boxes[:n], truths).max(0, initial=0) for n in (5, 10, 1000)]])
        counts.append(len(boxes))
    (arm,) = coverage.to_json()["arms"]
    at = {point["boxes"]: point for point in arm["curve"]}
    for place, n in enumerate((5, 10, 1000)):
        values = np.concatenate([one[0][place] for one in best])
        point = at[np.minimum(counts, n).mean()]
        assert point["recall"] == pytest.approx((values >= 0.5).mean())
        expected = np.mean([(values >= 0.5 + 0.05 * step).mean() for step in range(10)])
        assert point["average_recall"] == pytest.approx(expected)
    assert [point["recall"] for point in arm["curve"]] == sorted(point["recall"] for point in arm["curve"])
    assert len(arm["curve"]) == sum(count < max(counts) for count in COUNTS) + 1


def test_nothing_is_a_word_and_no_number():
    (arm,) = Coverage(CLASSES, arms_of(["a"])).to_json()["arms"]
    assert (arm["recall"], arm["mabo"], arm["recall_interval"], arm["share_of_first"]) == (None,) * 4
