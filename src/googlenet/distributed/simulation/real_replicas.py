"""Real replicas and a shard that a simulation is compared with: some rounds of downpour training, with a stopwatch."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import ray
import torch

from googlenet.distributed.downpour.actors import ShardActor, ShardLink
from googlenet.distributed.downpour.cluster import connected
from googlenet.distributed.downpour.leader import Leader
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.shard import Push, Rule, ShardState, Span
from googlenet.distributed.simulation.cluster import Arm, Cluster, meeting_of
from googlenet.distributed.simulation.measuring import STEPS, WARM_UP, Measured, with_threads
from googlenet.distributed.simulation.timing import Link, images, plain_recipe, silence, timed, update_seconds
from googlenet.signals import ended_by_signals
from googlenet.training.run import train
from googlenet.training.step import Step
from googlenet.training.work import Work

__all__ = ["Watched", "measure_replicas", "options_of"]


class Watched(Leader):
    """The exchange of a run's leader, with a stopwatch."""

    def __init__(self, options: Downpour, *, cores: int) -> None:
        super().__init__(options, cores=cores)
        self.heard: list[float] = []
        """When each mini-batch was heard of whose gradient counts."""

    def take_steps(self, work: Work, here: Any) -> Iterator[Step]:
        dropped = 0
        for step in super().take_steps(work, here):
            if self.dropped == dropped:
                self.heard.append(time.perf_counter())
            dropped = self.dropped
            yield step


def options_of(cluster: Cluster, arm: Arm, workers: int) -> Downpour:
    """Return how `googlenet train` is to go to be what is simulated, with one shard."""
    meeting = meeting_of(arm)
    if meeting == "backup":
        return Downpour(workers, mitigation="synchronous", backups=cluster.backups_of(workers))
    options = Downpour(workers, fetch_every=cluster.push_every, push_every=cluster.push_every)
    if meeting == "bounded":
        return replace(options, mitigation="bounded", bound=cluster.bound * cluster.push_every)
    return options


def measure_replicas(cluster: Cluster, arm: Arm, workers: int, threads: int) -> Measured:
    """Run so many replicas on a Ray of this machine and return their times; each has so many threads.

    A step is as many mini-batches as there are workers, whoever computed them.
    """
    options = options_of(cluster, arm, workers)
    rounds = -(-(WARM_UP + STEPS + 1) // cluster.push_every) * cluster.push_every
    data = images(rounds * workers * cluster.batch_size)
    update = update_seconds(cluster.parameters)
    watched = Watched(options, cores=threads * workers)
    try:
        with (
            ended_by_signals(),
            tempfile.TemporaryDirectory() as folder,
            with_threads(threads),
            silence(),
            connected(options),
        ):
            link = _link(cluster.parameters, update)
            train(data, plain_recipe(cluster.network, cluster.batch_size), output=folder, exchange=watched)
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None  # its words are of a run that nobody knows of, in a folder that is gone
    ends = watched.heard[WARM_UP * workers - 1 :: workers][: STEPS + 1]
    steps = tuple(later - begun for begun, later in pairwise(ends))
    return Measured(workers, threads, steps, workers * cluster.batch_size, update, *link)


def _link(parameters: int, update: float) -> Link:
    """Time a push and a fetch of next to nothing, and of all weights, which move in between."""

    def exchange(weights: int) -> float:
        state = ShardState(0, 0, 0, tensors={"weights": torch.zeros(weights), "velocity": torch.zeros(weights)})
        shard = ray.remote(ShardActor).options(num_cpus=0).remote(Rule(), [Span(weights)], state)
        link, push = ShardLink([shard], "float32"), Push(torch.ones(weights), 1e-3, 0)

        def once() -> None:
            link.push([push])
            link.fetch(0, [0])

        seconds = timed(once)
        ray.kill(shard)
        return seconds

    return Link.of(exchange(1), exchange(parameters) - update, 2 * 4 * parameters)
