"""One image's score, worked by hand."""

from math import log

import numpy as np
import pytest

from googlenet.evaluation.scoring import score

PLACES = np.array([0, 2, 3, 7, 8, 9])


def test_by_hand():
    found = score(np.array([0.1, 0.4, 0.05, 0.3, 0.15, 0.0]), PLACES, [7])
    assert found["first"].tolist() == [2, 7, 8, 0, 3]
    assert found["probabilities"] == pytest.approx([0.4, 0.3, 0.15, 0.1, 0.05])
    assert found["rank"] == 1
    assert found["loss"] == pytest.approx(-log(0.3))
    assert found["brier"] == pytest.approx(0.1**2 + 0.4**2 + 0.05**2 + 0.7**2 + 0.15**2)


def test_ties_go_to_the_lowest_index():
    even = np.full(6, 1 / 6)
    assert score(even, PLACES, [0])["rank"] == 0
    assert score(even, PLACES, [9])["rank"] == 5
    assert score(even, PLACES, [9])["first"].tolist() == [0, 2, 3, 7, 8]


def test_several_right_answers():
    probabilities = np.array([0.1, 0.4, 0.05, 0.3, 0.15, 0.0])
    found = score(probabilities, PLACES, [0, 7])
    assert found["rank"] == 1
    assert found["loss"] == pytest.approx(-log(0.4))
    assert found["brier"] == pytest.approx(0.6**2 + 0.4**2 + 0.05**2 + 0.15**2)


def test_a_right_answer_that_has_no_probability():
    assert score(np.array([1.0, 0.0]), np.array([0, 1]), [1])["loss"] == pytest.approx(-log(np.finfo(np.float32).tiny))
    assert score(np.array([1.0, 0.0]), np.array([0, 1]), [1])["first"].tolist() == [0, 1, -1, -1, -1]
