"""Real workers beside simulated ones: what is fed, what is foretold, and two of them for real."""

import pytest
from clusters import cluster

from googlenet.distributed.simulation import calibration
from googlenet.distributed.simulation.calibration import Measured, calibrate, foretold, measure, with_times
from googlenet.distributed.simulation.link import BUCKET
from googlenet.errors import BrokenOff


def measured(workers, step, *, small=0.0, bucket=0.0, apart=()):
    return Measured(workers, 1, (step, 0.9 * step, 1.1 * step), (step,) * 3, 8 * workers, 0.004, small, bucket, apart)


def test_figures_of_a_measurement():
    found = measured(2, 0.5)
    assert found.images_per_second == pytest.approx(32)
    assert found.range == pytest.approx((16 / 0.55, 16 / 0.45))
    assert found.spread == pytest.approx(0.1)


def test_a_simulation_is_fed_steps_apart_and_the_link_of_two(monkeypatch):
    """Two messages of 0.1 ms around a ring of two, and a bucket that takes 4 ms longer, half of it twice."""
    found = {
        1: measured(1, 0.2),
        2: measured(2, 0.22, small=2e-4, bucket=2e-4 + 4e-3, apart=(0.2, 0.22)),
        4: measured(4, 0.5, small=1.0, bucket=2.0, apart=(0.3, 0.5)),
    }
    monkeypatch.setattr(calibration, "measure", lambda network, batch, workers, threads: found[workers])
    monkeypatch.setattr(calibration, "processor", lambda: type("Two", (), {"cores": 2})())
    done = calibrate("googlenet-tiny", 8, (4, 1, 2))
    fed = done.cluster
    assert (fed.step_seconds, fed.latency, fed.update_seconds) == pytest.approx((0.2, 0.1, 0.004))
    assert fed.bandwidth == pytest.approx(8 * BUCKET / 4e-3 / 1e9)
    assert (done.cores, done.threads) == (2, 1)
    assert [row.workers for row in done.rows] == [1, 2, 4]
    assert done.rows[0].foretold == pytest.approx(40, rel=0.05)
    assert done.rows[1].error == pytest.approx(done.rows[1].foretold / (16 / 0.22) - 1)
    assert done.error == max(abs(row.error) for row in done.rows[1:])


def test_workers_are_as_fast_as_they_were_apart():
    """A second, or 1.5 s apart where the machine is shared: 8 images each, an exchange of no account."""
    at_once = [foretold(cluster(batch_size=8), 4, measured(4, 9.0, apart=apart)) for apart in ((), (1.0, 2.0))]
    assert at_once == pytest.approx((32, 32 / 1.5), rel=0.01)


def test_what_is_known_is_not_measured(monkeypatch):
    monkeypatch.setattr(calibration, "measure", lambda *_: measured(1, 0.25))
    assert with_times(cluster(step_seconds=3.0, update_seconds=0.5)).step_seconds == 3.0
    assert with_times(cluster(step_seconds=None, update_seconds=None)).step_seconds == 0.25


@pytest.mark.long
def test_two_real_workers_are_measured():
    found = measure("googlenet-tiny", 2, workers=2, threads=1)
    assert (found.workers, found.threads, found.images) == (2, 1, 4)
    assert len(found.steps) == len(found.computing) == calibration.STEPS
    assert all(0 < computing < step for computing, step in zip(found.computing, found.steps, strict=True))
    assert 0 < found.small < found.bucket
    assert len(found.apart) == calibration.STEPS
    assert min(found.apart) > 0
    assert found.update > 0


def test_workers_that_fail_are_said_to(monkeypatch):
    monkeypatch.setattr(calibration, "_run", lambda *_: 1)
    with pytest.raises(BrokenOff, match="2 real workers of googlenet-tiny ended with status 1"):
        measure("googlenet-tiny", 2, workers=2)
    monkeypatch.setattr(calibration, "_run", lambda *_: 130)
    with pytest.raises(KeyboardInterrupt):
        measure("googlenet-tiny", 2)
