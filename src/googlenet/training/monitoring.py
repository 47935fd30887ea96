"""What a person sees of a run: calm values with their name, whose turn it was to wait, and an alarm for dead heads."""

import time
from collections import deque
from collections.abc import Callable
from math import log
from statistics import fmean
from types import TracebackType
from typing import Self

from googlenet.evaluation.metrics import TOP
from googlenet.reporting.console import percent, warn
from googlenet.reporting.progress import Progress
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.losses import MAIN
from googlenet.training.step import Step
from googlenet.training.task import LOSS

__all__ = ["Alarm", "Monitor", "Pace", "Smoothed"]

WINDOW = 20
"""Steps that a smoothed value is the mean of, once so many are done."""


class Monitor:
    """A `with` block around training: the progress line, the words about an epoch, and the alarm.

    `together` is how many images a step takes: as many as a batch, where there are so many.
    """

    def __init__(self, recipe: LoopRecipe, together: int, classes: int, total_steps: int, step: int) -> None:
        assert recipe.epochs is not None
        self._epochs, self._together = recipe.epochs, together
        self._smoothed, self._pace = Smoothed(classes), Pace()
        self._alarm = Alarm(classes, total_steps, recipe)
        self.progress = Progress("training", total_steps * self._together, start=step * self._together)

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.__exit__(kind, error, trace)

    def take(self, step: Step) -> None:
        for watcher in (self._smoothed, self._alarm, self._pace):
            watcher.take(step)
        self.progress.update(self._together, **self._smoothed.shown(self._epochs))

    def pace(self) -> str:
        """Return the words about the epoch that ends, and begin with the next."""
        return self._pace.told()


class Smoothed:
    """Means over the last steps for the screen; metrics.jsonl has the raw values alone."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._last: deque[Step] = deque(maxlen=WINDOW)

    def take(self, step: Step) -> None:
        if step.images:
            self._last.append(step)

    def shown(self, epochs: int) -> dict[str, str]:
        """Return the fields of the progress line by name."""
        if not self._last:
            return {}
        newest = self._last[-1]
        heads = {head: self._mean(f"losses/{head}") for head in newest.by("losses")}
        losses = " ".join(f"{head} {loss:.3f}" for head, loss in heads.items()) or f"{self._mean(LOSS):.3f}"
        rights = {}
        if MAIN in newest.by("top1"):
            rights["top-1"] = percent(self._mean(f"top1/{MAIN}"))
            if self._classes > TOP:
                rights["top-5"] = percent(self._mean(f"top5/{MAIN}"))
        count = len(self._last)
        means = (
            f"{count} step{'s' * (count > 1)}: loss {losses}"  # the names stay, so that each value replaces its last
        )
        return {"epoch": f"{newest.epoch:.1f}/{epochs}", "means of": means, **rights}

    def _mean(self, figure: str) -> float:
        return fmean(step.figures.get(figure, 0.0) for step in self._last)


class Pace:
    """Speed of an epoch, with all that was done in its time, and what was the bottleneck.

    What comes before the first step of all, as replicas do that start, is no part of an epoch.
    """

    LARGE = 0.25
    """Share of the steps' time that is waited for images, above which decoding is what holds the network up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._has_begun = False
        self._begin()

    def take(self, step: Step) -> None:
        if not self._has_begun:
            self._has_begun, self._begun = True, self._clock() - step.seconds
        self._images += step.images
        self._seconds += step.seconds
        self._waited += step.waited

    def told(self) -> str:
        """Return the line's words and begin anew."""
        passed = max(self._clock() - self._begun, self._seconds)
        aside = passed - self._seconds
        bottleneck = "decoding" if self._waited > self.LARGE * self._seconds else "the network"
        if aside > self._seconds:
            bottleneck = "evaluation"
        rate = self._images / passed if passed else 0.0
        waiting, evaluating = (percent(part / passed if passed else 0.0, 0) for part in (self._waited, aside))
        self._begin()
        return (
            f"{rate:.3g} images/s, {bottleneck} the bottleneck ({waiting} of the time waiting for images,"
            f" {evaluating} evaluating and saving)"
        )

    def _begin(self) -> None:
        self._begun = self._clock()
        self._images, self._seconds, self._waited = 0, 0.0, 0.0


class Alarm:
    """Warns of a head whose loss stays at ln(classes), as if it guessed: it gets no gradient that means anything."""

    BLOCK = 50
    """Steps whose mean loss is looked at together."""
    SHARE = 0.98
    """Of ln(classes), above which a block counts as guessing."""

    def __init__(self, classes: int, total_steps: int, recipe: LoopRecipe) -> None:
        self._guessing = log(classes) if classes else 0.0
        self._recipe = recipe
        patience = min(5000, max(200, total_steps // 20))
        self._blocks_needed = patience // self.BLOCK
        self._sums: dict[str, float] = {}
        self._count = 0
        self._bad_blocks: dict[str, int] = {}

    def take(self, step: Step) -> None:
        if not step.images or self._guessing == 0:
            return
        for head, loss in step.by("losses").items():
            self._sums[head] = self._sums.get(head, 0.0) + loss
        self._count += 1
        if self._count == self.BLOCK:
            for head, total in self._sums.items():
                self._check(head, total / self.BLOCK)
            self._sums, self._count = {}, 0

    def _check(self, head: str, loss: float) -> None:
        self._bad_blocks[head] = self._bad_blocks.get(head, 0) + 1 if loss >= self.SHARE * self._guessing else 0
        if self._bad_blocks[head] == self._blocks_needed:
            warn(
                f"the loss of {head} has stayed at {loss:.3f}, ln(classes) = {self._guessing:.3f}, for"
                f" {self._blocks_needed * self.BLOCK} steps: it learns nothing. What usually cures it: --rate"
                f" {(self._recipe.rate or 0) / 2:g}, --warm-up 1, or another --initialization"
            )
