"""What real workers of both kinds train on, and how they time the link between them and the move of a shard."""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

from googlenet.data.dataset import Dataset, Subset
from googlenet.data.digits import Digits
from googlenet.distributed.shard import Push, Shard
from googlenet.distributed.simulation.measuring import WARM_UP
from googlenet.training.recipe import Recipe

__all__ = ["Link", "images", "plain_recipe", "silence", "timed", "update_seconds"]

ROUNDS = 20
"""In which an exchange is timed."""


class Link(NamedTuple):
    """What a message takes, in seconds, and the bytes a second beyond."""

    latency: float
    bytes_per_second: float

    @classmethod
    def of(cls, small: float, large: float, sent: float) -> "Link":
        """Return the link of an exchange that takes `small` seconds with next to nothing, `large` with so many bytes.

        It has two messages, one after the other.
        """
        return cls(small / 2, sent / max(large - small, 1e-9))


def images(count: int) -> Dataset:
    """Return so many embedded images, again and again the same: all of a measurement are those of one epoch."""
    digits = Digits("all")
    return Subset(digits, np.arange(count) % len(digits))


def plain_recipe(network: str, batch_size: int) -> Recipe:
    """Return how real workers train: by `googlenet train`, without what is no part of a simulated step."""
    return Recipe(
        network=network,
        batch_size=batch_size,
        epochs=1,
        rate=1e-5,  # what is learnt does not matter, as long as it stays finite
        averaging="none",
        sampling="none",  # pictures are made beside the computation, where there are cores for that
        distortion="none",
        workers=0,
        evaluate_every=1000,
    )


@contextmanager
def silence() -> Iterator[None]:
    """Drop what is said on stderr in a block, also past Python's streams, as by a run that is interrupted."""
    with redirect_stderr(io.StringIO()), ExitStack() as stack:
        with suppress(OSError):  # stderr is closed
            said = os.dup(2)
            stack.callback(os.close, said)
            stack.callback(os.dup2, said, 2)
            with open(os.devnull, "wb") as nothing:  # noqa: PTH123
                os.dup2(nothing.fileno(), 2)
        yield


def update_seconds(parameters: int) -> float:
    """Time how one process moves so many weights by a gradient."""
    shard, gradient = Shard(torch.zeros(parameters)), torch.ones(parameters)
    return timed(lambda: shard.push(Push(gradient, 1e-3, shard.clock)))


def timed(work: Callable[[], Any]) -> float:
    """Return the median seconds of some work."""
    seconds = []
    for _ in range(WARM_UP + ROUNDS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return median(seconds[WARM_UP:])
