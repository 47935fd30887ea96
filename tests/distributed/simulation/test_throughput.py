"""The pace of many workers: what it follows from, where their time goes, and that it is known soon."""

import time

import pytest
from clusters import cluster

from googlenet.distributed.simulation.cluster import ARMS
from googlenet.distributed.simulation.throughput import throughput


@pytest.mark.parametrize("arm", ["synchronous", "backup", "downpour", "downpour-bounded"])
def test_without_a_link_workers_do_what_they_do_alone(arm):
    found = throughput(cluster(batch_size=32, backups=0.0), arm, 8)
    assert found.images_per_second == pytest.approx(8 * 32, rel=1e-6)
    assert (found.computing, found.waiting, found.failing, found.dropped) == pytest.approx((1, 0, 0, 0), abs=1e-9)


def test_the_slowest_is_waited_for_in_step_alone():
    of = cluster(step_spread=0.2)
    in_step, backup, downpour = (throughput(of, arm, 40) for arm in ("synchronous", "backup", "downpour"))
    assert downpour.images_per_second == pytest.approx(40, rel=0.02)
    assert in_step.images_per_second < 0.75 * 40
    assert in_step.waiting == pytest.approx(1 - in_step.images_per_second / 40, rel=0.05)
    assert backup.images_per_second > 1.05 * in_step.images_per_second  # by default the slowest 5 % are dropped
    assert backup.dropped == pytest.approx(0.05)


def test_staleness_is_m_minus_one_on_average_and_none_in_step():
    of = cluster(10**6, step_spread=0.3, machine_spread=0.1, shards=4, latency=1.0)
    for workers in (2, 10, 50):
        assert throughput(of, "downpour", workers).mean_staleness == pytest.approx(workers - 1, rel=0.02)
    assert throughput(of, "synchronous", 10).mean_staleness == 0
    assert throughput(of, "backup", 10).mean_staleness == 0


@pytest.mark.parametrize("arm", ["downpour", "backup"])
def test_shards_divide_the_load(arm):
    """A push of 40 MB occupies one shard for 40 ms; 5 workers of a second each keep it busy a fifth of the time."""
    loads = {shards: throughput(cluster(10**7, shards=shards), arm, 5).shard_load for shards in (1, 2, 5)}
    assert [len(load) for load in loads.values()] == [1, 2, 5]
    for shards, load in loads.items():
        assert load == pytest.approx((load[0],) * shards, rel=0.02)
        assert load[0] == pytest.approx(0.2 / shards, rel=0.35)
    assert loads[1][0] > loads[2][0] > loads[5][0]


def test_shards_that_are_occupied_are_the_limit():
    """Each of two shards takes 0.2 s for its half of 400 MB: five pushes a second at the most."""
    found = throughput(cluster(10**8, shards=2, batch_size=8), "downpour", 100)
    assert found.images_per_second == pytest.approx(8 * 5, rel=0.01)
    assert found.shard_load == pytest.approx((1, 1), abs=0.01)
    assert found.computing == pytest.approx(0.05, rel=0.05)


def test_failures_stop_all_who_are_in_step_and_one_beside_shards():
    of = cluster(failures=0.05, restart_seconds=60.0, shards=1)
    in_step, downpour = (throughput(of, arm, 200) for arm in ("synchronous", "downpour"))
    assert in_step.failing == pytest.approx(1 - of.productive("in step", 200))
    assert in_step.failing > 0.5
    assert downpour.failing < 0.01
    assert in_step.computing + in_step.waiting + in_step.failing == pytest.approx(1)


@pytest.mark.parametrize("arm", ARMS)
def test_the_same_seed_is_the_same_pace(arm):
    options = {"step_spread": 0.2, "machine_spread": 0.1, "failures": 1.0, "update_seconds": 0.01}
    assert throughput(cluster(10**6, **options), arm, 6) == throughput(cluster(10**6, **options), arm, 6)
    assert throughput(cluster(10**6, **options), arm, 6) != throughput(cluster(10**6, seed=1, **options), arm, 6)


def test_a_thousand_workers_take_seconds():
    of = cluster(13_378_280, step_spread=0.1, shards=4, batch_size=32)
    begun = time.process_time()
    for arm in ("synchronous", "backup", "downpour"):
        assert throughput(of, arm, 1000).images_per_second > 1000
    assert time.process_time() - begun < 20  # also where much else is done; 1 s on its own
