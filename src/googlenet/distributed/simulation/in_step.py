"""Steps that all workers take together: with all of them, or without waiting for the slowest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.link import in_step_seconds, round_trip_seconds
from googlenet.distributed.simulation.machines import Machines

__all__ = ["Update", "with_all", "with_backups"]


@dataclass(frozen=True)
class Update:
    """A step of all: when it ended, whose gradients count, and how long all workers together computed in it."""

    seconds: float
    counted: tuple[int, ...]
    computing: float


def with_all(cluster: Cluster, workers: int) -> Iterator[Update]:
    """Yield the steps of so many workers, each of which waits for the slowest, and then for the exchange."""
    machines, everybody, now = Machines(cluster, workers), tuple(range(workers)), 0.0
    while True:
        computing = machines.steps()
        now += in_step_seconds(cluster, workers, float(computing.max()))
        yield Update(now, everybody, float(computing.sum()))


def with_backups(cluster: Cluster, workers: int) -> Iterator[Update]:
    """Yield the steps of so many workers of which some are backups: as many gradients as there are others make a step.

    Whoever is later has its gradient dropped (Chen et al. 2016): it ends what it computes at old weights, and only then
    begins with those of the day. So does a worker that failed, when it is back.
    """
    machines, needed = Machines(cluster, workers), workers - cluster.backups_of(workers)
    free = np.array([machines.away(worker) for worker in range(workers)])
    failures = np.array([machines.failure(worker, begun) for worker, begun in enumerate(free)])
    now = 0.0
    while True:
        begun = np.maximum(free, now)
        computing = machines.steps()
        broken = failures < begun + computing
        back = failures + cluster.restart_seconds
        ready = np.where(broken, back, begun) + computing
        counted = np.argsort(ready, kind="stable")[:needed]
        now = round_trip_seconds(cluster, ready[counted], workers)
        took_part = begun < now
        free = np.where(took_part, ready, free)
        for worker in np.flatnonzero(took_part & broken):
            failures[worker] = machines.failure(int(worker), float(back[worker]))
        yield Update(now, tuple(sorted(counted.tolist())), float(computing[took_part].sum()))
