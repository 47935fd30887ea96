"""What real workers train on and how they time what lies between them."""

import numpy as np
import pytest

from googlenet.data.digits import Digits
from googlenet.distributed.simulation import timing
from googlenet.distributed.simulation.timing import Link, images, timed


def test_the_link_of_an_exchange():
    """Two messages of 0.1 ms, and 4 MB that take 4 ms longer."""
    assert Link.of(2e-4, 42e-4, 4e6) == pytest.approx((1e-4, 1e9))
    assert Link.of(2e-4, 1e-4, 4e6).bytes_per_second > 1e12  # shorter than next to nothing: as good as none


def test_a_measurement_has_as_many_images_as_it_needs():
    digits, found = Digits("all"), images(4000)
    assert len(found) == 4000
    assert found.read(1797 + 5) == digits.read(5)
    assert np.array_equal(found.labels[1797:3594], digits.labels)


def test_the_first_rounds_are_not_counted_and_the_median_is(monkeypatch):
    seconds = iter([9.0] * timing.WARM_UP + [1.0] * 11 + [5.0] * 9)
    clock = [0.0]

    def work():
        clock[0] += next(seconds)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    assert timed(work) == 1.0
