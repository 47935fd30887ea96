"""Gaussian filters against SciPy's."""

import numpy as np
import pytest
from scipy import ndimage

from googlenet.detection.selective_search.filtering import BITS, filtered, gaussian, gaussian_slope


@pytest.mark.parametrize("sigma", [0.8, 1.0])
def test_weights_sum_to_one_and_are_symmetric(sigma):
    taps, slope = gaussian(sigma), gaussian_slope(sigma)
    assert taps.sum() == 4096
    assert (taps == taps[::-1]).all()
    assert (slope == -slope[::-1]).all()
    assert np.abs(slope).sum() <= 4096  # what the kernel takes


@pytest.mark.parametrize("sigma", [0.8, 1.0])
def test_it_smooths_as_scipy_does(sigma, picture):
    plane = picture(40, 50, 3)[:, :, 0]
    expected = ndimage.gaussian_filter(plane.astype(float), sigma, mode="nearest", radius=4)
    assert np.abs(filtered(plane, gaussian(sigma), gaussian(sigma)) / 2**BITS - expected).max() < 0.2


def test_slopes_are_scipys(picture):
    plane = picture(40, 50, 4)[:, :, 1]
    for axis, taps in ((1, (gaussian_slope(1), gaussian(1))), (0, (gaussian(1), gaussian_slope(1)))):
        order = [int(a == axis) for a in range(2)]
        expected = ndimage.gaussian_filter(plane.astype(float), 1, order=order, mode="nearest", radius=4)
        assert np.abs(filtered(plane, *taps) / 2**BITS - expected).max() < 0.2
