"""What real workers measure of themselves, and two of them for real."""

import pytest
from clusters import cluster

from googlenet.distributed.simulation import measuring
from googlenet.distributed.simulation.measuring import Measured, measure, with_times
from googlenet.errors import BrokenOff


def measured(step):
    return Measured(2, 1, (step, 0.9 * step, 1.1 * step), 16, 0.004)


def test_figures_of_a_measurement():
    found = measured(0.5)
    assert found.images_per_second == pytest.approx(32)
    assert found.range == pytest.approx((16 / 0.55, 16 / 0.45))
    assert found.spread == pytest.approx(0.1)


def test_what_is_known_is_not_measured(monkeypatch):
    monkeypatch.setattr(measuring, "measure", lambda *_: measured(0.25))
    assert with_times(cluster(step_seconds=3.0, update_seconds=0.5)).step_seconds == 3.0
    assert with_times(cluster(step_seconds=None, update_seconds=None)).step_seconds == 0.25


@pytest.mark.long
def test_two_real_workers_are_measured():
    found = measure("googlenet-tiny", 2, workers=2, threads=1)
    assert (found.workers, found.threads, found.images) == (2, 1, 4)
    assert len(found.steps) == len(found.computing) == measuring.STEPS
    assert all(0 < computing < step for computing, step in zip(found.computing, found.steps, strict=True))
    assert 0 < found.latency < 1
    assert found.bytes_per_second > 0
    assert len(found.apart) == measuring.STEPS
    assert min(found.apart) > 0
    assert found.update > 0


def test_workers_that_fail_are_said_to(monkeypatch):
    monkeypatch.setattr(measuring, "_run", lambda *_: 1)
    with pytest.raises(BrokenOff, match="2 real workers of googlenet-tiny ended with status 1"):
        measure("googlenet-tiny", 2, workers=2)
    monkeypatch.setattr(measuring, "_run", lambda *_: 130)
    with pytest.raises(KeyboardInterrupt):
        measure("googlenet-tiny", 2)
