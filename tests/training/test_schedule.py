"""Rates: the paper's four per cent, Caffe's own figures, and the ends of the short schedules."""

import pytest

from googlenet.training.recipe import Recipe, complete
from googlenet.training.schedule import rate_at


def recipe(schedule: str, epochs: int, **others: float) -> Recipe:
    return complete(Recipe(schedule=schedule, epochs=epochs, rate=0.01, **others), fresh_classifiers=False)  # type: ignore[arg-type]


def test_the_paper_takes_four_per_cent_every_eight_epochs():
    rates = [rate_at(recipe("paper", 250), epoch) / 0.01 for epoch in (0, 7.99, 8, 16, 40, 249.8)]
    assert rates == pytest.approx([1, 1, 0.96, 0.9216, 0.81537, 0.2821], rel=1e-4)


def test_bvlc_halfway_is_the_figure_of_its_solver():
    assert rate_at(recipe("bvlc", 60), 30) == pytest.approx(0.0070711, abs=1e-7)
    assert rate_at(recipe("bvlc", 60), 60) == 0


def test_cosine_falls_from_the_rate_to_nothing():
    assert [rate_at(recipe("cosine", 10), epoch) for epoch in (0, 5, 10)] == pytest.approx([0.01, 0.005, 0])


def test_one_cycle_rises_for_a_quarter_and_falls_for_the_rest():
    rates = [rate_at(recipe("one-cycle", 8), epoch) for epoch in (0, 1, 2, 5, 8)]
    assert rates == pytest.approx([0.0004, 0.0052, 0.01, 0.005, 0], abs=1e-12)


def test_warm_up_rises_in_a_straight_line():
    rates = [rate_at(recipe("paper", 20, warm_up=2.0), epoch) for epoch in (0, 0.5, 1, 2, 3)]
    assert rates == pytest.approx([0, 0.0025, 0.005, 0.01, 0.01])
