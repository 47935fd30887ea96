"""Paired comparison against scipy's own test and a case worked by hand."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from googlenet.evaluation.comparison import compare


def answered(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images two ways answered rightly, by how many there are of each kind."""
    kinds = np.repeat([3, 1, 2, 0], [both, first, second, neither])
    return (kinds & 1) == 1, (kinds & 2) == 2


def test_a_case_by_hand():
    found = compare(*answered(80, 9, 1, 10))
    assert (found.images, found.first_alone, found.second_alone) == (100, 9, 1)
    assert found.difference == pytest.approx(0.08)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)
    low, high = found.interval
    # the images' differences have the variance 0.1 - 0.08^2, their mean a hundredth of it
    assert (low, high) == (
        pytest.approx(0.08 - 1.96 * 0.0306, abs=0.015),
        pytest.approx(0.08 + 1.96 * 0.0306, abs=0.015),
    )


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 3), (4, 3), (25, 40), (900, 820)])
def test_the_probability_is_that_of_the_exact_test(first, second):
    found = compare(*answered(1000, first, second, 50))
    assert found.p == pytest.approx(binomtest(first, first + second).pvalue)


def test_the_other_way_round_it_is_the_same():
    first, second = answered(50, 12, 5, 33)
    one, other = compare(first, second), compare(second, first)
    assert (one.p, one.difference) == (other.p, -other.difference)
    assert one.interval == pytest.approx([-end for end in reversed(other.interval)], abs=0.02)
    order = np.random.default_rng(0).permutation(100)
    assert compare(first[order], second[order]) == one


def test_equal_answers_and_no_images_show_no_difference():
    right = np.array([True, False, True])
    assert (compare(right, right).p, compare(right, right).interval) == (1, (0, 0))
    nothing = compare(right[:0], right[:0])
    assert (nothing.p, nothing.interval, nothing.difference) == (1, None, 0)


def test_it_is_plain_json():
    found = json.loads(json.dumps(compare(*answered(1, 1, 0, 0)).to_json()))
    assert found.keys() == {"images", "first_alone", "second_alone", "interval", "p", "difference"}
