"""Contextual rescoring: a world where only the picture tells, what never changes, and the regression itself."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions_world import examples
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from googlenet.detection.regions.refinement.context import Context, fit_context
from googlenet.detection.regions.refinement.logistic import fit_logistic, log_odds

OBJECT, NEAR, FAR = (0, 0, 10, 10), [(0, 0, 10, 9), (0, 1, 10, 10)], [(50, 50, 60, 60), (70, 70, 80, 80)]


def read_scores(values: np.ndarray, scale: float) -> np.ndarray:
    """Features are what the classifier says."""
    return values.astype(np.float64) / scale


def test_the_picture_tells_where_the_region_cannot(tmp_path: Path):
    """Every region with an object has 0.4 for each of two classes; the whole picture says which of them it is."""

    def feature(picture: int, box: np.ndarray | None) -> tuple[float, float, float]:
        if box is None:
            return (0.3, 0.1, 0.2) if picture % 2 else (0.1, 0.3, 0.2)
        return (0.4, 0.4, 0.1) if box[0] == 0 else (0.01, 0.01, 0.01)

    pictures = [([OBJECT], [1 - picture % 2], [*NEAR, *FAR]) for picture in range(60)]
    found = examples(tmp_path, 3, pictures, feature)
    context = fit_context(found, lambda values: read_scores(values, found.scale))
    regions = np.array([[0.4, 0.4, 0.1], [0.01, 0.01, 0.01]])
    for picture in (0, 1):
        right, wrong = 1 - picture, picture
        rescored = context.rescored(regions, np.array(feature(picture, None)))
        assert rescored[0, right] > 0.8
        assert rescored[0, wrong] < 0.2
        assert rescored[1].max() < 0.1
        np.testing.assert_allclose(rescored[:, 2], regions[:, 2], atol=1e-6)  # nothing shows the third: it stays


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_within_a_picture_the_order_stays(seed: int):
    random = np.random.default_rng(seed)
    context = Context(random.uniform(0.05, 3, 2), random.normal(0, 3, (2, 2)), random.normal(0, 3, 2))
    scores = random.uniform(0, 1, (20, 2)).round(1)
    found = context.rescored(scores, random.uniform(0, 1, 2).round(1))
    assert ((found >= 0) & (found <= 1)).all()
    for before, after in zip(scores.T, found.T, strict=True):
        assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_a_picture_that_always_says_the_same_changes_nothing(tmp_path: Path):
    pictures = [([OBJECT], [0], [*NEAR, *FAR])] * 10

    def feature(_: int, box: np.ndarray | None) -> tuple[float, float]:
        return (0.5, 0.2) if box is None else (0.9, 0.1) if box[0] == 0 else (0.1, 0.1)

    found = examples(tmp_path, 2, pictures, feature)
    context = fit_context(found, lambda values: read_scores(values, found.scale))
    np.testing.assert_allclose(context.weights, 0, atol=1e-6)


def test_the_regression_is_that_of_scikit_learn_where_the_slope_has_to_be_one():
    """Penalised about a slope of 1: with scores shifted into an offset it is the usual one."""
    random = np.random.default_rng(0)
    evidence, pictures = random.normal(0, 1, (50, 2)), np.repeat(np.arange(50), 8)
    scores = random.normal(0, 1e-3, 400)
    shows = random.random(400) < expit(evidence @ [1.5, -0.5] - 0.3)[pictures]
    found = fit_logistic(scores, shows, np.ones(400), evidence, pictures)
    usual = LogisticRegression(C=1.0, tol=1e-8).fit(evidence[pictures], shows)
    np.testing.assert_allclose(found.weights, usual.coef_[0], atol=2e-3)
    assert found.bias == pytest.approx(usual.intercept_[0], abs=2e-3)
    assert found.slope == pytest.approx(1, abs=1e-2)


def test_scores_that_are_right_stay():
    random = np.random.default_rng(1)
    scores = random.normal(0, 2, 4000)
    found = fit_logistic(scores, random.random(4000) < expit(scores), np.ones(4000))
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.bias == pytest.approx(0, abs=0.1)


def test_weights_stand_for_repetitions():
    random = np.random.default_rng(2)
    scores, shows = random.normal(0, 1, 30), random.random(30) < 0.5
    weights = random.integers(1, 4, 30)
    one = fit_logistic(scores, shows, weights.astype(float))
    other = fit_logistic(np.repeat(scores, weights), np.repeat(shows, weights), np.ones(weights.sum()))
    assert one.slope == pytest.approx(other.slope, abs=1e-4)
    assert one.bias == pytest.approx(other.bias, abs=1e-4)


def test_log_odds_are_finite_and_the_inverse():
    probabilities = np.array([0, 0.25, 0.5, 1])
    found = log_odds(probabilities)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(expit(found), probabilities, atol=1e-6)
