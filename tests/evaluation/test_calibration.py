"""Calibration against torchmetrics' formula, bins and temperatures by hand, and what tempering must not change."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from googlenet.data.truths import Truths
from googlenet.errors import InputError
from googlenet.evaluation.calibration import Bin, calibration, fit_temperature, tempered
from googlenet.evaluation.metrics import first_answers

ZEROS = np.zeros(0, np.float32)


def judged(confidence: list[float], right: list[int], bins: int = 4):
    ones = np.ones(len(right), np.float32)
    return calibration(np.array(confidence, np.float32), np.array(right, bool), ones, 2 * ones, bins)


def torchmetrics_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """Its `_ce_compute` with norm l1, in numpy: bins by `bucketize(right=True) - 1` over `linspace(0, 1, bins + 1)`."""
    bin_of = np.digitize(confidence, np.linspace(0, 1, bins + 1)) - 1
    images, hits, sums = (np.bincount(bin_of, weights, bins) for weights in (np.ones(len(right)), right, confidence))
    with np.errstate(invalid="ignore"):
        accuracy, mean = np.nan_to_num(hits / images), np.nan_to_num(sums / images)
    return (np.abs(accuracy - mean) * images / images.sum()).sum()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.integers(1, 20), st.integers(0, 1000))
def test_the_error_is_that_of_torchmetrics_between_the_edges(images, bins, seed):
    random = np.random.default_rng(seed)
    confidence, right = random.uniform(0.001, 0.999, images), random.uniform(size=images) < 0.7
    found = calibration(confidence, right, ZEROS, ZEROS, bins)
    assert found.ece == pytest.approx(torchmetrics_error(confidence, right, bins))
    assert sum(one.images for one in found.bins) == images


def test_a_case_by_hand():
    found = judged([0.1, 0.6, 0.7, 0.9, 0.9], [0, 1, 0, 1, 1])
    assert [one.images for one in found.bins] == [1, 0, 2, 2]
    assert found.bins[1] == Bin(0.25, 0.5, 0, None, None)
    assert found.bins[2] == Bin(0.5, 0.75, 2, 0.5, pytest.approx(0.65))
    assert found.ece == pytest.approx((1 * 0.1 + 2 * 0.15 + 2 * 0.1) / 5)
    assert (found.nll, found.brier) == (1, 2)


def test_an_edge_belongs_to_the_bin_below_and_0_to_the_first():
    assert [one.images for one in judged([0, 0.25, 0.5, 0.75, 1], [1] * 5).bins] == [2, 1, 1, 1]


def test_bins_of_equal_mass_by_hand():
    # halves {0.5, 0.6} and {0.8, 0.9}, whatever their order
    assert judged([0.9, 0.5, 0.8, 0.6], [1, 0, 0, 1], bins=2).equal_mass_ece == pytest.approx((0.05 + 0.35) / 2)
    # equal probabilities are never parted, which would make their order count
    for right in ([1, 0, 1, 0], [0, 1, 0, 1]):
        assert judged([0.7] * 4, right, bins=2).equal_mass_ece == pytest.approx(0.2)


def test_without_images_there_is_nothing_to_say():
    found = judged([], [])
    assert (found.ece, found.equal_mass_ece, found.nll, found.brier) == (0, 0, 0, 0)
    assert found.to_json()["bins"][0] == {"low": 0, "high": 0.25, "images": 0, "accuracy": None, "confidence": None}


def test_the_temperature_by_hand():
    # of two classes, the first has logit s in all images and is right in 3/4 of them: sigmoid(s / T) = 3/4
    logits = np.tile(np.array([3.0, 0.0], np.float32), (100, 1))
    truths = Truths.single(np.arange(100) % 4 == 3)
    assert fit_temperature(logits, truths) == pytest.approx(3 / log(3), rel=1e-3)
    assert fit_temperature(log_softmax(logits, axis=1), truths) == pytest.approx(3 / log(3), rel=1e-3)


def test_the_temperature_that_made_the_truths_is_found_again():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 5)).astype(np.float32)
    truths = Truths.single(
        (softmax(logits / 1.7, axis=1).cumsum(axis=1) < random.uniform(size=(20_000, 1))).sum(axis=1)
    )
    found = fit_temperature(logits, truths)
    assert found == pytest.approx(1.7, rel=0.03)
    right = np.arange(len(truths)), truths.first
    losses = [-np.log(tempered(softmax(logits, axis=1), t)[right]).mean() for t in (found / 1.1, found, found * 1.1)]
    assert losses[1] == min(losses)


def test_several_right_answers_count_together():
    logits = np.tile(np.array([3.0, 0.0, -np.inf], np.float32), (100, 1))
    truths = Truths.of([(2, 0)] * 75 + [(1, 2)] * 25)
    assert fit_temperature(logits, truths) == pytest.approx(3 / log(3), rel=1e-2)


def test_no_temperature_is_made_up():
    logits = np.tile(np.array([3.0, 0.0], np.float32), (100, 1))
    with pytest.raises(InputError, match="temperature: 49 images are too few to fit it; give at least 50"):
        fit_temperature(logits[:49], Truths.single(np.zeros(49, int)))
    for right in (0, 1):
        with pytest.raises(InputError, match="temperature: the 100 images give no finite one"):
            fit_temperature(logits, Truths.single(np.full(100, right)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 20))
def test_tempering_keeps_the_answers_and_their_order(seed, temperature):
    random = np.random.default_rng(seed)
    found = softmax(random.normal(0, 3, (20, 9)), axis=1).astype(np.float32)
    found[:, 4] = np.nextafter(found[:, 2], 2, dtype=np.float32)  # as near as float32 allows
    found[:, 7] = found[:, 1]
    assert first_answers(tempered(found, temperature)).tolist() == first_answers(found).tolist()
    assert tempered(found, temperature).sum(axis=1) == pytest.approx(1)
