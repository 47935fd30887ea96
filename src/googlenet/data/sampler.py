"""The order in which a training run sees its images: a pure function of (seed, epoch), without a state to save."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.randomness import generator

__all__ = ["InOrder", "Plan", "Planned", "Sampler", "Turns", "places_from"]


@dataclass(frozen=True)
class Planned:
    """One batch to be made: its place in the run, and its draws (see `Sampler`)."""

    epoch: int
    step: int
    draws: NDArray[np.int64]


class Plan(Protocol):
    """Which batches there are; `Sampler` for training, `InOrder` for evaluation."""

    @property
    def steps_per_epoch(self) -> int: ...

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = None) -> Iterator[Planned]: ...


class Sampler:
    """Batches of an epoch's shuffled images.

    A draw is a number whose remainder by the number of images is the image and whose quotient is how often that image
    came before in the epoch. So draws are image numbers, unless `balance` repeats images of rare classes: then each
    repetition is a draw of its own and gets its own crop.

    `batch_size` counts the images of all `world` machines together; machine `rank` gets every `world`-th image of each
    batch, so that what is learnt in a step does not depend on the number of machines. An epoch has as many whole
    batches as fit, at least one; which images are left over changes with the epoch.
    """

    def __init__(
        self,
        labels: NDArray[np.integer],
        batch_size: int,
        seed: int,
        *,
        balance: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(labels) == 0:
            raise InputError("the data set holds no image; give one that does")
        if batch_size < world:
            raise InputError(f"batch size {batch_size}: give at least {world}, one image for each machine")
        self._labels, self._batch_size, self._seed, self._balance = labels, batch_size, seed, balance
        self._rank, self._world = rank, world
        self.steps_per_epoch = max(1, len(labels) // batch_size)
        self._cached_order = lru_cache(maxsize=2)(self._order)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return all draws of an epoch in order, as many as there are images: int64 [N].

        With `balance` each class has the same number of them (to within one), and an image comes again only when all
        others of its class have come as often.
        """
        return self._cached_order(epoch)

    def batch(self, epoch: int, step: int) -> Planned:
        """Return this machine's part of one batch, 0 <= step < `steps_per_epoch`."""
        start = step * self._batch_size
        return Planned(epoch, step, self.order(epoch)[start : start + self._batch_size][self._rank :: self._world])

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = None) -> Iterator[Planned]:
        """Yield batches from a place on, epoch after epoch, up to the beginning of epoch `stop` or without end."""
        for place in places_from(epoch, step, stop, self.steps_per_epoch):
            yield self.batch(*place)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        random = generator(self._seed, "order", epoch)
        return _balanced(self._labels, random) if self._balance else random.permutation(len(self._labels))


class InOrder:
    """Batches of images in their own order, once: for evaluation. Each machine gets a share as in `Sampler`.

    `images` are their numbers, or how many there are where all are meant.
    """

    def __init__(self, images: int | NDArray[np.int64], batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        self._draws = np.arange(images) if isinstance(images, int) else images
        self._batch_size, self._rank, self._world = batch_size, rank, world
        self.steps_per_epoch = -(-len(self._draws) // batch_size)

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = 1) -> Iterator[Planned]:
        for number in range(step, self.steps_per_epoch):
            start = number * self._batch_size
            yield Planned(epoch, number, self._draws[start : start + self._batch_size][self._rank :: self._world])


class Turns:
    """Whole batches of a plan, of which machine `rank` of `world` gets every `world`-th."""

    def __init__(self, plan: Plan, rank: int, world: int) -> None:
        self._plan, self._rank, self._world = plan, rank, world
        self.steps_per_epoch = len(range(rank, plan.steps_per_epoch, world))

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = 1) -> Iterator[Planned]:
        return islice(self._plan.batches(epoch, step * self._world, stop), self._rank, None, self._world)


def places_from(epoch: int, step: int, stop: int | None, steps_per_epoch: int) -> Iterator[tuple[int, int]]:
    """Yield epoch and step from a place on, up to the beginning of epoch `stop` or without end."""
    epoch, step = epoch + step // steps_per_epoch, step % steps_per_epoch
    while stop is None or epoch < stop:
        yield epoch, step
        step += 1
        if step == steps_per_epoch:
            epoch, step = epoch + 1, 0


def _balanced(labels: NDArray[np.integer], random: np.random.Generator) -> NDArray[np.int64]:
    present, counts = np.unique(labels, return_counts=True)
    share, rest = divmod(len(labels), len(present))
    one_more = set(random.permutation(len(present))[:rest].tolist())
    members_of = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    draws = []
    for number, members in enumerate(members_of):
        wanted = share + (number in one_more)
        rounds = -(-wanted // len(members))
        repeated = [random.permutation(members) + repetition * len(labels) for repetition in range(rounds)]
        draws.append(np.concatenate(repeated)[:wanted] if rounds else members[:0])
    return random.permutation(np.concatenate(draws))
