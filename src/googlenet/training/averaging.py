"""Means of the weights over the steps: "Polyak averaging was used to create the final model used at inference time".

At a rate that never anneals (4 % every 8 epochs) the weights dance around a good place; their mean lies in it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from googlenet.training.loop_recipe import Averaging

__all__ = ["Average", "join_batch_statistics", "recompute_batch_statistics"]


class Average:
    """The mean of a network's parameters, in float32, by their names.

    `polyak` is the arithmetic mean of the weights after each step from step `begin` on. `exponential` starts with the
    weights at hand and keeps min(decay, (1 + t) / (10 + t)) of itself in update t. `none` never has a mean.
    """

    def __init__(self, network: nn.Module, kind: Averaging, *, begin: int = 0, decay: float = 0.9999) -> None:
        self.kind, self.begin, self.decay = kind, begin, decay
        self.count = 0
        """Updates so far."""
        self._parameters = dict(network.named_parameters())
        self.tensors: dict[str, Tensor] = {}
        if kind != "none":
            self.tensors = {
                name: parameter.detach().to(torch.float32, copy=True) for name, parameter in self._parameters.items()
            }

    @property
    def ready(self) -> bool:
        """Whether there is a mean yet."""
        return self.count > 0

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps."""
        if self.kind == "none" or (self.kind == "polyak" and step <= self.begin):
            return
        self.count += 1
        held = {name: mean for name, mean in self.tensors.items() if not mean.is_meta}  # others are trained elsewhere
        weights = [self._parameters[name].detach().float() for name in held]
        torch._foreach_lerp_(list(held.values()), weights, self._share_of_new())

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the mean into the network for the length of a block; afterwards its own weights are back, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def load(self, tensors: dict[str, Tensor], count: int, step: int) -> None:
        """Take over the mean that was saved after `step` steps, in place; none where Polyak's begins later."""
        for name, mean in self.tensors.items():
            mean.copy_(tensors[name])
        self.count = 0 if self.kind == "polyak" and step <= self.begin else count

    def moved(self, step: int) -> tuple[str, str] | None:
        """Where Polyak's mean begins of a run that goes on after `step`, and where it should; None where both agree."""
        begun = step - self.count
        late = not self.count and begun > self.begin
        early = self.ready and begun < self.begin
        if self.kind != "polyak" or not (early or late):
            return None
        verb = "begins" if late else "has begun"
        return f"Polyak's mean {verb} after step {begun:,}", f"after step {self.begin:,}"

    def _share_of_new(self) -> float:
        if self.kind == "polyak":
            return 1 / self.count
        updates = self.count - 1
        return 1 - min(self.decay, (1 + updates) / (10 + updates))

    def _swap(self) -> None:
        for name, mean in self.tensors.items():
            parameter = self._parameters[name]
            parameter.data, self.tensors[name] = mean, parameter.data


@torch.no_grad()
def recompute_batch_statistics(network: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set the running statistics of all batch normalisation to the plain mean over `inputs`.

    The statistics that were gathered during training belong to weights that have moved on; averaged weights never had
    any. Dropout is off meanwhile, and what stays in evaluation when `network` trains, its frozen rows, keeps its
    statistics. A network without batch normalisation is left alone and `inputs` is not read.
    """
    was_training = network.training
    network.train()
    norms = _norms(network)
    momenta = [norm.momentum for norm in norms]
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's sign for the plain mean of all batches
    try:
        for batch in inputs if norms else ():
            network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.train(was_training)


@torch.no_grad()
def join_batch_statistics(network: nn.Module, all_gather: Callable[[Any], list[Any]]) -> None:
    """Make running statistics, each process's plain mean over its batches, the mean over the batches of all.

    `all_gather` returns what each process gives.
    """
    was_training = network.training
    norms = _norms(network.train())
    network.train(was_training)
    own = [(int(norm.num_batches_tracked), norm.running_mean.cpu(), norm.running_var.cpu()) for norm in norms]  # type: ignore[arg-type, union-attr]
    for norm, found in zip(norms, zip(*all_gather(own), strict=True), strict=True):
        batches = sum(count for count, _, _ in found)
        if batches:
            norm.running_mean.copy_(sum(count * mean.double() for count, mean, _ in found) / batches)  # type: ignore[union-attr]
            norm.running_var.copy_(sum(count * variance.double() for count, _, variance in found) / batches)  # type: ignore[union-attr]
            norm.num_batches_tracked.fill_(batches)  # type: ignore[union-attr]


def _norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """The layers whose statistics change, of a network in training."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
