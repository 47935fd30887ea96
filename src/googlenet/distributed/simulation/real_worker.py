"""One of the real workers in step that a simulation is compared with: `googlenet train`, with a stopwatch.

    python -m googlenet.distributed.simulation.real_worker FILE NETWORK BATCH STEPS

Several of them are started as `--processes` starts them. The first one writes what it measured to FILE, as JSON.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from googlenet.distributed.meeting import all_processes
from googlenet.distributed.simulation.link import BUCKET
from googlenet.distributed.simulation.measuring import WARM_UP
from googlenet.distributed.simulation.timing import Link, images, plain_recipe, silence, timed, update_seconds
from googlenet.files import write_json
from googlenet.processes import INTERRUPTED
from googlenet.training.exchange import Alone, Exchange, Wish
from googlenet.training.optimizer import SGD
from googlenet.training.run import train
from googlenet.training.task import Figures

__all__ = ["Watched", "main"]


class Watched(Exchange):
    """Another exchange, with a stopwatch."""

    def __init__(self, exchange: Exchange) -> None:
        self.rank, self.size = exchange.rank, exchange.size
        self._exchange = exchange
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
        return self._exchange.agree(wish)


def main(arguments: Sequence[str]) -> int:
    """Train for a few steps and write their times; return the exit status."""
    file, network, batch, steps = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    try:
        _measure(file, network, batch, steps)
    except KeyboardInterrupt:  # whoever started this says so
        return INTERRUPTED
    return 0


def _measure(file: str, network: str, batch: int, steps: int) -> None:
    folder = Path(file).parent
    with all_processes() as exchange:
        beside: dict[str, Any] = {}
        if exchange.size > 1:
            apart = Watched(Alone())
            exchange.all_gather(None)  # all begin at once
            _train(apart, network, batch, steps, folder)
            beside = _link()._asdict() | {"apart": apart.steps_taken[WARM_UP:]}
        watched = Watched(exchange)
        _train(watched, network, batch * exchange.size, steps, folder)
        if exchange.rank == 0:
            steps_taken = watched.steps_taken
            computed = [done - begun for begun, done in zip(watched.begun, watched.computed, strict=True)]
            measured = {
                "steps": steps_taken[WARM_UP:],
                "computing": computed[WARM_UP : len(steps_taken)],
                "images": watched.images[-1],
                "threads": torch.get_num_threads(),
                "update": update_seconds(watched.parameters),
            }
            write_json(file, measured | beside)


def _train(watched: Watched, network: str, batch_size: int, steps: int, place: Path) -> None:
    """Train by the recipe of `googlenet train`, up to the beginning of the step after those that are timed.

    The run's folder is in that `place`, with which it goes where this process is killed.
    """
    data = images((WARM_UP + steps + 1) * batch_size)
    with tempfile.TemporaryDirectory(dir=place) as folder, silence():
        train(data, plain_recipe(network, batch_size), output=watched.lead(lambda: folder), exchange=watched)


def _link() -> Link:
    """Time an exchange of next to nothing, and one of a bucket; all processes do so together.

    Of two, each sends half of everything twice.
    """
    few, many = torch.zeros(1), torch.zeros(BUCKET // 4)
    return Link.of(timed(lambda: distributed.all_reduce(few)), timed(lambda: distributed.all_reduce(many)), BUCKET)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
