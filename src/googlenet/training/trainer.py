"""The training loop: one step after another, each a function of the weights and of (seed, step) alone.

How gradients come together is an object handed to the loop, so that one process, many in step, a parameter server
and stages all train by these lines.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from googlenet.data.batch import Batch
from googlenet.errors import InputError
from googlenet.evaluation.metrics import rank_of_truth
from googlenet.network.module import Network
from googlenet.training.averaging import Average
from googlenet.training.losses import MAIN, cross_entropies, total
from googlenet.training.optimizer import SGD, clip
from googlenet.training.recipe import Recipe
from googlenet.training.schedule import rate_at

__all__ = ["Alone", "Diverged", "Exchange", "Step", "steps"]


class Exchange(Protocol):
    """How the gradients of machines that train one network come together."""

    def gather(self, parameters: list[torch.nn.Parameter]) -> None:
        """Replace each parameter's gradient, the mean over this machine's images, by the mean over all machines'."""
        ...

    def apply(self, optimizer: SGD, rate: float) -> None:
        """Move the weights by the gathered gradients."""
        ...


class Alone:
    """One process: its gradients are all that there are."""

    def gather(self, parameters: list[torch.nn.Parameter]) -> None:
        pass

    def apply(self, optimizer: SGD, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()


@dataclass(frozen=True)
class Step:
    """What one step has seen: raw values of its own batch. Heads go by name, `main` is the network's own."""

    number: int
    """Steps done, from 1."""
    epoch: float
    """Epochs done, with their fraction."""
    rate: float
    images: int
    loss: float
    """What was minimised: main loss and weighted auxiliary losses."""
    losses: Mapping[str, float] = field(default_factory=dict)
    top1: Mapping[str, float] = field(default_factory=dict)
    """Share of the batch that each head had right; `top5` likewise."""
    top5: Mapping[str, float] = field(default_factory=dict)
    gradient: float = 0.0
    """Euclidean norm of the gradient, before clipping."""
    waited: float = 0.0
    """Seconds in which the network waited for images; `seconds` is the whole step."""
    seconds: float = 0.0


class Diverged(InputError):  # noqa: N818  it is what happened, not a fault of the package
    """A loss or gradient is not finite; the weights are still those of the step before."""


def steps(
    network: Network,
    forward: Callable[[Batch], Mapping[str, Tensor]],
    optimizer: SGD,
    average: Average,
    batches: Iterator[Batch],
    recipe: Recipe,
    *,
    start: int,
    steps_per_epoch: int,
    name: Callable[[int], str],
    exchange: Exchange | None = None,
) -> Iterator[Step]:
    """Train on `batches`, the first of which is that of step `start`, and yield after each step.

    `forward` takes a batch, or a part of one, and returns the logits by head; whoever gets a `Step` may save, evaluate
    or stop: between two steps network, optimizer and average are whole. Raises `Diverged`, before the weights are
    touched, where loss or gradient is not finite; `name` tells an image's file for its message.
    """
    exchange = exchange or Alone()
    named = {name: value for name, value in network.named_parameters() if value.requires_grad}
    parameters = list(named.values())
    begun = time.perf_counter()
    for done, batch in enumerate(batches, start):
        rate = rate_at(recipe, done / steps_per_epoch)
        for parameter in parameters:
            parameter.grad = None
        seen: dict[str, float] = {}
        if len(batch):
            figures = _accumulate(forward, batch, recipe)
            exchange.gather(parameters)
            norm = clip(parameters, recipe.clip)
            *sums, gradient = torch.stack([*figures.values(), norm]).tolist()  # waits for the device
            seen = {what: value / len(batch) for what, value in zip(figures, sums, strict=True)} | {
                "gradient": gradient
            }
            if broken := _broken(seen, named):
                files = ", ".join(name(int(index)) for index in batch.indices)
                raise Diverged(f"step {done + 1}: the {broken} is not finite; its images: {files}")
            exchange.apply(optimizer, rate)
            average.update(done + 1)
        yield Step(
            number=done + 1,
            epoch=(done + 1) / steps_per_epoch,
            rate=rate,
            images=len(batch),
            loss=seen.get("loss", 0.0),
            losses=_named(seen, "loss of "),
            top1=_named(seen, "top-1 of "),
            top5=_named(seen, "top-5 of "),
            gradient=seen.get("gradient", 0.0),
            waited=batch.waited,
            seconds=time.perf_counter() - begun,
        )
        begun = time.perf_counter()


def _accumulate(forward: Callable[[Batch], Mapping[str, Tensor]], batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Leave the gradient of the batch's mean loss in the parameters, part by part; return sums over it by name."""
    count = len(batch)
    figures: dict[str, Tensor] = {}
    for part in batch.split(min(recipe.accumulate, count)):
        outputs = forward(part)
        labels = part["labels"].to(next(iter(outputs.values())).device)
        losses = cross_entropies(outputs, labels, recipe.label_smoothing)
        loss = total(losses, recipe.auxiliary_weight)
        (loss * (len(part) / count)).backward()
        found = {"loss": loss * len(part)}
        for output, logits in outputs.items():
            head = MAIN if output == "logits" else output
            rank = rank_of_truth(logits.detach(), labels)
            found[f"loss of {head}"] = losses[head] * len(part)
            found[f"top-1 of {head}"] = (rank < 1).float().sum()
            found[f"top-5 of {head}"] = (rank < 5).float().sum()
        for what, value in found.items():
            figures[what] = figures.get(what, 0.0) + value.detach()
    return figures


def _named(figures: Mapping[str, float], beginning: str) -> dict[str, float]:
    return {what.removeprefix(beginning): value for what, value in figures.items() if what.startswith(beginning)}


def _broken(seen: Mapping[str, float], parameters: Mapping[str, torch.nn.Parameter]) -> str:
    """Name what is not finite, a head's loss or a layer's gradient; empty where all is well."""
    broken = [what for what, value in seen.items() if not isfinite(value)]
    if not broken:
        return ""
    what = next((what for what in broken if what.startswith("loss of")), broken[0])
    if what != "gradient":
        return what
    layers = [n for n, p in parameters.items() if p.grad is not None and not p.grad.isfinite().all()]
    return f"gradient of {layers[-1]}" if layers else what
