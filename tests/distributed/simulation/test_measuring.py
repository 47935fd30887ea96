"""What real workers measure of themselves, and two of them for real."""

import os
import signal
import tempfile

import pytest
from clusters import cluster

from googlenet.distributed.simulation import measuring
from googlenet.distributed.simulation.measuring import Measured, measure, step_time, with_times
from googlenet.errors import BrokenOff, InputError


def measured(step):
    return Measured(2, 1, (step, 0.9 * step, 1.1 * step), 16, 0.004)


def test_figures_of_a_measurement():
    found = measured(0.5)
    assert found.images_per_second == pytest.approx(32)
    assert found.range == pytest.approx((16 / 0.55, 16 / 0.45))
    assert found.spread == pytest.approx(0.1)


def test_a_step_is_told_with_its_spread(monkeypatch, capsys):
    monkeypatch.setattr(measuring, "measure", lambda *_: measured(0.25))
    with_times(cluster(step_seconds=None, batch_size=1))
    assert capsys.readouterr().err.splitlines() == [
        "measuring a step of googlenet with 1 image on this machine",
        "a step takes 250 ms here (225 ms to 275 ms)",
    ]
    assert (step_time(0.00123), step_time(1.2)) == ("1.2 ms", "1.2 s")


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
    monkeypatch.setattr(measuring, "_run", lambda *_: 2)
    with pytest.raises(BrokenOff, match=r"^1 real worker of"):
        measure("googlenet-tiny", 2)


def test_one_worker_too_ends_with_whoever_started_it(monkeypatch):
    started = []

    def launch(arguments, workers, module, *, also_one):
        started.append((workers, also_one))
        return 130

    monkeypatch.setattr(measuring, "launch", launch)
    with pytest.raises(KeyboardInterrupt):
        measure("googlenet-tiny", 2)
    assert started == [(1, True)]


def test_one_of_several_processes_starts_no_workers(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(InputError, match="WORLD_SIZE is set"):
        measure("googlenet-tiny", 2)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_no_folder_is_left_where_a_signal_ends_a_measurement(monkeypatch, tmp_path, name):
    number = getattr(signal, name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(measuring, "_run", lambda *_: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        measure("googlenet-tiny", 2)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is before
