"""The assignment is the cheapest there is: against all of them, for few boxes."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.multibox.matching import match


def cost(offsets, truths, logits, weight, boxes, objects) -> float:  # type: ignore[no-untyped-def]
    """What a matching adds to the loss of no matching: -log c in place of -log(1 - c), and the distances."""
    c = 1 / (1 + np.exp(-logits[boxes]))
    distances = 0.5 * weight * np.square(offsets[boxes] - truths[objects]).sum(1)
    return float((distances - np.log(c) + np.log(1 - c)).sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_no_other_assignment_is_cheaper(k: int, m: int, seed: int):
    random = np.random.default_rng(seed)
    offsets, truths, logits = random.normal(size=(k, 4)), random.normal(size=(m, 4)), random.normal(size=k)
    boxes, objects = match(offsets, truths, logits, 0.3)
    few = min(k, m)
    assert len(boxes) == len(objects) == len(set(boxes.tolist())) == len(set(objects.tolist())) == few
    if m <= k:
        others = [(np.array(chosen, int), np.arange(m)) for chosen in permutations(range(k), m)]
    else:
        others = [(np.arange(k), np.array(chosen)) for chosen in permutations(range(m), k)]
    least = min(cost(offsets, truths, logits, 0.3, *one) for one in others)
    assert cost(offsets, truths, logits, 0.3, boxes, objects) == pytest.approx(least)


def test_a_sure_box_takes_the_object_from_a_nearer_one_and_by_priors_it_does_not():
    offsets, truths = np.array([[0, 0, 1, 1], [0, 0, 2, 2]], float), np.array([[0, 0, 1, 1]], float)
    logits = np.array([-4.0, 4.0])
    assert match(offsets, truths, logits, 0.3)[0].tolist() == [1]
    assert match(offsets, truths, None, 0.3)[0].tolist() == [0]


def test_the_weight_of_places_is_also_that_of_the_choice():
    offsets, truths = np.array([[0, 0, 1, 1], [0, 0, 2, 2]], float), np.array([[0, 0, 1, 1]], float)
    assert match(offsets, truths, np.array([-4.0, 4.0]), 100.0)[0].tolist() == [0]


def test_of_more_objects_than_boxes_those_that_fit_worst_are_left_over():
    truths = np.array([[9, 9, 9, 9], [0, 0, 1, 1], [5, 5, 5, 5]], float)
    boxes, objects = match(np.array([[0, 0, 1, 1.5]]), truths, np.array([0.0]), 0.3)
    assert (boxes.tolist(), objects.tolist()) == ([0], [1])


def test_each_object_is_matched_once_however_alike_they_are():
    truths = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], float)
    boxes, objects = match(np.array([[0, 0, 1, 1], [0, 0, 1, 1.1], [3, 3, 4, 4]], float), truths, np.zeros(3), 0.3)
    assert set(boxes.tolist()) == {0, 1}
    assert set(objects.tolist()) == {0, 1}
