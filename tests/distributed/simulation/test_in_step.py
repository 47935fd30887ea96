"""Steps of all: the slowest decides, unless it is a backup."""

from itertools import islice

import pytest
from clusters import cluster, script

from googlenet.distributed.simulation.in_step import with_all, with_backups


def test_a_step_takes_the_slowest_worker_and_the_exchange(monkeypatch):
    script(monkeypatch, [1.0, 2.0, 4.0], [3.0, 1.0, 1.0])
    first, second = islice(with_all(cluster(10**6), 3), 2)
    exchange = 2 * 2 * (4e6 / 3 / 1e9)
    assert first.seconds == pytest.approx(4.0 + exchange)
    assert second.seconds == pytest.approx(first.seconds + 3.0 + exchange)
    assert first.counted == second.counted == (0, 1, 2)
    assert (first.computing, second.computing) == (7.0, 5.0)


def test_the_slowest_is_dropped_and_comes_back_when_it_is_done(monkeypatch):
    script(monkeypatch, [1.0, 2.0, 5.0], [1.0, 1.0, 9.0], [1.0, 1.0, 9.0], [5.0, 1.0, 0.5])
    updates = list(islice(with_backups(cluster(backups=1 / 3), 3), 4))
    assert [update.seconds for update in updates] == [2.0, 3.0, 4.0, 5.5]
    assert [update.counted for update in updates] == [(0, 1), (0, 1), (0, 1), (1, 2)]  # it begins again after 5 s
    assert [update.computing for update in updates] == [8.0, 2.0, 2.0, 6.5]


def test_without_backups_all_are_waited_for(monkeypatch):
    script(monkeypatch, [1.0, 2.0, 5.0])
    updates = list(islice(with_backups(cluster(backups=0.0), 3), 2))
    assert [update.seconds for update in updates] == [5.0, 10.0]
    assert updates[1].counted == (0, 1, 2)


def test_a_worker_that_fails_is_missed_only_if_it_is_needed():
    """A failure about every 100 s, after each of which a worker is away for 50."""
    options = {"failures": 36.0, "restart_seconds": 50.0}
    needed = list(islice(with_backups(cluster(backups=0.0, **options), 10), 300))
    spare = list(islice(with_backups(cluster(backups=0.8, **options), 10), 300))
    assert spare[-1].seconds == pytest.approx(300.0, abs=5.0)
    assert needed[-1].seconds > 1000.0
    assert all(len(set(update.counted)) == 2 for update in spare)
