"""Real workers beside simulated ones: what is fed, and what is foretold."""

import sys

import pytest
from clusters import cluster

from googlenet.distributed.simulation import calibration
from googlenet.distributed.simulation.calibration import Calibrated, Compared, calibrate, expect_workers
from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.measuring import Measured
from googlenet.errors import InputError


def measured(workers, step, *, latency=0.0, rate=1e9, apart=()):
    steps = (step, 0.9 * step, 1.1 * step)
    return Measured(workers, 1, steps, 8 * workers, 0.004, latency, rate, apart=apart)


IN_STEP = {
    1: measured(1, 0.2),
    2: measured(2, 0.22, latency=1e-4, rate=2e8, apart=(0.2, 0.22)),
    4: measured(4, 0.5, latency=1.0, rate=1.0, apart=(0.4, 0.6)),
}


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(calibration, "measure", lambda network, batch, workers, threads: IN_STEP[workers])
    monkeypatch.setattr(calibration, "processor", lambda: type("Four", (), {"cores": 4})())


def test_a_simulation_is_fed_steps_apart_and_the_link_of_two(four_cores):
    asked = cluster(batch_size=8, bandwidth=3.0, latency=7.0, step_spread=0.7, machine_spread=0.7, failures=9.0)
    done = calibrate(asked, ["synchronous"], (4, 1, 2))
    (compared,) = done.exchanges
    fed = compared.cluster
    assert (fed.step_seconds, fed.latency, fed.update_seconds) == pytest.approx((0.2, 0.1, 0.004))
    assert fed.bandwidth == pytest.approx(8 * 2e8 / 1e9)
    assert fed.step_spread == pytest.approx(0.1)
    assert (fed.machine_spread, fed.failures, done.cores, done.threads) == (0.0, 0.0, 4, 1)
    assert [row.workers for row in compared.rows] == [1, 2, 4]
    one, two, four = compared.rows
    assert (one.measured, one.slowest, one.fastest) == pytest.approx((40, 8 / 0.22, 8 / 0.18))
    assert one.foretold == pytest.approx(40, rel=0.05)
    assert two.error == pytest.approx(two.foretold / (16 / 0.22) - 1)
    assert 32 / 0.9 < four.foretold < 32 / 0.5  # the slowest of four, whose steps apart are 0.5 s, spread by a tenth
    assert done.error == compared.error == max(abs(row.error) for row in (two, four))


def test_replicas_are_measured_with_the_threads_of_all_and_have_a_link_of_their_own(four_cores, monkeypatch):
    """Steps of 0.2 s (of two workers 0.21 s), 5 ms for each message, 53.5 MB each way at 1 GB/s, a move of 4 ms."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    from googlenet.distributed.simulation import real_replicas as replicas

    asked = []

    def measure_replicas(cluster, arm, workers, threads):
        asked.append((arm, workers, threads))
        return measured(workers, 0.3, latency=5e-3, rate=1e9)

    monkeypatch.setattr(replicas, "measure_replicas", measure_replicas)
    of = Cluster(batch_size=8, shards=16)
    done = calibrate(of, ["synchronous", "downpour", "backup"], (1, 2))
    assert asked == [("downpour", 1, 2), ("downpour", 2, 2), ("backup", 1, 2), ("backup", 2, 2)]
    assert [compared.arm for compared in done.exchanges] == ["synchronous", "downpour", "backup"]
    downpour = done.exchanges[1]
    assert (downpour.cluster.shards, downpour.cluster.latency, downpour.cluster.bandwidth) == (1, 5.0, 8.0)
    assert done.threads == 2
    exchange = 4 * of.parameters / 1e9 + 5e-3 + 4e-3 + 4 * of.parameters / 1e9 + 5e-3
    one, two = downpour.rows
    assert one.foretold == pytest.approx(8 / (0.2 + exchange), rel=0.02)
    assert two.foretold == pytest.approx(16 / (0.21 + exchange), rel=0.05)


def test_the_error_is_the_largest_of_several_workers():
    def compared(*errors):
        rows = (Calibrated(number, 100.0, 90.0, 110.0, 100 * (1 + error)) for number, error in enumerate(errors, 1))
        return Compared("downpour", cluster(), tuple(rows))

    assert compared(0.9, 0.1, -0.2).error == pytest.approx(0.2)
    assert compared(-0.9).error == pytest.approx(0.9)
    assert calibration.Calibration(2, 1, (compared(0, 0.1), compared(0, 0.3))).error == pytest.approx(0.3)


def test_without_ray_only_workers_in_step_are_real(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    expect_workers(["synchronous"], (1, 2))
    with pytest.raises(InputError, match=r"calibrating backup, downpour needs Ray: pip install .* or give --exchanges"):
        expect_workers(["synchronous", "backup", "downpour"], (1, 2))


def test_more_workers_than_a_machine_can_bear_are_refused_before_any_is_measured(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    expect_workers(["synchronous"], (1, 24))
    with pytest.raises(InputError, match="--calibrate 25: real workers share this machine; give at most 24"):
        expect_workers(["synchronous"], (1, 25))
