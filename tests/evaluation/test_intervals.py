"""Wilson's interval against the published example, and where shares end."""

import pytest

from googlenet.evaluation.intervals import share_interval


def test_the_published_example():
    # Newcombe 1998, Statistics in Medicine 17:857, method 3: 81 of 263, and none of 20
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_nothing_is_known_from_no_image():
    assert share_interval(0, 0) is None
