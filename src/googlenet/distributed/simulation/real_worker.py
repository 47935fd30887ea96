"""One of the real workers that a simulation is compared with: a few steps of `googlenet train`, with a stopwatch.

    python -m googlenet.distributed.simulation.real_worker FILE NETWORK BATCH STEPS

Several of them are started as `--processes` starts them. The first one writes what it measured to FILE, as JSON.
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from statistics import median
from typing import Any

import torch
from torch import distributed, nn

from googlenet.data.digits import Digits
from googlenet.distributed.meeting import all_processes
from googlenet.distributed.shard import Push, Shard
from googlenet.distributed.simulation.link import BUCKET
from googlenet.files import write_json
from googlenet.training.exchange import Alone, Exchange, Wish
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import Recipe
from googlenet.training.run import train
from googlenet.training.task import Figures

__all__ = ["Watched", "main"]

WARM_UP = 2
"""Steps before those that count, and rounds of what else is timed."""

ROUNDS = 20
"""In which an exchange is timed."""


class Watched(Exchange):
    """Another exchange, with a stopwatch; after so many steps it has the run stop, as Ctrl-C does."""

    def __init__(self, exchange: Exchange, steps: int) -> None:
        self.rank, self.size = exchange.rank, exchange.size
        self._exchange, self.steps = exchange, steps
        self.begun: list[float] = []
        """When each step's computation began, and when its gradients were computed: seconds of one clock."""
        self.computed: list[float] = []
        self.images: list[int] = []
        self.parameters = 0

    @property
    def steps_taken(self) -> list[float]:
        """Seconds from the beginning of one step to that of the next."""
        return [later - begun for begun, later in zip(self.begun, self.begun[1:], strict=False)]

    def expect(self, parameters: Sequence[nn.Parameter], images: int, passes: int) -> None:
        self.begun.append(time.perf_counter())
        self.parameters = sum(parameter.numel() for parameter in parameters)
        self._exchange.expect(parameters, images, passes)

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        self.computed.append(time.perf_counter())
        self.images.append(self._exchange.gather(parameters, images))
        return self.images[-1]

    def apply(self, optimizer: SGD, rate: float) -> None:
        self._exchange.apply(optimizer, rate)

    def all_gather(self, value: Any) -> list[Any]:
        return self._exchange.all_gather(value)

    def total(self, figures: Figures) -> Figures:
        return self._exchange.total(figures)

    def agree(self, wish: Wish) -> Wish:
        return self._exchange.agree(wish | (Wish.STOP if len(self.begun) >= self.steps else Wish.NOTHING))


def main(arguments: Sequence[str]) -> int:
    """Train for a few steps and write their times."""
    file, network, batch, steps = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    with all_processes() as exchange:
        beside: dict[str, Any] = {}
        if exchange.size > 1:
            apart = Watched(Alone(), WARM_UP + steps + 1)
            exchange.all_gather(None)  # all begin at once
            _train(apart, network, batch)
            beside = _link() | {"apart": apart.steps_taken[WARM_UP:]}
        watched = Watched(exchange, WARM_UP + steps + 1)
        _train(watched, network, batch * exchange.size)
        if exchange.rank == 0:
            steps_taken = watched.steps_taken
            computed = [done - begun for begun, done in zip(watched.begun, watched.computed, strict=True)]
            measured = {
                "steps": steps_taken[WARM_UP:],
                "computing": computed[WARM_UP : len(steps_taken)],
                "images": watched.images[-1],
                "threads": torch.get_num_threads(),
                "update": _update(watched.parameters),
            }
            write_json(file, measured | beside)
    return 0


def _train(watched: Watched, network: str, batch_size: int) -> None:
    """Train on digits by the recipe of `googlenet train`, until the stopwatch has the run stop."""
    data = Digits("all")
    steps_per_epoch = max(1, len(data) // batch_size)
    recipe = Recipe(
        network=network,
        batch_size=batch_size,
        epochs=-(-watched.steps // steps_per_epoch) + 1,
        rate=1e-5,  # what is learnt does not matter, as long as it stays finite
        averaging="none",
        sampling="none",  # pictures are made beside the computation, where there are cores for that
        distortion="none",
        workers=0,
        evaluate_every=1000,
    )
    told = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(told):
        try:
            train(data, recipe, output=watched.lead(lambda: folder), exchange=watched)
        except KeyboardInterrupt:
            if len(watched.begun) < watched.steps:
                raise


def _link() -> dict[str, float]:
    """Time an exchange of next to nothing, and one of a bucket; all processes do so together."""
    few, many = torch.zeros(1), torch.zeros(BUCKET // 4)
    return {
        "small": _timed(lambda: distributed.all_reduce(few)),
        "bucket": _timed(lambda: distributed.all_reduce(many)),
    }


def _update(parameters: int) -> float:
    """Time how one process moves so many weights by a gradient."""
    shard, gradient = Shard(torch.zeros(parameters)), torch.ones(parameters)
    return _timed(lambda: shard.push(Push(gradient, 1e-3, shard.clock)))


def _timed(work: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(WARM_UP + ROUNDS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return median(seconds[WARM_UP:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
