"""Real workers of this machine, run for some steps, and what they measure of themselves."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev

from googlenet.distributed.simulation.cluster import Cluster
from googlenet.errors import BrokenOff, InputError, counted
from googlenet.processes import INTERRUPTED, launch
from googlenet.reporting.console import duration, say
from googlenet.signals import ended_by_signals

__all__ = ["STEPS", "WARM_UP", "Measured", "measure", "step_time", "with_threads", "with_times"]

STEPS = 10
"""Of each measurement, after those that warm up."""

WARM_UP = 2
"""Steps before those that count, and rounds of what else is timed."""

_MODULE = "googlenet.distributed.simulation.real_worker"
_LISTS = ("steps", "computing", "apart")


@dataclass(frozen=True)
class Measured:
    """What so many real workers measured of themselves. Times are seconds."""

    workers: int
    threads: int
    """Of each."""
    steps: tuple[float, ...]
    """In which as many mini-batches as there are workers were learnt from."""
    images: int
    """Of a step, of all workers together."""
    update: float
    """A shard that holds all weights moves by a gradient."""
    latency: float = 0.0
    """A message on the link between them; 0 of one worker that exchanges nothing."""
    bytes_per_second: float = 0.0
    """Of that link."""
    computing: tuple[float, ...] = ()
    """Up to the gradient of the worker's own images."""
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


def measure(network: str, batch_size: int, workers: int = 1, threads: int = 0) -> Measured:
    """Run real workers of `googlenet train` in step, on embedded images, and return their times.

    Each has so many threads (0: its share of the cores). Raises `BrokenOff` where they fail.
    """
    with ended_by_signals(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        arguments = [str(file), network, str(batch_size), str(STEPS)]
        with with_threads(threads):
            status = _run(arguments, workers)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if status != 0 or not file.exists():
            raise BrokenOff(
                f"{counted(workers, 'real workers')} of {network} ended with status {status}; see what they said"
            )
        found = json.loads(file.read_text())
    return Measured(workers=workers, **found | {name: tuple(found[name]) for name in _LISTS if name in found})


def with_times(cluster: Cluster) -> Cluster:
    """Return the cluster with the times that it lacks, as one worker on all cores of this machine measures them."""
    if cluster.step_seconds is not None and cluster.update_seconds is not None:
        return cluster
    images = counted(cluster.batch_size, "images")
    say(f"measuring a step of {cluster.network} with {images} on this machine")
    found = measure(cluster.network, cluster.batch_size)
    middle, least, most = (step_time(of(found.steps)) for of in (median, min, max))
    say(f"a step takes {middle} here ({least} to {most})")
    return cluster.measured(median(found.steps), found.update)


def step_time(seconds: float) -> str:
    """Return how long a step takes, in words."""
    if seconds < 0.01:
        return f"{1e3 * seconds:.2g} ms"
    return f"{1e3 * seconds:,.0f} ms" if seconds < 1 else duration(seconds)


@contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """Have processes that are started in a block compute with so many threads; 0 leaves it to them."""
    before = os.environ.get("OMP_NUM_THREADS")
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        if threads and before is None:
            del os.environ["OMP_NUM_THREADS"]
        elif threads and before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _run(arguments: Sequence[str], workers: int) -> int:
    """Start the workers, wait for them, and return the exit status."""
    status = launch(arguments, workers, _MODULE, also_one=True)
    if status is None:
        raise InputError("WORLD_SIZE is set: real workers are started here alone; unset it, or leave torchrun out")
    return status
