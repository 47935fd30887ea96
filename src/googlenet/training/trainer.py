"""The training loop: one step after another, each a function of the weights and of (seed, step) alone.

What is learnt (`Task`) and how gradients come together (`Exchange`) are objects handed to the loop, so that one
process, many in step, a parameter server and stages all train by these lines, whatever they learn.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from math import isfinite

import torch
from torch import nn

from googlenet.data.batch import Batch
from googlenet.errors import InputError
from googlenet.training.averaging import Average
from googlenet.training.exchange import Exchange
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.optimizer import SGD, clip
from googlenet.training.schedule import rate_at
from googlenet.training.step import Step, Wish
from googlenet.training.task import Figures, Sum, Task

__all__ = ["Diverged", "Step", "steps"]


class Diverged(InputError):  # noqa: N818  it is what happened, not a fault of the package
    """A loss or gradient is not finite; the weights are still those of the step before."""


def steps(
    task: Task,
    optimizer: SGD,
    average: Average,
    batches: Iterator[Batch],
    recipe: LoopRecipe,
    exchange: Exchange,
    *,
    start: int,
    steps_per_epoch: int,
    name: Callable[[int], str],
    wish: Callable[[], Wish] = lambda: Wish.NOTHING,
) -> Iterator[Step]:
    """Train on `batches`, the first of which is that of step `start`, and yield after each step.

    Each process has its own part of each batch, which may be empty. Whoever gets a `Step` may evaluate, and save or
    stop as `Step.agreed` says: between two steps parameters, optimizer and average are whole. `wish` is what this
    process would have. Raises `Diverged` in all processes, before the weights are touched, where a loss or gradient is
    not finite; `name` tells an image's file for its message.
    """
    parameters = task.parameters
    begun = time.perf_counter()
    for done, batch in enumerate(batches, start):
        rate = rate_at(recipe, done / steps_per_epoch)
        for parameter in parameters.values():
            parameter.grad = None
        exchange.expect(list(parameters.values()), len(batch), min(recipe.accumulate, len(batch)))
        figures: Figures = task.compute(batch) if len(batch) else {}
        images = exchange.gather(list(parameters.values()), len(batch))
        norm = clip(parameters.values(), recipe.clip, exchange.norm) if images else None
        figures, gradient = _to_host(figures, norm)
        broken = _broken(figures, gradient, parameters)
        agreed = exchange.agree(wish() | (Wish.DIVERGED if broken else Wish.NOTHING))
        if Wish.DIVERGED in agreed:
            files = ", ".join(name(int(index)) for index in batch.indices) or "none"
            broken = broken or "loss or gradient of another process"
            raise Diverged(f"step {done + 1}: the {broken} is not finite; its images: {files}")
        if images:
            exchange.apply(optimizer, rate)
            average.update(done + 1)
        yield Step(
            number=done + 1,
            epoch=(done + 1) / steps_per_epoch,
            rate=rate,
            images=images,
            figures={what: value.mean for what, value in exchange.total(figures).items()},
            gradient=gradient,
            agreed=agreed,
            waited=batch.waited,
            seconds=time.perf_counter() - begun,
        )
        begun = time.perf_counter()


def _to_host(figures: Figures, gradient: torch.Tensor | None) -> tuple[Figures, float]:
    """Bring all numbers from the device at once, since each time waits for it."""
    values = [value.total for value in figures.values()] + [0.0 if gradient is None else gradient]
    device = next((value.device for value in values if isinstance(value, torch.Tensor)), torch.device("cpu"))
    numbers = torch.stack([torch.as_tensor(value, dtype=torch.float32, device=device) for value in values]).tolist()
    sums = {name: Sum(number, value.count) for (name, value), number in zip(figures.items(), numbers, strict=False)}
    return sums, numbers[-1]


def _broken(figures: Figures, gradient: float, parameters: Mapping[str, nn.Parameter]) -> str:
    """Name what is not finite, a head's loss or a layer's gradient; empty where all is well."""
    names = [name for name, value in figures.items() if not isfinite(value.mean)]
    if names:
        name = next((name for name in names if name.startswith("losses/")), names[0])
        kind, _, rest = name.partition("/")
        return f"loss of {rest}" if kind == "losses" else f"{kind} of {rest}" if rest else name
    if isfinite(gradient):
        return ""
    layers = [name for name, p in parameters.items() if p.grad is not None and not p.grad.isfinite().all()]
    return f"gradient of {layers[-1]}" if layers else "gradient"
