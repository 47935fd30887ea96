"""Resampled images: each copy stands for itself, and what is certain has no width."""

import numpy as np
import pytest
from in_memory import Pictures, predicted, random_set

from googlenet.detection.average_precision import evaluate, intervals
from googlenet.detection.average_precision.curves import Weighted, average_precision, curve_of

SQUARE = (0, 0, 100, 100)


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010", "coco"])
def test_an_image_that_weighs_three_is_three_images(protocol):
    for seed in range(10):
        data, rows = random_set(seed)
        data.crowd = data.areas = None
        rows = [(*row[:2], row[2] + place / 1000, row[3]) for place, row in enumerate(rows)]  # no ties
        if not any(label == 0 for one in data.objects_of for label, _ in one):
            continue
        found = evaluate(predicted(rows, data), data, protocol)
        weights = np.random.default_rng(seed).integers(0, 4, len(data))
        source = np.repeat(np.arange(len(data)), weights)
        copies = Pictures([data.objects_of[old] for old in source], data.classes)
        copied = [(new, *row[1:]) for row in rows for new in np.flatnonzero(source == row[0]).tolist()]
        if not any(label == 0 for one in copies.objects_of for label, _ in one):
            continue
        ranked = found.rows[0]
        positives = weights[found.truths.images[found.truths.labels == 0]].sum()
        curve = curve_of(
            found.matches.right[0, 0, ranked],
            found.matches.counted[0, 0, ranked],
            Weighted.of(weights[found.detected.images[ranked]][None]),
            np.array([positives]),
        )
        recalls = None if found.protocol.recalls is None else np.array(found.protocol.recalls)
        expected = evaluate(predicted(copied, copies), copies, protocol).precisions[0, 0, 0]
        assert average_precision(curve, recalls)[0] == pytest.approx(expected, abs=1e-12)


def test_what_is_always_right_has_no_width():
    data = Pictures([[(0, SQUARE)]] * 5)
    found = evaluate(predicted([(place, 0, 0.9, SQUARE) for place in range(5)], data), data, "coco").intervals
    assert found.mean == pytest.approx((1, 1))
    assert found.classes[0] == pytest.approx((1, 1))
    assert found.classes[1] is None


def test_it_is_as_wide_as_the_share_of_pictures_with_a_found_object():
    """The area of a class whose detections are all right is the share of objects found: of 100 pictures, 60."""
    data = Pictures([[(0, SQUARE)]] * 100)
    found = evaluate(predicted([(place, 0, 0.9, SQUARE) for place in range(60)], data), data, "voc2010")
    assert found.mean == pytest.approx(0.6)
    assert found.intervals.mean == pytest.approx((0.505, 0.695), abs=0.015)  # 0.6 -+ 1.96 sqrt(0.24 / 100)
    again = evaluate(predicted([(place, 0, 0.9, SQUARE) for place in range(60)], data), data, "voc2010")
    assert again.intervals == found.intervals


def test_images_are_drawn_alike_however_many_at_once():
    drawn = [np.concatenate(list(intervals._weights(9, 50, at_once, 0))) for at_once in (1, 7, 50)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()
