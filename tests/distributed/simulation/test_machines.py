"""What is random about machines: the same for a seed, and as spread as was asked for."""

import numpy as np
import pytest
from clusters import cluster

from googlenet.distributed.simulation.machines import Machines


def test_a_machine_takes_the_same_times_among_few_and_many_whoever_asks_first():
    of = cluster(step_spread=0.2, seed=3)
    few, many = Machines(of, 2), Machines(of, 50)
    many.step(7)
    first = [few.step(1) for _ in range(100)]
    assert first == [many.step(1) for _ in range(100)]
    assert Machines(cluster(step_spread=0.2, seed=4), 2).step(1) not in first


def test_the_spreads_leave_the_mean():
    machines = Machines(cluster(step_spread=0.3), 200)
    steps = np.concatenate([machines.steps() for _ in range(50)])
    assert steps.mean() == pytest.approx(1.0, abs=0.01)
    assert np.log(steps).std() == pytest.approx(0.3, abs=0.01)
    unequal = Machines(cluster(machine_spread=0.2), 2000).steps()
    assert (1 / unequal).mean() == pytest.approx(1.0)
    assert np.log(unequal).std() == pytest.approx(0.2, abs=0.01)


def test_equal_machines_are_equal():
    assert Machines(cluster(step_seconds=0.5, machine_spread=0.3), 1).steps().tolist() == [0.5]
    assert Machines(cluster(step_seconds=0.5), 3).steps().tolist() == [0.5] * 3


def test_failures_are_as_many_as_was_asked_for():
    machines = Machines(cluster(failures=2.0), 1)
    since = [machines.failure(0, 100.0) for _ in range(3000)]
    assert min(since) >= 100.0
    assert np.mean(since) - 100 == pytest.approx(1800, rel=0.05)
    assert Machines(cluster(), 1).failure(0, 5.0) == float("inf")


def test_some_are_away_in_the_beginning():
    """A machine that fails once an hour and is away for half an hour is away a third of the time."""
    machines = Machines(cluster(failures=1.0, restart_seconds=1800.0), 2000)
    away = np.array([machines.away(machine) for machine in range(2000)])
    assert (away > 0).mean() == pytest.approx(1 / 3, abs=0.03)
    assert away[away > 0].mean() == pytest.approx(900, rel=0.1)
    assert Machines(cluster(), 1).away(0) == 0.0
