"""One shard of a parameter server: a slice of the weights, which moves by each gradient as it arrives.

Downpour SGD (Dean et al. 2012), by which section 6 of the paper trained: momentum lives on the shard, one velocity for
all replicas, and time is the shard's `clock`, its updates so far. Nothing here knows who delivers the gradients, Ray's
actors or a simulation, or whether the weights are a network's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from googlenet.errors import InputError
from googlenet.training.averaging import Average
from googlenet.training.loop_recipe import Averaging
from googlenet.training.optimizer import SGD

__all__ = ["Fetched", "Push", "Rule", "Shard", "ShardState", "Span", "Taken"]


@dataclass(frozen=True)
class Rule:
    """How a shard moves: what all shards of a run have the same. Creating one checks it."""

    momentum: float = 0.9
    nesterov: bool = False
    adagrad: bool = False
    """Divide each parameter's gradient by the root of the sum of its squares so far."""
    divide: bool = False
    """Divide the rate of a gradient by its staleness (Zhang et al. 2016)."""
    compensation: float = 0.0
    """Delay compensation (Zheng et al. 2017): g + compensation * g * g * (weights now - weights it was computed at)."""
    together: int = 0
    """Wait for so many gradients of one version, drop all others, and move by their mean (synchronous, with backup
    workers: Chen et al. 2016); 0 moves by each on its own."""
    averaging: Averaging = "none"
    average_begin: int = 0
    """Steps of the run before Polyak's mean begins."""
    average_decay: float = 0.9999

    def __post_init__(self) -> None:
        for name in ("compensation", "together"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} {getattr(self, name)}: give a number of at least 0")


@dataclass(frozen=True)
class Span:
    """So many neighbouring weights of a shard that move alike."""

    length: int
    rate: float = 1.0
    """Factor on the rate."""
    decay: float = 0.0
    """Weight decay."""


@dataclass(frozen=True)
class Push:
    """A mean gradient over `images`, [n] in float32 or bfloat16, as a replica sends it."""

    gradient: Tensor
    rate: float
    version: int
    """The clock of the weights that it was computed at."""
    images: int = 1
    step: int = 0
    """Steps of the whole run that are done with it, for Polyak's mean; 0 takes the clock."""
    replica: int = 0
    number: int = 0
    """How many pushes the replica has sent with it: one that comes again is not taken again. 0 may be repeated."""


class Fetched(NamedTuple):
    """A copy of a shard's weights, float32 [n], and their version."""

    weights: Tensor
    version: int


class Taken(NamedTuple):
    """What became of a push: the `clock` after it, and how many updates the weights were behind that it came from."""

    clock: int
    staleness: int
    fate: Literal["applied", "waiting", "dropped", "repeated"]


@dataclass(frozen=True)
class ShardState:
    """All that a shard is, to be kept and given back."""

    clock: int
    images: int
    averaged: int
    """Updates of the mean."""
    numbers: Mapping[int, int] = field(default_factory=dict)
    """The last push of each replica."""
    waiting: tuple[int, int, float, int] = (0, 0, 0.0, 0)
    """Of the gradients that wait for others: how many, of how many images, at which rate, up to which step."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """`weights`, `velocity`, and where there are any `average`, `squares`, `sum`: [n] each."""


class Shard:
    """A slice of the weights with its velocity, averages and clock. Whoever calls it does so one call at a time.

    `weights`, float32 [n], is taken over and moved in place; `spans` say what of it has a rate or decay of its own.
    """

    def __init__(self, weights: Tensor, rule: Rule = Rule(), spans: Sequence[Span] = ()) -> None:
        spans = spans or [Span(weights.numel())]
        self.rule, self.together = rule, rule.together
        self.weights, self.velocity = weights, torch.zeros_like(weights)
        self.clock, self.images = 0, 0
        self._squares = torch.zeros_like(weights) if rule.adagrad else None
        self._decay = torch.cat([weights.new_full((span.length,), span.decay) for span in spans])
        self._parts = [nn.Parameter(part) for part in weights.split([span.length for span in spans])]
        groups = [
            {"params": [part], "lr_mult": span.rate, "weight_decay": 0.0 if rule.adagrad else span.decay}
            for part, span in zip(self._parts, spans, strict=True)
        ]
        self._optimizer = SGD(groups, momentum=rule.momentum, nesterov=rule.nesterov)
        for part, velocity in zip(self._parts, self._cut(self.velocity), strict=True):
            self._optimizer.state[part]["velocity"] = velocity
        self._average = Average(_Whole(weights), rule.averaging, begin=rule.average_begin, decay=rule.average_decay)
        self._fetched: dict[int, Tensor] = {}
        """What each replica computes at, where delays are compensated."""
        self._numbers: dict[int, int] = {}
        self._sum = torch.zeros_like(weights) if rule.together else None
        self._waiting = (0, 0, 0.0, 0)

    def fetch(self, replica: int = 0) -> Fetched:
        """Return a copy of the weights for a replica to compute at."""
        if self.rule.compensation:
            self._fetched[replica] = self.weights.clone()
        return Fetched(self.weights.clone(), self.clock)

    @torch.no_grad()
    def push(self, push: Push) -> Taken:
        """Move by a gradient, or keep it until others have come, and say what became of it."""
        if push.number:
            if push.number <= self._numbers.get(push.replica, 0):
                return Taken(self.clock, 0, "repeated")
            self._numbers[push.replica] = push.number
        staleness = max(0, self.clock - push.version)  # a shard that was lost has gone back
        gradient = push.gradient.to(self.weights.dtype, copy=True)
        if self.rule.together:
            return self._collect(push, gradient, staleness)
        if push.replica in self._fetched:
            drift = self.weights - self._fetched[push.replica]
            gradient += self.rule.compensation * gradient * gradient * drift
        rate = push.rate / max(1, staleness) if self.rule.divide else push.rate
        self._move(gradient, rate, push.images, push.step)
        return Taken(self.clock, staleness, "applied")

    def wait_for(self, together: int) -> None:
        """Wait for fewer or more gradients from now on, as replicas come and go; move if so many are there."""
        self.together = together
        if self._waiting[0] >= together:
            self.flush()

    @torch.no_grad()
    def flush(self) -> None:
        """Move by the mean of those gradients that wait for others, if there are any."""
        count, images, rate, step = self._waiting
        if count and self._sum is not None:
            self._waiting = (0, 0, 0.0, 0)
            self._move(self._sum / images, rate, images, step)
            self._sum.zero_()

    def forget(self, replica: int) -> None:
        """Drop what is kept for a replica that is no more."""
        self._fetched.pop(replica, None)
        self._numbers.pop(replica, None)

    def state(self) -> ShardState:
        """Return a copy of all that the shard is; only what replicas have fetched is not in it."""
        tensors = {"weights": self.weights, "velocity": self.velocity}
        optional = {"average": self._average.tensors.get("weights"), "squares": self._squares, "sum": self._sum}
        tensors |= {name: tensor for name, tensor in optional.items() if tensor is not None}
        copies = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        return ShardState(self.clock, self.images, self._average.count, dict(self._numbers), self._waiting, copies)

    @torch.no_grad()
    def restore(self, state: ShardState) -> None:
        """Become what `state` returned, in place; tensors that it lacks stay as they are."""
        self.clock, self.images, self._waiting = state.clock, state.images, state.waiting
        self._average.count, self._numbers = state.averaged, dict(state.numbers)
        self._fetched.clear()
        ours = {"weights": self.weights, "velocity": self.velocity, "average": self._average.tensors.get("weights")}
        ours |= {"squares": self._squares, "sum": self._sum}
        for name, tensor in ours.items():
            if tensor is not None and name in state.tensors:
                tensor.copy_(state.tensors[name])

    def _collect(self, push: Push, gradient: Tensor, staleness: int) -> Taken:
        assert self._sum is not None
        if staleness:
            return Taken(self.clock, staleness, "dropped")
        count, images, _, step = self._waiting
        self._sum.add_(gradient, alpha=push.images)
        self._waiting = (count + 1, images + push.images, push.rate, max(step, push.step))
        if self._waiting[0] < self.together:
            return Taken(self.clock, 0, "waiting")
        self.flush()
        return Taken(self.clock, 0, "applied")

    def _move(self, gradient: Tensor, rate: float, images: int, step: int) -> None:
        if self._squares is not None:
            gradient += self._decay * self.weights
            self._squares.addcmul_(gradient, gradient)
            gradient /= self._squares.sqrt().add_(_TINY)
        for part, moved in zip(self._parts, self._cut(gradient), strict=True):
            part.grad = moved
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.clock += 1
        self.images += images
        self._average.update(step or self.clock)

    def _cut(self, whole: Tensor) -> Sequence[Tensor]:
        return whole.split([part.numel() for part in self._parts])


class _Whole(nn.Module):
    """The weights as a module of one parameter, for `Average`."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)


_TINY = 1e-10
"""Beside the root of Adagrad's sum, as torch has it, lest nothing is divided by nothing."""
