"""How a replica's gradients leave it and weights come to it: the `Exchange` of the one loop, at its own pace."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.shard import Fetched, Push, Taken
from googlenet.training.exchange import Alone
from googlenet.training.optimizer import SGD

__all__ = ["Link", "ToShards"]


class Link(ABC):
    """The shards as a replica reaches them; a shard that was lost is waited for."""

    @abstractmethod
    def fetch(self, replica: int, at_least: Sequence[int]) -> list[Fetched]:
        """Return each shard's weights, of a version of at least so much, which is waited for."""

    @abstractmethod
    def push(self, pushes: Sequence[Push]) -> list[Taken]:
        """Have each shard take its push, once, and return what became of it."""


class ToShards(Alone):
    """Sends the sum of the gradients of every `push_every` steps, fetches weights before every `fetch_every`th step.

    In between the replica moves by its own gradients, as Downpour's did. `admit` is asked before each step, with its
    number from 0, and may wait. `parameters` are what the slices name.
    """

    def __init__(
        self,
        link: Link,
        slices: Slices,
        parameters: Mapping[str, nn.Parameter],
        *,
        replica: int = 0,
        fetch_every: int = 1,
        push_every: int = 1,
        admit: Callable[[int], None] = lambda step: None,
    ) -> None:
        self.replica, self._link, self._slices, self._parameters = replica, link, slices, parameters
        self._fetch_every, self._push_every, self._admit = fetch_every, push_every, admit
        self._numbers, self._versions = 0, [0] * slices.count
        self._at_least = [0] * slices.count
        self.begin()

    def begin(self) -> None:
        """Begin a stretch: the next step fetches."""
        self.step = 0
        """Steps of the whole run that are done with the one at hand; whoever calls the loop sets it."""
        self.taken: list[Taken] = []
        """What became of the last step's push, by shard; nothing where there was none."""
        self._steps, self._pushed = 0, 0
        self._sum: list[Tensor] | None = None
        self._images, self._rate = 0, 0.0

    @property
    def pushed(self) -> int:
        """How many steps of this stretch the shards have had the gradients of."""
        return self._steps if self._sum is None else self._pushed

    def expect(self, parameters: Sequence[nn.Parameter], images: int, passes: int) -> None:
        self._admit(self._steps)
        self.taken = []
        if self._steps % self._fetch_every == 0:
            self._fetch()
        self._steps += 1

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        self._images += images
        return images

    def apply(self, optimizer: SGD, rate: float) -> None:
        gradients = self._slices.cut({name: one.grad for name, one in self._parameters.items()})
        if self._sum is not None:
            gradients = [one + more for one, more in zip(self._sum, gradients, strict=True)]
        self._sum = gradients
        self._rate = rate
        if self._steps - self._pushed >= self._push_every:
            self.finish()
        if self._steps % self._fetch_every:
            self._move(optimizer, rate)

    def finish(self) -> None:
        """Push what has not been pushed."""
        if self._sum is not None:
            self._numbers += 1
            self.taken = self._link.push(
                [
                    Push(part, self._rate, version, self._images, self.step, self.replica, self._numbers)
                    for part, version in zip(self._sum, self._versions, strict=True)
                ]
            )
            self._at_least = [one.clock + (one.fate == "waiting") for one in self.taken]
        self._sum, self._images, self._pushed = None, 0, self._steps

    def _fetch(self) -> None:
        fetched = self._link.fetch(self.replica, self._at_least)
        self._slices.join([one.weights for one in fetched], self._parameters)
        self._versions = [one.version for one in fetched]

    @torch.no_grad()
    def _move(self, optimizer: SGD, rate: float) -> None:
        """Move this replica's own weights until the next fetch, without momentum, which the shards have."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-rate * group["lr_mult"])
