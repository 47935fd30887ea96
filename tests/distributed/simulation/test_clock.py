"""Events come in the order of their times, and those of one moment as they were announced."""

import pytest

from googlenet.distributed.simulation.clock import Clock


def test_the_order_of_events():
    clock = Clock[str]()
    for seconds, event in ((2.0, "c"), (1.0, "a"), (2.0, "d"), (1.0, "b")):
        clock.at(seconds, event)
    assert [(clock.next(), clock.now) for _ in range(2)] == [("a", 1.0), ("b", 1.0)]
    clock.at(1.5, "between")
    assert [(clock.next(), clock.now) for _ in range(3)] == [("between", 1.5), ("c", 2.0), ("d", 2.0)]


def test_nothing_is_announced_for_a_time_that_has_passed():
    clock = Clock[str]()
    clock.at(1.0, "now")
    clock.next()
    with pytest.raises(ValueError, match="already"):
        clock.at(0.5, "before")
    with pytest.raises(IndexError):
        clock.next()
