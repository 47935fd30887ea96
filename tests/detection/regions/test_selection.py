"""What is detected of scored boxes: by brute force, at the threshold, and at most so many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.boxes import as_boxes, iou
from googlenet.detection.regions.selection import Selection, select
from googlenet.errors import InputError


def by_brute_force(boxes, scores, how):
    """The definition, class by class: the surest box stays, and what it overlaps too much goes."""
    found, overlaps = [], iou(boxes, boxes)
    for label in range(scores.shape[1]):
        left = [row for row in range(len(boxes)) if scores[row, label] >= how.score]
        while left:
            best = max(left, key=lambda row: (scores[row, label], -row))
            found.append((best, label))
            left = [row for row in left if row != best and overlaps[best, row] <= how.overlap]
    return sorted(found, key=lambda pair: -scores[pair])[: how.most]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 20), st.integers(1, 3))
def test_it_is_what_the_definition_says(seed, count, classes):
    random = np.random.default_rng(seed)
    corners = random.integers(0, 20, (count, 2))
    boxes = as_boxes(np.concatenate([corners, corners + random.integers(1, 20, (count, 2))], 1))
    scores = random.integers(0, 8, (count, classes)) / 8
    how = Selection(score=0.25, overlap=0.3, most=12)
    rows, labels = select(boxes, scores, how)
    found = list(zip(rows.tolist(), labels.tolist(), strict=True))
    expected = by_brute_force(boxes, scores, how)
    assert [scores[pair] for pair in found] == [scores[pair] for pair in expected]
    if len(set(scores[scores >= 0.25].tolist())) == (scores >= 0.25).sum():  # no ties, which classes share out
        assert found == expected


@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 3))
def test_boxes_of_a_class_s_own_are_as_each_class_alone(seed, count, classes):
    random = np.random.default_rng(seed)
    corners = random.integers(0, 20, (count, classes, 2))
    boxes = np.concatenate([corners, corners + random.integers(1, 20, (count, classes, 2))], 2).astype(float)
    scores = random.permutation(count * classes).reshape(count, classes) / max(1, count * classes)
    how = Selection(score=0.25, overlap=0.3, most=10)
    rows, labels = select(boxes, scores, how)
    alone = [
        (row, label)
        for label in range(classes)
        for row, _ in by_brute_force(boxes[:, label], scores[:, [label]], Selection(0.25, 0.3, 100))
    ]
    expected = sorted(alone, key=lambda pair: -scores[pair])[:10]
    assert list(zip(rows.tolist(), labels.tolist(), strict=True)) == expected


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = as_boxes([(0, 0, 13, 10), (7, 0, 20, 10), (6.9, 0, 19.9, 10)])
    assert iou(boxes[:1], boxes[1:2])[0, 0] == 0.3
    assert select(boxes[:2], np.array([[0.9], [0.8]]), Selection())[0].tolist() == [0, 1]
    assert select(boxes[[0, 2]], np.array([[0.9], [0.8]]), Selection())[0].tolist() == [0]


def test_a_box_may_show_two_things():
    rows, labels = select(as_boxes([(0, 0, 9, 9)]), np.array([[0.4, 0.0, 0.5]]), Selection())
    assert (rows.tolist(), labels.tolist()) == ([0, 0], [2, 0])


def test_at_most_so_many_of_a_picture():
    boxes = as_boxes([(20 * n, 0, 20 * n + 9, 9) for n in range(150)])
    scores = np.linspace(0.1, 0.9, 150)[:, None]
    assert select(boxes, scores, Selection())[0].tolist() == list(range(149, 49, -1))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"score": -1}, "score -1"), ({"overlap": float("nan")}, "overlap nan"), ({"most": 0}, "most 0")],
)
def test_settings_are_checked(options, complaint):
    with pytest.raises(InputError, match=complaint):
        Selection(**options)
