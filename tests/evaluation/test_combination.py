"""Hand-worked views and models."""

from math import sqrt

import numpy as np
import pytest

from googlenet.errors import InputError
from googlenet.evaluation.combination import across_models, across_views, find_combination

VIEWS = np.log([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])


def test_mean_of_probabilities():
    assert across_views(VIEWS, np.array([1, 1, 0]), "mean") == pytest.approx([0.5, 0.5])
    assert across_views(VIEWS, np.array([3, 1, 0]), "mean") == pytest.approx([0.65, 0.35])


def test_maximum_is_brought_to_a_sum_of_one():
    assert across_views(VIEWS[:1], np.array([1]), "max") == pytest.approx([0.8, 0.2])
    assert across_views(VIEWS, np.array([1, 1, 1]), "max") == pytest.approx([0.5, 0.5])
    assert across_views(VIEWS, np.array([1, 0, 1]), "max") == pytest.approx([0.8 / 1.3, 0.5 / 1.3])


def test_mean_of_logits_is_the_geometric_mean():
    found = across_models([across_views(VIEWS, np.array([1, 0, 1]), "logits")], "logits")
    weights = np.array([sqrt(0.8 * 0.5), sqrt(0.2 * 0.5)])
    assert found == pytest.approx(weights / weights.sum())
    # a constant that a model adds to all its logits says nothing
    assert across_models([across_views(VIEWS + 7, np.array([1, 0, 1]), "logits")], "logits") == pytest.approx(found)


def test_models_weigh_the_same_however_many_views_they_had():
    one = across_views(VIEWS[:1], np.array([1]), "mean")
    many = across_views(VIEWS, np.array([0, 5, 0]), "mean")
    assert across_models([one, many], "mean") == pytest.approx([0.5, 0.5])


def test_probabilities_and_logits_can_disagree():
    """One view that is very sure outweighs two others in the geometric mean alone: 0.04 against 0.000064."""
    views, weights = np.log([[0.9999, 0.0001], [0.2, 0.8], [0.2, 0.8]]), np.ones(3)
    assert across_models([across_views(views, weights, "mean")], "mean") == pytest.approx([1.3999 / 3, 1.6001 / 3])
    assert np.argmax(across_models([across_views(views, weights, "logits")], "logits")) == 0


def test_an_unknown_combination():
    with pytest.raises(InputError, match="combination 'median' is not known; there are mean, max, logits"):
        find_combination("median")
