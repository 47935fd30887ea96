"""The simulation beside real workers: fed what they need apart and what their link does, it foretells them together.

Workers of one machine share its cores, caches and memory, as machines of their own would not; so each number of them is
timed beside each other first, each on its own, and what is foretold is what exchange and waiting make of that.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev

from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.link import BUCKET
from googlenet.distributed.simulation.throughput import throughput
from googlenet.errors import BrokenOff
from googlenet.machine import processor
from googlenet.processes import launch
from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress

__all__ = ["Calibrated", "Calibration", "Measured", "calibrate", "foretold", "measure", "with_times"]

STEPS = 10
"""Of each measurement, after those that warm up."""

_MODULE = "googlenet.distributed.simulation.real_worker"
_LISTS = ("steps", "computing", "apart")


@dataclass(frozen=True)
class Measured:
    """What so many real workers measured of themselves. Times are seconds."""

    workers: int
    threads: int
    """Of each."""
    steps: tuple[float, ...]
    """From one step to the next."""
    computing: tuple[float, ...]
    """Up to the gradient of the worker's own images."""
    images: int
    """Of a step, of all workers together."""
    update: float
    """A shard that holds all weights moves by a gradient."""
    small: float = 0.0
    """All workers exchange next to nothing, and a bucket of gradients."""
    bucket: float = 0.0
    apart: tuple[float, ...] = ()
    """Steps of one that exchanges nothing, while the others do the same; empty of one worker."""

    @property
    def images_per_second(self) -> float:
        """At the median step."""
        return self.images / median(self.steps)

    @property
    def range(self) -> tuple[float, float]:
        """Images per second of the slowest and the fastest step."""
        return self.images / max(self.steps), self.images / min(self.steps)

    @property
    def spread(self) -> float:
        """Standard deviation of the steps, as a share of their mean."""
        return stdev(self.steps) / mean(self.steps) if len(self.steps) > 1 else 0.0


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
class Calibration:
    """How well the simulation foretells the workers of this machine, which share its cores."""

    cluster: Cluster
    """What was fed to it: one worker's step, and the link between two. With more, their steps apart."""
    cores: int
    threads: int
    """Of each worker."""
    rows: tuple[Calibrated, ...]

    @property
    def error(self) -> float:
        """The largest error of more than one worker, without its sign; of one where there is no other."""
        several = [abs(row.error) for row in self.rows if row.workers > 1]
        return max(several or [abs(row.error) for row in self.rows])


def measure(network: str, batch_size: int, workers: int = 1, threads: int = 0) -> Measured:
    """Run real workers of `googlenet train` for some steps, on embedded images, and return their times.

    Each has so many threads (0: its share of the cores). Raises `BrokenOff` where they fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        arguments = [str(file), network, str(batch_size), str(STEPS)]
        status = _run(arguments, workers, threads)
        if status == 130:
            raise KeyboardInterrupt
        if status != 0 or not file.exists():
            raise BrokenOff(f"{workers} real workers of {network} ended with status {status}; see what they said")
        found = json.loads(file.read_text())
    return Measured(workers=workers, **found | {name: tuple(found[name]) for name in _LISTS if name in found})


def with_times(cluster: Cluster) -> Cluster:
    """Return the cluster with the times that it lacks, as one worker on all cores of this machine measures them."""
    if cluster.step_seconds is not None and cluster.update_seconds is not None:
        return cluster
    say(f"measuring a step of {cluster.network} with {cluster.batch_size} images on this machine")
    found = measure(cluster.network, cluster.batch_size)
    return cluster.measured(median(found.steps), found.update)


def calibrate(network: str, batch_size: int, workers: Sequence[int]) -> Calibration:
    """Measure one worker, the link between two, and so many real workers; foretell these from the first.

    All have as many threads as the largest number of them leaves each.
    """
    counts = sorted(set(workers))
    cores = processor().cores
    threads = max(1, cores // counts[-1])
    asked = sorted({1, 2, *counts})
    found: dict[int, Measured] = {}
    with Progress("calibrating", total=len(asked), unit="measurements", threshold=0) as progress:
        for count in asked:
            found[count] = measure(network, batch_size, count, threads)
            progress.update(workers=str(count))
    cluster = _fed(network, batch_size, found[1], found[2])
    rows = []
    for count in counts:
        slowest, fastest = found[count].range
        told = foretold(cluster, count, found[count])
        rows.append(Calibrated(count, found[count].images_per_second, slowest, fastest, told))
    return Calibration(cluster, cores, threads, tuple(rows))


def foretold(cluster: Cluster, workers: int, found: Measured) -> float:
    """Return the simulated images per second of synchronous workers, each as fast as it was apart."""
    among = replace(cluster, step_seconds=median(found.apart)) if found.apart else cluster
    return throughput(among, "synchronous", workers).images_per_second


def _fed(network: str, batch_size: int, one: Measured, two: Measured) -> Cluster:
    """The cluster that is on this machine: between two, a ring sends half of everything twice."""
    latency = two.small / 2
    sending = max(two.bucket - two.small, 1e-9)
    return Cluster(
        network=network,
        batch_size=batch_size,
        step_seconds=median(one.steps),
        step_spread=one.spread,
        machine_spread=0.0,
        latency=1e3 * latency,
        bandwidth=BUCKET / sending * 8 / 1e9,
        update_seconds=one.update,
        failures=0.0,
    )


def _run(arguments: Sequence[str], workers: int, threads: int) -> int:
    """Start the workers, wait for them, and return the exit status."""
    before = os.environ.get("OMP_NUM_THREADS")
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        status = launch(arguments, workers, _MODULE)
        if status is None:  # one is not started by `launch`
            status = subprocess.run([sys.executable, "-P", "-m", _MODULE, *arguments], check=False).returncode
        return status
    finally:
        if threads and before is None:
            del os.environ["OMP_NUM_THREADS"]
        elif threads and before is not None:
            os.environ["OMP_NUM_THREADS"] = before
