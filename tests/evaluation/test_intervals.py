"""Wilson's interval against the published example, the bootstrap against the normal one, and where both end."""

import numpy as np
import pytest
from scipy.stats import binomtest

from googlenet.evaluation.intervals import bootstrap_interval, share_interval


def test_the_published_example():
    # Newcombe 1998, Statistics in Medicine 17:857, method 3: 81 of 263, and none of 20
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_every_share_of_a_few_images_as_scipy_has_it():
    for images in (1, 2, 7, 100, 50_000):
        for right in {0, 1, images // 3, images - 1, images}:
            interval = binomtest(right, images).proportion_ci(0.95, "wilson")
            assert share_interval(right, images) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_nothing_is_known_from_no_image():
    assert share_interval(0, 0) is None
    assert bootstrap_interval(np.zeros(0)) is None


@pytest.mark.parametrize("values", [np.random.default_rng(0).normal(5, 2, 2500), np.arange(4000) % 10 == 0])
def test_the_bootstrap_of_many_images_is_near_the_normal_interval(values):
    low, high = bootstrap_interval(values, resamples=4000)
    reach = 1.96 * values.std() / len(values) ** 0.5
    assert (low, high) == (
        pytest.approx(values.mean() - reach, abs=reach / 12),
        pytest.approx(values.mean() + reach, abs=reach / 12),
    )


def test_the_bootstrap_depends_on_the_seed_and_not_on_the_order():
    values = np.random.default_rng(1).normal(size=200).astype(np.float32)
    found = bootstrap_interval(values, resamples=500)
    assert found == bootstrap_interval(values[::-1], resamples=500)
    assert found != bootstrap_interval(values, resamples=500, seed=1)
    assert bootstrap_interval(np.full(30, 0.25)) == (0.25, 0.25)
