"""Which windows a region classifier is trained on: a quarter of objects, the rest background, whatever there is."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.sampler import Planned, places_from
from googlenet.detection.regions.windows import Windows
from googlenet.errors import InputError
from googlenet.randomness import generator

__all__ = ["PER_PICTURE", "POSITIVES", "Drawn", "WindowSampler", "read_draw"]

POSITIVES = 0.25
"""Share of the windows of a batch that show an object: 32 of 128 (Girshick et al.)."""

PER_PICTURE = 8
"""Windows of a picture that are drawn in an epoch, on the mean."""


class Drawn(NamedTuple):
    """What a draw stands for, beside the picture."""

    position: int
    """The sample's place in its epoch: it tells apart the times that a window is drawn."""
    window: int
    """The window's number in its picture."""


class WindowSampler:
    """Batches of windows, drawn with replacement, each of a kind as likely as the others: of all pictures and classes.

    A draw, as `Sampler` has it, has the picture as its remainder by the number of pictures; the quotient is position
    and window (`read_draw`). `batch_size` counts the windows of all `world` machines together, and a step's are a
    function of (seed, epoch, step); machine `rank` gets every `world`-th.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        if not len(windows.positives) or len(windows.positives) == len(windows):
            lacking = "background" if len(windows.positives) else "an object"
            raise InputError(
                f"no window of {windows.pictures:,} pictures shows {lacking}; give other data or proposals"
            )
        if batch_size < world:
            raise InputError(f"batch size {batch_size}: give at least {world}, one window for each machine")
        self._windows, self._batch_size, self._seed = windows, batch_size, seed
        self._rank, self._world = rank, world
        self.steps_per_epoch = max(1, round(PER_PICTURE * windows.pictures / batch_size))

    def rows(self, epoch: int, step: int) -> NDArray[np.int64]:
        """Return the rows of a batch's windows, of all machines, in random order: int64 [batch size]."""
        random, windows = generator(self._seed, "windows", epoch, step), self._windows
        count = round(POSITIVES * self._batch_size)
        positives = windows.positives[random.integers(len(windows.positives), size=count)]
        others = random.integers(len(windows) - len(windows.positives), size=self._batch_size - count)
        return random.permutation(np.concatenate([positives, windows.negatives(others)]))

    def batch(self, epoch: int, step: int) -> Planned:
        """Return this machine's part of one batch, 0 <= step < `steps_per_epoch`."""
        pictures, numbers = self._windows.places(self.rows(epoch, step))
        positions = step * self._batch_size + np.arange(self._batch_size)
        draws = (positions * self._windows.most + numbers) * self._windows.pictures + pictures
        return Planned(epoch, step, draws[self._rank :: self._world])

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = None) -> Iterator[Planned]:
        """Yield batches from a place on, epoch after epoch, up to the beginning of epoch `stop` or without end."""
        for place in places_from(epoch, step, stop, self.steps_per_epoch):
            yield self.batch(*place)


def read_draw(draw: int, windows: Windows) -> Drawn:
    """Return what a draw of `WindowSampler` stands for."""
    return Drawn(*divmod(draw // windows.pictures, windows.most))
