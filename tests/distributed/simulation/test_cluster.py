"""The options of a cluster: what they are refused for, and what follows from them."""

import numpy as np
import pytest
from clusters import cluster

from googlenet.distributed.simulation.cluster import ARMS, Cluster, meeting_of
from googlenet.distributed.simulation.settings import Settings
from googlenet.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "alexnet"}, "network 'alexnet' is not known"),
        ({"bandwidth": 0.0}, "bandwidth 0.0: give at least 1e-06"),
        ({"bandwidth": 1e-320}, "bandwidth 1e-320: give at least 1e-06"),
        ({"latency": -1.0}, "latency -1.0: give at least 0"),
        ({"shards": 0}, "shards 0: give at least 1"),
        ({"backups": 1.0}, "backups 1.0: give a number from 0"),
        ({"step_seconds": float("nan")}, "step_seconds nan: give at least 1e-06"),
        ({"latency": 1e308}, r"latency 1e\+308: give at most 1e\+06"),
        ({"restart_seconds": 1e308}, r"restart_seconds 1e\+308: give at most"),
        ({"checkpoint_minutes": 1e308}, r"checkpoint_minutes 1e\+308: give at most"),
        ({"checkpoint_minutes": 1e-320}, "checkpoint_minutes 1e-320: give at least 0.001"),
        ({"step_spread": 1e9}, r"step_spread 1000000000.0: give at most 5"),
        ({"machine_spread": 1e6}, r"machine_spread 1000000.0: give at most 5"),
        ({"shards": 2000}, "shards 2000: give at most 1,000"),
        ({"push_every": 10**30}, "push_every 10*: give at most 1,000"),
        ({"bound": 10**400}, r"bound 10*[.]{3}: give a number below"),
        ({"failures": 10.0, "checkpoint_minutes": 6000.0}, "failures 10: one machine alone gets nothing done"),
    ],
)
def test_what_makes_no_cluster_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Cluster(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": ()}, "workers: give at least one"),
        ({"workers": (1, 0)}, "workers 0: give numbers from 1"),
        ({"learning_workers": (20_000,)}, "learning_workers 20000: give numbers from 1 to 10,000"),
        ({"rates": (0.1, 0.0)}, "rates 0.0: give numbers above 0"),
        ({"rates": (1e308,)}, r"rates 1e\+308: give numbers above 0, at most 1,000"),
        ({"rates": (10**400,)}, "rates 10*[.]{3}: give numbers above 0"),
        ({"workers": (10**400,)}, "workers 10*[.]{3}: give numbers from 1"),
        ({"target": 1.5}, "target 1.5: give a share"),
        ({"learner": "alexnet"}, "learner 'alexnet' is not known"),
        ({"momentum": 1.0}, "momentum 1.0"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Settings(**options)


def test_the_bytes_of_googlenet():
    """13,378,280 parameters with both heads: the 6,998,552 of Caffe's network, and two heads of 3,189,864."""
    assert Cluster().parameters == 6_998_552 + 2 * 3_189_864
    assert Cluster().wire_bytes == 4 * 13_378_280
    assert Cluster(wire="bfloat16").wire_bytes == 2 * 13_378_280


def test_bytes_and_times_in_their_units():
    assert Cluster(bandwidth=10.0).bytes_per_second == 1.25e9
    assert Cluster(latency=0.1).latency_seconds == pytest.approx(1e-4)


def test_what_was_told_is_not_measured():
    assert Cluster(step_seconds=2.0).measured(5.0, 6.0) == Cluster(step_seconds=2.0, update_seconds=6.0)
    assert Cluster(update_seconds=0.0).measured(5.0, 6.0) == Cluster(step_seconds=5.0, update_seconds=0.0)


def test_all_that_can_be_compared_has_a_way_to_meet():
    assert {meeting_of(arm) for arm in ARMS} == {"in step", "backup", "downpour", "bounded"}


def test_what_failures_cost_is_what_they_cost_on_average():
    """Against 20,000 failures at random moments, each of which undoes what came after the last checkpoint."""
    of_machines = cluster(failures=0.02, restart_seconds=100.0, checkpoint_minutes=10.0)
    working = np.random.default_rng(0).exponential(3600 / (0.02 * 500), 20_000)
    kept = working - working % 600
    assert of_machines.productive("in step", 500) == pytest.approx(kept.sum() / (working + 100).sum(), rel=0.02)
    assert cluster(failures=0.0).productive("in step", 1000) == 1.0
    assert cluster(failures=5.0).productive("in step", 1000) == 0.0
    assert cluster(failures=1e-320).productive("in step", 1000) == 1.0


def test_a_worker_must_have_the_time_to_fetch_and_compute():
    """With 360 failures an hour a machine has ten seconds."""
    often = {"failures": 360.0, "checkpoint_minutes": 0.1, "restart_seconds": 0.0}
    cluster(**often, step_seconds=4.0, push_every=10).expect_exchanges()
    for beyond in ({"push_every": 13}, {"latency": 7000.0, "push_every": 10}, {"parameters": 15 * 10**9}):
        with pytest.raises(InputError, match="--failures 360: a worker hardly ever ends"):
            cluster(**often | {"step_seconds": 4.0} | beyond).expect_exchanges()


def test_nobody_waits_for_a_worker_beside_shards():
    of_machines = cluster(failures=0.02, shards=4)
    assert of_machines.productive("backup", 500) == of_machines.productive("downpour", 2)
    assert of_machines.productive("downpour", 500) == pytest.approx(of_machines.productive("in step", 4))
