"""The simulation beside real workers: fed what they need apart and what their link does, it foretells them together.

Workers of one machine share its cores, caches and memory, as machines of their own would not; so each number of them is
timed beside each other first, each on its own, and what is foretold is what exchange and waiting make of that.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from googlenet.distributed.downpour.cluster import import_ray
from googlenet.distributed.simulation.cluster import FASTEST, Arm, Cluster
from googlenet.distributed.simulation.measuring import Measured, measure
from googlenet.distributed.simulation.throughput import throughput
from googlenet.errors import InputError, shown
from googlenet.machine import processor
from googlenet.processes import MOST
from googlenet.reporting.progress import Progress

__all__ = ["Calibrated", "Calibration", "Compared", "calibrate", "expect_workers"]


@dataclass(frozen=True)
class Calibrated:
    """Real workers beside simulated ones, in images per second."""

    workers: int
    measured: float
    slowest: float
    fastest: float
    """Of the measured steps."""
    foretold: float

    @property
    def error(self) -> float:
        """How much too fast the simulation is, as a share of what was measured."""
        return self.foretold / self.measured - 1


@dataclass(frozen=True)
class Compared:
    """An exchange: what was fed to the simulation, and each number of workers."""

    arm: Arm
    cluster: Cluster
    """One worker's step, and the link between those that exchange. With several workers, their steps apart."""
    rows: tuple[Calibrated, ...]

    @property
    def error(self) -> float:
        """The largest error of more than one worker, without its sign; of one where there is no other."""
        several = [abs(row.error) for row in self.rows if row.workers > 1]
        return max(several or [abs(row.error) for row in self.rows])


@dataclass(frozen=True)
class Calibration:
    """How well the simulation foretells the workers of this machine, which share its cores."""

    cores: int
    threads: int
    """Of each worker."""
    exchanges: tuple[Compared, ...]

    @property
    def error(self) -> float:
        """The largest of all exchanges."""
        return max(compared.error for compared in self.exchanges)


def expect_workers(arms: Sequence[Arm], workers: Sequence[int]) -> None:
    """Raise `InputError` where so many real workers of one of these exchanges cannot be run here."""
    if max(workers) > (most := max(MOST, 4 * (os.cpu_count() or 1))):
        raise InputError(
            f"--calibrate {shown(str(max(workers)))}: real workers share this machine; give at most {most}"
        )
    if others := [arm for arm in arms if arm != "synchronous"]:
        import_ray(f"calibrating {', '.join(others)}", ", or give --exchanges synchronous")


def calibrate(cluster: Cluster, arms: Sequence[Arm], workers: Sequence[int]) -> Calibration:
    """Measure one worker, the link, and so many real workers with each exchange; foretell these from the first.

    All have as many threads as the largest number of them leaves each. Network, mini-batch and what decides how an
    exchange goes are the cluster's; shards are one.
    """
    counts = sorted(set(workers))
    cores = processor().cores
    threads = max(1, cores // counts[-1])
    in_step = sorted({1, 2, *counts})
    others: list[Arm] = [arm for arm in arms if arm != "synchronous"]
    alone: dict[int, Measured] = {}
    found: dict[Arm, dict[int, Measured]] = {arm: {} for arm in others}
    total = len(in_step) + len(others) * len(counts)
    with Progress("calibrating", total=total, unit="measurements", threshold=0) as progress:
        for count in in_step:
            alone[count] = measure(cluster.network, cluster.batch_size, count, threads)
            progress.update(workers=str(count))
        if others:
            from googlenet.distributed.simulation.real_replicas import measure_replicas  # Ray is there
        for arm in others:
            for count in counts:
                found[arm][count] = measure_replicas(cluster, arm, count, threads)
                progress.update(workers=str(count), exchange=arm)
    compared = []
    for arm in arms:
        measured, link = (alone, alone[2]) if arm == "synchronous" else (found[arm], found[arm][counts[0]])
        fed = _fed(cluster, alone[1], link)
        rows = tuple(_beside(fed, arm, measured[count], alone[count].apart) for count in counts)
        compared.append(Compared(arm, fed, rows))
    return Calibration(cores, threads, tuple(compared))


def _beside(fed: Cluster, arm: Arm, found: Measured, apart: Sequence[float]) -> Calibrated:
    """Foretell workers, each as fast as it was apart, beside what was measured."""
    among = replace(fed, step_seconds=median(apart)) if apart else fed
    foretold = throughput(among, arm, found.workers).images_per_second
    return Calibrated(found.workers, found.images_per_second, *found.range, foretold)


def _fed(cluster: Cluster, one: Measured, link: Measured) -> Cluster:
    """The cluster that is on this machine."""
    return replace(
        cluster,
        step_seconds=median(one.steps),
        step_spread=one.spread,
        machine_spread=0.0,
        latency=1e3 * link.latency,
        bandwidth=min(FASTEST, link.bytes_per_second * 8 / 1e9),  # a difference of two times, which may be none
        wire="float32",
        all_reduce="ring",
        shards=1,
        update_seconds=one.update,
        failures=0.0,
    )
