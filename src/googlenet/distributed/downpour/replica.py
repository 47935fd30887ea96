"""A replica: the one training loop, over the batches that it is dealt, with an exchange that goes to the shards."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from googlenet.data.loader import Loader, Plan
from googlenet.data.pool import WorkerPool, default_workers
from googlenet.data.sampler import Planned
from googlenet.distributed.downpour.exchange import ToShards
from googlenet.distributed.shard import Taken
from googlenet.training.averaging import Average
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD
from googlenet.training.setup import Setup
from googlenet.training.step import Step
from googlenet.training.trainer import steps

__all__ = ["Ended", "Hand", "Replica", "Report"]


@dataclass(frozen=True)
class Report:
    """A step of a replica, counted by the batch that it was."""

    step: Step
    bad: tuple[tuple[str, str], ...]
    """Name and reason of each image that could not be read."""
    taken: Sequence[Taken]
    """What became of the push, by shard; nothing where none was due."""
    pushed: int
    """Of this replica's steps so far, those whose gradients are on the shards."""


@dataclass(frozen=True)
class Ended:
    """A replica has computed all that it was dealt."""

    taken: Sequence[Taken]
    """What became of its last push, where it came after its last step."""
    buffers: Mapping[str, Tensor]
    """What its network has gathered beside weights: the statistics of batch normalisation."""


class Hand:
    """The batches that a replica is dealt, from another thread, and how many of them it may begin."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.begin()

    def begin(self) -> None:
        """Begin a stretch, with nothing."""
        with self._changed:
            self._dealt: dict[int, int] = {}
            self._count: int | None = None
            self._limit: int | None = None

    def deal(self, place: int, numbers: Sequence[int], limit: int | None = None) -> None:
        """Deal batches, the first of them this replica's `place`th of the stretch; `limit` is how many may begin."""
        with self._changed:
            self._dealt |= dict(enumerate(numbers, place))
            if limit is not None:
                self._limit = max(limit, self._limit or 0)
            self._changed.notify_all()

    def end(self, count: int) -> None:
        """Say how many there are in this stretch."""
        with self._changed:
            self._count = count
            self._changed.notify_all()

    def numbers(self) -> Iterator[int]:
        """Yield the batches in order, waiting for each, until the end was said."""
        place = 0
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._knows, place))
                if place not in self._dealt:
                    return
                number = self._dealt.pop(place)
            yield number
            place += 1

    def _knows(self, place: int) -> bool:
        return place in self._dealt or place == self._count

    def admit(self, place: int) -> None:
        """Wait until the batch of this place may begin."""
        with self._changed:
            self._changed.wait_for(lambda: self._limit is None or place < self._limit)


class Replica:
    """A copy of the network that trains on what `hand` deals, batch after batch."""

    def __init__(
        self, setup: Setup, execution: Execution, connect: Callable[[SGD, Callable[[int], None]], ToShards]
    ) -> None:
        """`connect` makes the exchange for an optimizer's parameters, with who admits a step."""
        self._setup, self._execution, self.hand = setup, execution, Hand()
        self._recipe = setup.recipe
        self.network = execution.place(setup.network).eval()
        self._training_network = execution.fuse(self.network, frozen=self._recipe.freeze)
        self._optimizer = setup.optimizer(self.network)
        self._exchange = connect(self._optimizer, self.hand.admit)
        workers = default_workers() if self._recipe.workers is None else self._recipe.workers
        self._pool = WorkerPool(workers)
        plan = setup.sampler(0, 1)
        self.ahead = 2 * workers + 2
        """Batches that it should have before it, lest it waits."""
        self._steps_per_epoch = plan.steps_per_epoch
        samples, skip = setup.samples(), self._recipe.skip_bad_images
        self._loader = Loader(setup.data, samples, _Dealt(plan, self.hand), self._pool, skip_bad_images=skip)
        self._task = setup.task(self._training_network, execution, plan.steps_per_epoch)

    def run(self, buffers: Mapping[str, Tensor] | None = None) -> Iterator[Report | Ended]:
        """Compute a stretch; `buffers` are what all replicas begin it with."""
        if buffers:
            self.network.load_state_dict(buffers, strict=False)
        exchange, average = self._exchange, Average(nn.Module(), "none")
        exchange.begin()
        with self._execution.computing():
            for batch in self._loader.batches(0, 0, None):
                number = batch.epoch * self._steps_per_epoch + batch.step
                exchange.step = number + 1
                for step in steps(
                    self._task,
                    self._optimizer,
                    average,
                    iter([batch]),
                    self._recipe,
                    exchange,
                    start=number,
                    steps_per_epoch=self._steps_per_epoch,
                    name=self._setup.data.name,
                ):
                    whole = replace(step, seconds=step.seconds + batch.waited)
                    yield Report(whole, batch.bad, exchange.taken, exchange.pushed)
            exchange.taken = []
            exchange.finish()
            found = {name: buffer.detach().cpu().clone() for name, buffer in self.network.named_buffers()}
            yield Ended(exchange.taken, found)

    def close(self) -> None:
        self._pool.close()


class _Dealt:
    """A plan of those batches of another plan that a replica is dealt."""

    def __init__(self, plan: Plan, hand: Hand) -> None:
        self._plan, self._hand = plan, hand
        self.steps_per_epoch = plan.steps_per_epoch

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = None) -> Iterator[Planned]:
        for number in self._hand.numbers():
            yield next(iter(self._plan.batches(*divmod(number, self.steps_per_epoch), None)))


def mean_buffers(found: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the means of the replicas' buffers; of counters, which have no mean, the largest."""
    return {name: _mean(torch.stack([one[name] for one in found])) for name in found[0]} if found else {}


def _mean(values: Tensor) -> Tensor:
    if len(values) == 1 or not values.is_floating_point():
        return values.amax(0) if len(values) > 1 else values[0]
    return values.mean(0)
