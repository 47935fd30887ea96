"""Workers at their own pace: staleness, order, what a link allows, and who may go on."""

from itertools import islice

import numpy as np
import pytest
import torch
from clusters import cluster, script

from googlenet.distributed.shard import Push, Rule, Shard
from googlenet.distributed.simulation.downpour import Counting, Downpour


def pushes(of, workers, count, bound=None):
    return list(islice(Downpour(of, workers, Counting(workers, of.shards), bound).pushes(), count))


@pytest.mark.parametrize("workers", [1, 2, 5, 32])
def test_equal_workers_come_m_minus_one_updates_late(workers):
    found = pushes(cluster(1000, shards=3), workers, 10 * workers)[2 * workers :]
    assert {one.staleness for one in found} == {(workers - 1,) * 3}


def test_workers_with_spread_come_so_late_on_average():
    found = pushes(cluster(1000, step_spread=0.5, machine_spread=0.2, shards=2), 20, 4000)[400:]
    late = [staleness for one in found for staleness in one.staleness]
    assert sum(late) / len(late) == pytest.approx(19, rel=0.01)
    assert len(set(late)) > 10


def test_shards_may_be_at_different_versions():
    found = pushes(cluster(10**8, step_spread=0.5, shards=2), 8, 200)
    assert any(one.staleness[0] != one.staleness[1] for one in found)


def test_a_worker_alone_computes_sends_waits_and_fetches():
    """0.4 s for 400 MB each way, a move of 0.3 s, 2 x 50 ms of latency; on two shards the halves overlap."""
    alone = pushes(cluster(10**8, update_seconds=0.3, latency=50.0), 1, 3)
    assert [one.seconds for one in alone] == pytest.approx([2.2, 4.4, 6.6])
    halved = pushes(cluster(10**8, update_seconds=0.3, latency=50.0, shards=2), 1, 1)
    assert halved[0].seconds == pytest.approx(1 + 0.4 + 0.05 + 0.15 + 0.2 + 0.05)


def test_several_steps_are_one_push():
    found = pushes(cluster(push_every=4), 1, 2)
    assert [(one.seconds, one.computing) for one in found] == [(4.0, 4.0), (8.0, 4.0)]


def test_a_shard_takes_one_gradient_at_a_time():
    """Of 0.4 s each: two and a half a second, however many workers send them."""
    found = pushes(cluster(10**8), 50, 1000)
    assert 500 / (found[-1].seconds - found[-501].seconds) == pytest.approx(2.5, rel=1e-3)


def test_the_order_is_that_of_the_speeds(monkeypatch):
    script(monkeypatch, [1.0, 2.5])
    assert [(one.worker, one.seconds) for one in pushes(cluster(), 2, 5)] == [
        *[(0, 1.0), (0, 2.0), (1, 3.0), (0, 3.0), (0, 4.0)],  # the second begins half a step later
    ]


@pytest.mark.parametrize("bound", [0, 1, 3])
def test_nobody_is_further_ahead_than_the_bound(monkeypatch, bound):
    script(monkeypatch, [1.0, 1.0, 10.0])
    done = [0, 0, 0]
    for one in pushes(cluster(), 3, 60, bound):
        done[one.worker] += 1
        assert max(done) - min(done) <= bound + 1
    assert done[2] > 1


def test_a_bound_of_nothing_is_a_step_of_all(monkeypatch):
    script(monkeypatch, [1.0, 2.0, 3.0])
    found = pushes(cluster(), 3, 9, 0)
    assert [sorted(one.worker for one in found[step : step + 3]) for step in (0, 3, 6)] == [[0, 1, 2]] * 3


def test_a_worker_that_is_away_keeps_nobody_waiting():
    """With a bound of 0 everybody waits for the slowest, but not for those who are not there."""
    of = cluster(failures=20.0, restart_seconds=200.0)
    found = pushes(of, 10, 2000, 0)
    assert {one.worker for one in found} == set(range(10))
    assert 2000 / found[-1].seconds > 0.3 * 10
    free = pushes(of, 10, 2000)
    present = 1 / (1 + 20 / 3600 * 200)
    assert 2000 / free[-1].seconds == pytest.approx(10 * present, rel=0.15)


def test_the_same_seed_is_the_same_to_the_last_digit():
    of = cluster(10**7, step_spread=0.3, machine_spread=0.1, failures=5.0, shards=3, update_seconds=0.01)
    assert pushes(of, 7, 500, 2) == pushes(of, 7, 500, 2)
    other = cluster(10**7, step_spread=0.3, machine_spread=0.1, failures=5.0, shards=3, update_seconds=0.01, seed=1)
    assert pushes(of, 7, 50) != pushes(other, 7, 50)


# Stability: the largest rate times curvature of a quadratic with a fixed delay.

DELAYS = (0, 1, 2, 4, 8, 16)
LARGEST = {
    0.0: ("2.00", "1.00", "0.618", "0.347", "0.185", "0.095"),
    0.5: ("3.00", "0.500", "0.281", "0.156", "0.085", "0.045"),
    0.9: ("3.80", "0.100", "0.051", "0.027", "0.014", "0.0075"),
}
"""By momentum and delay, as published."""

CASES = [(momentum, delay, told) for momentum, row in LARGEST.items() for delay, told in zip(DELAYS, row, strict=True)]


def limit(momentum, delay):
    """The largest curvature at which no root of the recurrence's polynomial lies outside of the unit circle.

    w(t+1) - w(t) = momentum (w(t) - w(t-1)) - curvature w(t-delay).
    """
    low, high = 0.0, 5.0
    for _ in range(40):
        curvature = (low + high) / 2
        polynomial = np.zeros(max(delay, 1) + 2)
        polynomial[:3] = 1, -1 - momentum, momentum
        polynomial[1 if delay == 0 else -1] += curvature
        low, high = (curvature, high) if abs(np.roots(polynomial)).max() <= 1 + 1e-9 else (low, curvature)
    return low


class Quadratics:
    """Workers of one shard that holds a weight for each curvature: its gradient is curvature times weight."""

    def __init__(self, curvatures, momentum, workers):
        self.shard = Shard(torch.ones(len(curvatures)), Rule(momentum=momentum))
        self._curvatures = curvatures
        self._fetched = [self.shard.fetch()] * workers
        self._gradients = [torch.empty(0)] * workers

    def fetch(self, worker, shard):
        self._fetched[worker] = self.shard.fetch(worker)

    def compute(self, worker):
        self._gradients[worker] = self._curvatures * self._fetched[worker].weights

    def push(self, worker, shard):
        push = Push(self._gradients[worker], 1.0, self._fetched[worker].version)
        return self.shard.push(push).staleness


def stable_up_to(momentum, delay, near):
    """The largest of many curvatures around `near` at which the weight does not grow, with M = delay + 1 workers."""
    curvatures = near * torch.linspace(0.9, 1.1, 81)  # steps of 0.25 %
    replicas = Quadratics(curvatures, momentum, delay + 1)
    updates = Downpour(cluster(), delay + 1, replicas).pushes()
    earlier, later = torch.zeros_like(curvatures), torch.zeros_like(curvatures)
    for largest in (earlier, later):
        for _ in range(20 * (delay + 2)):
            staleness = next(updates).staleness
            torch.maximum(largest, replicas.shard.weights.abs(), out=largest)
        assert staleness == (delay,)
    grows = later > earlier
    return float(curvatures[int(grows.int().argmax()) - 1]) if grows.any() else float("inf")


@pytest.mark.parametrize(("momentum", "delay", "told"), CASES)
def test_the_stable_rate_with_a_delay_is_that_of_theory(momentum, delay, told):
    theory = limit(momentum, delay)
    assert theory == pytest.approx(float(told), abs=0.6 * 10.0 ** -len(told.partition(".")[2]))  # its rounding
    assert stable_up_to(momentum, delay, theory) == pytest.approx(theory, rel=0.02)
