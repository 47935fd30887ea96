"""A whole comparison: the pace of every exchange and number of workers, and the time that learning takes with them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from googlenet.data.identity import identity
from googlenet.data.sources import Source, open_training, open_validation
from googlenet.distributed.simulation.calibration import Calibration, calibrate, expect_workers
from googlenet.distributed.simulation.cluster import HARDLY, Arm, Cluster, meeting_of
from googlenet.distributed.simulation.kept import KeptRuns
from googlenet.distributed.simulation.learner import Learner, small_network
from googlenet.distributed.simulation.learning import Learnt, learn
from googlenet.distributed.simulation.measuring import with_times
from googlenet.distributed.simulation.settings import Settings
from googlenet.distributed.simulation.throughput import Throughput, throughput
from googlenet.errors import InputError, counted
from googlenet.network.zoo import specification
from googlenet.records import encode
from googlenet.reporting.console import duration, say
from googlenet.reporting.progress import Progress

__all__ = ["Study", "compare", "paces"]


@dataclass(frozen=True)
class Study:
    """What was found."""

    cluster: Cluster
    """With every time that was measured."""
    settings: Settings
    paces: tuple[Throughput, ...]
    """By exchange and number of workers; of exchanges that differ in arithmetic alone, the first."""
    alone: Throughput
    """One machine that exchanges nothing."""
    learnt: tuple[Learnt, ...]
    """By exchange and number of workers, each with the rate that met the target soonest, or came nearest."""
    calibration: Calibration | None = None


def paces(cluster: Cluster, settings: Settings) -> tuple[Throughput, ...]:
    """Simulate the pace of each number of workers with each exchange that differs in time."""
    arms = _arms_in_time(settings)
    total = len(arms) * sum(settings.workers)
    found = []
    with Progress("simulating the pace", total=total, unit="workers") as progress:
        for arm in arms:
            for workers in settings.workers:
                found.append(throughput(cluster, arm, workers))
                progress.update(workers)
    return tuple(found)


def _arms_in_time(settings: Settings) -> list[Arm]:
    """Return the exchanges that differ in time; of those that differ in arithmetic alone, the first."""
    by_meeting: dict[str, Arm] = {}
    for arm in settings.exchanges:
        by_meeting.setdefault(meeting_of(arm), arm)
    return list(by_meeting.values())


def _expect_learning(cluster: Cluster, settings: Settings) -> None:
    """Raise `InputError` where machines fail so often that a run of the small network would have no end."""
    for arm, workers in _learning(settings):
        if cluster.productive(meeting_of(arm), workers) < HARDLY:
            raise InputError(
                f"--learning-workers {workers}: with {arm} nothing gets done between two failures; give fewer, or"
                " fewer --failures"
            )


def _learning(settings: Settings) -> list[tuple[Arm, int]]:
    """Return which exchanges learn with how many workers; one worker is the same with all."""
    return [
        (arm, workers)
        for workers in sorted(set(settings.learning_workers))
        for arm in (settings.exchanges if workers > 1 else ("synchronous",))
    ]


def compare(
    cluster: Cluster,
    settings: Settings,
    data: Source,
    validation: Source,
    *,
    calibrated_with: Sequence[int] = (),
    folder: Path | None = None,
    paced: Callable[[Study], None] | None = None,
) -> Study:
    """Measure what times a cluster lacks, and simulate it; finished runs of the small network are kept in `folder`.

    With numbers of workers to be `calibrated_with`, so many real ones are measured beside it. What is known before the
    learning, which takes minutes, is given to `paced`. Raises `InputError` where
    data or options do not fit, before anything is measured.
    """
    arms = _arms_in_time(settings)
    _expect_learning(cluster, settings)
    if calibrated_with:
        expect_workers(arms, calibrated_with)
    learning = _Learning(settings, data, validation, cluster.seed, folder) if settings.learning_workers else None
    cluster = with_times(cluster)
    if any(arm.startswith("downpour") for arm in arms):
        cluster.expect_exchanges()
    calibration = calibrate(cluster, arms, calibrated_with) if calibrated_with else None
    alone = throughput(cluster, "synchronous", 1)
    study = Study(cluster, settings, paces(cluster, settings), alone, (), calibration)
    if paced is not None:
        paced(study)
    return replace(study, learnt=tuple(learning.runs(cluster))) if learning else study


class _Learning:
    """All runs of the small network."""

    def __init__(self, settings: Settings, data: Source, validation: Source, seed: int, folder: Path | None) -> None:
        training = open_training(data)
        held_out = open_validation(validation, training)
        classes = len(training.classes)
        network = specification(settings.learner, classes=classes) if settings.learner else small_network(classes)
        self._settings = settings
        batch = settings.learning_batch
        self._learner = Learner(network, training, held_out, batch_size=batch, seed=seed, longest=LONGEST)
        self._kept = KeptRuns(folder)
        self._of = {
            "learner": network.to_json(),
            "images": [identity(one).sha256 for one in (training, held_out)],
            "settings": {name: getattr(settings, name) for name in ("learning_batch", "momentum", "epochs", "target")},
        }

    def runs(self, cluster: Cluster) -> Iterator[Learnt]:
        """Yield the best run of each exchange and number of workers; that of one worker stands for all exchanges."""
        self._cluster = cluster
        rates = sorted(self._settings.rates, reverse=True)
        asked = _learning(self._settings)
        longest = self._settings.epochs * self._learner.images
        most = len(asked) * len(rates) * longest
        runs = f"{counted(len(asked), 'settings')}, {counted(len(rates), 'rates')} each"
        seconds = most * self._seconds_per_image()
        say(
            f"learning: {runs}, at most {longest:,} images a run: about {duration(seconds)} at the most;"
            " --learning-workers without a number leaves it out"
        )
        with Progress("learning", total=most) as self._progress:
            for arm, workers in asked:
                yield self._best(arm, workers, rates, longest)

    def _best(self, arm: Arm, workers: int, rates: list[float], longest: int) -> Learnt:
        """Try the rates from the largest on, until one is slower than one before it."""
        best: Learnt | None = None
        for tried, rate in enumerate(rates, start=1):
            run = self._run(arm, workers, rate, longest)
            is_better = best is None or _merit(run) > _merit(best)
            best = run if is_better else best
            if not is_better and best is not None and best.reached:
                self._pass_over((len(rates) - tried) * longest)
                break
        assert best is not None
        return best

    def _run(self, arm: Arm, workers: int, rate: float, longest: int) -> Learnt:
        of: dict[str, Any] = self._of | {"cluster": encode(self._cluster), "arm": arm, "workers": workers, "rate": rate}
        if (kept := self._kept.find(of)) is not None:
            self._pass_over(longest)
            return kept
        settings, seen, run = self._settings, 0, None
        self._progress.description = f"learning, {arm}, {counted(workers, 'workers')}, rate {rate:g}"
        for run in learn(
            self._cluster,
            self._learner,
            arm,
            workers,
            rate=rate,
            momentum=settings.momentum,
            epochs=settings.epochs,
            target=settings.target,
        ):
            images = min(longest, run.points[-1].images)
            self._progress.update(images - seen, accuracy=run.points[-1].accuracy)
            seen = images
        assert run is not None
        self._pass_over(longest - seen)
        self._kept.add(of, run)
        return run

    def _pass_over(self, images: int) -> None:
        """Count images no more that a run did not need."""
        assert self._progress.total is not None
        self._progress.total -= images

    def _seconds_per_image(self) -> float:
        begun = time.perf_counter()
        for number in range(_TIMED):
            self._learner.gradient(self._learner.first_weights, [number])
        return (time.perf_counter() - begun) / (_TIMED * self._learner.batch_size)


def _merit(run: Learnt) -> tuple[bool, float]:
    """The sooner the target is met the better; before that, the nearer."""
    return (True, -run.reached.seconds) if run.reached else (False, run.best)


LONGEST = 5.0
"""Of a gradient of the small network, as in the demo: the first steps of a rate that is nearly too high."""

_TIMED = 10
