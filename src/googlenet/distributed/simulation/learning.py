"""What an exchange does to learning: accuracy over the seconds that the simulated machines would take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite

import torch
from torch import Tensor

from googlenet.distributed.shard import Push, Rule, Shard
from googlenet.distributed.simulation.cluster import Arm, Cluster, meeting_of
from googlenet.distributed.simulation.downpour import Downpour
from googlenet.distributed.simulation.in_step import with_all, with_backups
from googlenet.distributed.simulation.learner import EXECUTION, Learner
from googlenet.errors import InputError

__all__ = ["Learnt", "Point", "corrected", "learn", "rule_of"]

COMPENSATION = 0.04
"""The constant of delay compensation (Zheng et al. 2017)."""

EVALUATIONS = 4
"""In an epoch."""


@dataclass(frozen=True)
class Point:
    """How well the weights do after some time and images. Creating one checks it."""

    seconds: float
    images: int
    accuracy: float

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.images > 0 and 0 <= self.accuracy <= 1):
            raise InputError("a point is after some seconds and images, with an accuracy from 0 to 1")


@dataclass(frozen=True)
class Learnt:
    """A run of the small network, to the target or to its end. Creating one checks it."""

    arm: Arm
    workers: int
    rate: float
    points: tuple[Point, ...]
    reached: Point | None
    """Where the target was met first."""
    diverged: bool
    """The loss was no longer finite."""

    def __post_init__(self) -> None:
        rising = all(one.seconds <= later.seconds and one.images < later.images for one, later in pairwise(self.points))
        if not (self.points and rising and self.reached in (None, self.points[-1])):
            raise InputError("a run has points, each after the one before; it ends where it reaches the target")

    @property
    def best(self) -> float:
        """The highest accuracy on the way."""
        return max(point.accuracy for point in self.points)


def corrected(momentum: float, workers: int) -> float:
    """Return the momentum with which so many asynchronous workers have that of one in all.

    Asynchrony alone is a momentum of 1 - 1/M (Mitliagkas et al. 2016), so that 1 - m of the explicit one is M times as
    much as that of the whole; where no such number is left, there is none.
    """
    return max(0.0, 1 - workers * (1 - momentum))


def rule_of(arm: Arm, cluster: Cluster, workers: int, momentum: float) -> Rule:
    """Return how the shards move."""
    match arm:
        case "backup":
            return Rule(momentum, together=workers - cluster.backups_of(workers))
        case "downpour-corrected":
            return Rule(corrected(momentum, workers))
        case "downpour-divide":
            return Rule(momentum, divide=True)
        case "downpour-delay-compensation":
            return Rule(momentum, compensation=COMPENSATION)
        case "downpour-adagrad":
            return Rule(0.0, adagrad=True)
    return Rule(momentum)


def learn(
    cluster: Cluster,
    learner: Learner,
    arm: Arm,
    workers: int,
    *,
    rate: float,
    momentum: float,
    epochs: int,
    target: float,
) -> Iterator[Learnt]:
    """Yield how far a run has come, each time that its weights were evaluated, up to its end.

    Each mini-batch of the small network takes the time of one of the cluster's own network. The run ends at the
    `target` accuracy, after so many epochs, or where it diverges.
    """
    training = (_asynchronous if arm.startswith("downpour") else _in_step)(
        cluster, learner, arm, workers, rule_of(arm, cluster, workers, momentum), rate
    )
    kept = cluster.productive(meeting_of(arm), workers)
    points: list[Point] = []
    evaluated = 0
    with EXECUTION.computing():
        for seconds, images, shards, loss in training:
            diverged = not isfinite(loss)
            is_last = images >= epochs * learner.images or diverged
            due = images * EVALUATIONS // learner.images
            if due == evaluated and not is_last:
                continue
            evaluated = due
            points.append(Point(seconds / kept, images, learner.accuracy(_joined(shards))))
            reached = points[-1] if points[-1].accuracy >= target else None
            yield Learnt(arm, workers, rate, tuple(points), reached, diverged)
            if is_last or reached:
                return


_State = tuple[float, int, Sequence[Shard], float]
"""Seconds and images so far, the shards, and the loss of the gradient that moved them last."""


def _in_step(cluster: Cluster, learner: Learner, arm: Arm, workers: int, rule: Rule, rate: float) -> Iterator[_State]:
    """All workers compute at the same weights. What counts for nothing is not computed."""
    shard = Shard(learner.first_weights.clone(), rule, learner.slices(1).spans(0))
    images = 0
    for step, update in enumerate((with_backups if arm == "backup" else with_all)(cluster, workers)):
        numbers = [step * workers + worker for worker in update.counted]
        fetched, loss = shard.fetch(), 0.0
        for together in [[number] for number in numbers] if rule.together else [numbers]:
            gradient, loss = learner.gradient(fetched.weights, together)
            shard.push(Push(gradient, rate, fetched.version, len(together) * learner.batch_size))
        images += len(numbers) * learner.batch_size
        yield update.seconds, images, [shard], loss


def _asynchronous(
    cluster: Cluster, learner: Learner, arm: Arm, workers: int, rule: Rule, rate: float
) -> Iterator[_State]:
    replicas = _Replicas(cluster, learner, workers, rule, rate)
    bound = cluster.bound if meeting_of(arm) == "bounded" else None
    images = 0
    for pushed in Downpour(cluster, workers, replicas, bound).pushes():
        images += cluster.push_every * learner.batch_size
        yield pushed.seconds, images, replicas.shards, replicas.losses[pushed.worker]


class _Replicas:
    """Workers with weights of their own, a mix of the versions that the shards had when each was fetched."""

    def __init__(self, cluster: Cluster, learner: Learner, workers: int, rule: Rule, rate: float) -> None:
        slices = learner.slices(cluster.shards)
        self._slices = [slice(*ends) for ends in pairwise(accumulate(slices.lengths, initial=0))]
        self.shards = [
            Shard(learner.first_weights[part].clone(), rule, slices.spans(number))
            for number, part in enumerate(self._slices)
        ]
        self.losses = [0.0] * workers
        self._learner, self._rate, self._steps = learner, rate, cluster.push_every
        self._weights = learner.first_weights.repeat(workers, 1)
        self._versions = [[0] * cluster.shards for _ in range(workers)]
        self._gradients: list[Tensor] = [torch.empty(0)] * workers
        self._computed = 0
        """Mini-batches that were given out."""

    def fetch(self, worker: int, shard: int) -> None:
        fetched = self.shards[shard].fetch(worker)
        self._weights[worker, self._slices[shard]] = fetched.weights
        self._versions[worker][shard] = fetched.version

    def compute(self, worker: int) -> None:
        """Add up the gradients of some steps, between which the worker moves on its own, without momentum."""
        weights = self._weights[worker].clone()
        total = torch.zeros_like(weights)
        for _ in range(self._steps):
            gradient, self.losses[worker] = self._learner.gradient(weights, [self._computed])
            self._computed += 1
            total += gradient
            weights -= self._rate * self._learner.rates * gradient
        self._gradients[worker] = total

    def push(self, worker: int, shard: int) -> int:
        gradient, version = self._gradients[worker][self._slices[shard]], self._versions[worker][shard]
        images = self._steps * self._learner.batch_size
        taken = self.shards[shard].push(Push(gradient, self._rate, version, images, replica=worker))
        return taken.staleness


def _joined(shards: Sequence[Shard]) -> Tensor:
    return torch.cat([shard.weights for shard in shards])
