"""Boxes against counted pixels, suppression against its definition, and every convention there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection import boxes as b

WHOLE = st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 7)] * 2), max_size=8)
"""x, y, width, height"""


def raster(boxes):
    """[N, 16 x 16] pixels, each in a box or not."""
    pixels = np.zeros((len(boxes), 16, 16), bool)
    for plane, (x0, y0, x1, y1) in zip(pixels, boxes.astype(int), strict=True):
        plane[y0:y1, x0:x1] = True
    return pixels.reshape(len(boxes), 256)


@settings(max_examples=100, deadline=None)
@given(WHOLE, WHOLE)
def test_iou_counts_pixels(ones, others):
    ones, others = b.from_xywh(ones), b.from_xywh(others)
    one, other = raster(ones), raster(others)
    shared = (one[:, None] & other[None]).sum(2)
    union = (one[:, None] | other[None]).sum(2)
    np.testing.assert_allclose(b.iou(ones, others), shared / np.maximum(union, 1), atol=1e-15)
    np.testing.assert_array_equal(b.areas(ones), one.sum(1))


def test_iou_by_hand():
    ones = b.as_boxes([[0, 0, 10, 10]])
    others = [[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [9, 9, 3, 3], [5, 5, 5, 5]]
    np.testing.assert_allclose(b.iou(ones, b.as_boxes(others))[0], [1, 1 / 3, 0, 0.04, 0, 0])
    assert b.iou(b.as_boxes([[1, 1, 1, 1]]), b.as_boxes([[1, 1, 1, 1]])).tolist() == [[0]]
    assert b.iou(ones, b.as_boxes([])).shape == (1, 0)


def suppressed_by_definition(boxes, scores, threshold):
    order = sorted(range(len(boxes)), key=lambda place: (-scores[place], place))
    kept = []
    for place in order:
        if all(b.iou(boxes[[place]], boxes[[better]])[0, 0] <= threshold for better in kept):
            kept.append(place)
    return kept


@settings(max_examples=150, deadline=None)
@given(WHOLE, st.data(), st.sampled_from([0.0, 0.3, 1 / 3, 0.5, 1.0]))
def test_suppression_is_its_definition(given_boxes, data, threshold):
    boxes = b.from_xywh(given_boxes)
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(boxes), max_size=len(boxes))), float)
    kept = suppressed_by_definition(boxes, scores, threshold)
    assert b.suppress(boxes, scores, threshold).tolist() == kept
    assert b.suppress(boxes, scores, threshold, 2).tolist() == kept[:2]


def test_suppression_of_many_boxes_is_its_definition():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 400, (120, 2))
    boxes = np.concatenate([corners, corners + random.uniform(1, 200, (120, 2))], 1)
    scores = random.random(120)
    for threshold in (0.0, 0.3, 0.7):
        assert b.suppress(boxes, scores, threshold).tolist() == suppressed_by_definition(boxes, scores, threshold)


def test_all_classes_at_once_are_each_class_by_itself():
    random = np.random.default_rng(1)
    corners = random.uniform(0, 300, (300, 2))  # more than are compared at once
    boxes = np.concatenate([corners, corners + random.uniform(0, 200, (300, 2))], 1)
    scores = random.integers(0, 50, (300, 3)) / 7
    for threshold in (0.0, 0.3, 1.0):
        found = b.suppress_classes(boxes, scores, threshold)
        for kept, column in zip(found, scores.T, strict=True):
            assert kept.tolist() == b.suppress(boxes, column, threshold).tolist()
    assert [len(kept) for kept in b.suppress_classes(b.as_boxes([]), np.empty((0, 2)), 0.5)] == [0, 0]


def test_a_box_exactly_at_the_threshold_stays_and_ties_keep_their_order():
    boxes = b.as_boxes([[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 10]])  # IoU 1/3 and 1
    assert b.suppress(boxes, np.array([1.0, 1.0, 1.0]), 1 / 3).tolist() == [0, 1]
    assert b.suppress(boxes, np.array([1.0, 1.0, 1.0]), np.nextafter(1 / 3, 0)).tolist() == [0]
    assert b.suppress(boxes, np.array([1.0, 1.0, 2.0]), 0.9).tolist() == [2, 1]
    assert b.suppress(b.as_boxes([]), np.array([]), 0.5).tolist() == []


FLOATS = st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 4), max_size=6)


@settings(max_examples=60, deadline=None)
@given(FLOATS, st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([0, 1]))
def test_every_convention_leads_back(boxes, width, height, first):
    boxes = b.as_boxes(boxes)
    np.testing.assert_allclose(b.from_xywh(b.to_xywh(boxes)), boxes, atol=1e-9)
    np.testing.assert_allclose(b.from_inclusive(b.to_inclusive(boxes, first), first), boxes, atol=1e-9)
    np.testing.assert_allclose(b.from_shares(b.to_shares(boxes, width, height), width, height), boxes, atol=1e-7)


def test_conventions_by_hand():
    whole = [[0, 0, 500, 375]]
    assert b.from_inclusive([[1, 1, 500, 375]], 1).tolist() == whole  # VOC
    assert b.from_inclusive([[0, 0, 499, 374]], 0).tolist() == whole
    assert b.from_xywh([[0, 0, 500, 375]]).tolist() == whole
    assert b.from_shares([[0.5, 0.5, 1, 1]], 500, 375).tolist() == whole
    assert b.to_shares([[100, 0, 300, 375]], 500, 375).tolist() == [[0.4, 0.5, 0.4, 1]]


def test_clip():
    boxes = b.as_boxes([[-5, 2, 700, 300], [600, 10, 700, 20]])
    assert b.clip(boxes, 500, 200).tolist() == [[0, 2, 500, 200], [500, 10, 500, 20]]
    assert b.areas(b.clip(boxes, 500, 200)).tolist() == [500 * 198, 0]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4))])
def test_no_boxes(empty):
    assert b.as_boxes(empty).shape == b.from_xywh(empty).shape == b.to_shares(empty, 3, 4).shape == (0, 4)


def test_a_slip_is_not_beyond_a_picture():
    """Of 100 x 50 pixels: 3 more are a slip of the width, 2 of the height."""
    boxes = b.as_boxes(
        [[0, 0, 100, 50], [-3, -2, 103, 52], [-4, 0, 9, 9], [0, -3, 9, 9], [0, 0, 104, 9], [0, 0, 9, 53]]
    )
    assert b.reach_beyond(boxes, 100, 50).tolist() == [False, False, True, True, True, True]
    assert b.reach_beyond(b.as_boxes([]), 100, 50).tolist() == []
