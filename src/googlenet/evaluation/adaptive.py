"""Views are added to an image until every row is sure of its answer, a few of several images at a time."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from googlenet.errors import InputError
from googlenet.evaluation.combination import across_models, across_views
from googlenet.evaluation.metrics import TOP
from googlenet.evaluation.models import Judged
from googlenet.evaluation.pipeline import Views, forward
from googlenet.evaluation.rows import Answered, RowPlan
from googlenet.evaluation.until_sure import Certainty, Sure, best, view_order

__all__ = ["answered_when_sure"]

IMAGES = 8
"""Whose views go through a network together; as many hold their views in memory."""

STEP = 8
"""Views of an image that are added at a time."""

CHECKED = 10
"""One image of so many is computed whole where a risk was accepted, to see whether that changes answers."""


def answered_when_sure(
    prepared: Iterable[tuple[int, Views | InputError]],
    models: Sequence[Judged],
    plans: Sequence[RowPlan],
    risk: float,
) -> Iterator[tuple[int, Answered | InputError]]:
    """Yield what the rows answer to each image, in order, all of them means over views and models.

    `risk` is that of `Sure`: 0 never changes the best class nor, where there are more than five, which the first five
    are; what is said of the others' probabilities rests on the views that were seen.
    """
    coming = iter(prepared)
    while batch := list(islice(coming, IMAGES)):
        images = {index: _Image(views, models, plans, risk, index % CHECKED == 0) for index, views in _good(batch)}
        while any(one.wanted() for one in images.values()):
            _compute(list(images.values()), models)
            for one in images.values():
                one.go_on()
        for index, views in batch:
            yield index, views if isinstance(views, InputError) else images[index].answered()


def _good(batch: Sequence[tuple[int, Views | InputError]]) -> list[tuple[int, Views]]:
    return [(index, views) for index, views in batch if isinstance(views, Views)]


def _compute(images: Sequence["_Image"], models: Sequence[Judged]) -> None:
    """Compute what all images want next, each model's views together."""
    for number, model in enumerate(models):
        wanted = [sorted({view for of, view in one.wanted() if of == number}) for one in images]
        pictures = [one.views.sets[number].pictures[some] for one, some in zip(images, wanted, strict=True) if some]
        if not pictures:
            continue
        logits, seconds = forward(model, pictures)()
        start = 0
        for one, some in zip(images, wanted, strict=True):
            one.take(number, some, logits[start : start + len(some)], seconds * len(some) / len(logits))
            start += len(some)


class _Unit(NamedTuple):
    """A distinct view through a model: how often the protocol takes it, and its weight in a row's mean."""

    model: int
    view: int
    taken: int
    weight: float


class _RowState:
    """How far one row is with one image."""

    def __init__(self, plan: RowPlan, views: Views, risk: float) -> None:
        self.plan = plan
        units = []
        for model in plan.system.models:
            places = views.sets[model].places[plan.protocol.name]
            counts = np.bincount(places)
            units += [
                _Unit(model, int(view), int(counts[view]), counts[view] / (len(places) * len(plan.system.models)))
                for view in np.flatnonzero(counts)
            ]
        self.units = [units[place] for place in view_order(len(units)).tolist()]
        self.added, self.needed = 0, 0
        count = len(plan.class_set.places)
        self.certainty = Certainty(Sure(risk, TOP if count > TOP else 1), count)
        self.early: NDArray[np.float64] | None = None
        self._outputs = dict(zip(plan.system.models, plan.class_set.outputs, strict=True))

    def next(self) -> Sequence[_Unit]:
        return self.units[self.added : self.added + STEP]

    def add(self, logits: "dict[tuple[int, int], NDArray[np.float32]]") -> None:
        """Add the next views; note the answer when it is sure for the first time."""
        step = self.next()
        said = [logits[unit.model, unit.view][self._outputs[unit.model]].astype(np.float64) for unit in step]
        self.certainty.add(softmax(np.stack(said), axis=1), [unit.weight for unit in step])
        self.added += len(step)
        if self.early is None and (self.certainty.is_sure or self.added == len(self.units)):
            self.early, self.needed = self.mean(logits), self.added

    def mean(self, logits: "dict[tuple[int, int], NDArray[np.float32]]") -> NDArray[np.float64]:
        """The mean over the views that were added; of all of them to the last bit what it is without stopping."""
        if self.added < len(self.units):
            return self.certainty.sums / (1 - self.certainty.unseen)
        means = []
        for model, outputs in self._outputs.items():
            units = sorted(unit for unit in self.units if unit.model == model)
            said = np.stack([logits[model, unit.view][outputs] for unit in units])
            means.append(across_views(said, np.array([unit.taken for unit in units], np.float64), "mean"))
        return across_models(means, "mean")

    def same(self, logits: "dict[tuple[int, int], NDArray[np.float32]]") -> int:
        """Whether all views say what was answered before: 1 or 0, -1 where not all were added."""
        if self.added < len(self.units) or self.early is None:
            return -1
        first = self.certainty.sure.top
        now, then = best(self.mean(logits), first), best(self.early, first)
        return int(now[0] == then[0] and set(now.tolist()) == set(then.tolist()))


class _Image:
    """One image on its way: the logits that are known, and its rows."""

    def __init__(self, views: Views, models: Sequence[Judged], plans: Sequence[RowPlan], risk: float, check: bool):
        self.views = views
        self._rows = [_RowState(plan, views, risk) for plan in plans]
        self._check = check and risk > 0
        self._logits: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._seconds = [0.0] * len(models)

    def wanted(self) -> set[tuple[int, int]]:
        """Which views through which models the next step needs, that are not known."""
        needed = {(unit.model, unit.view) for row in self._open() for unit in row.next()}
        return needed - self._logits.keys()

    def take(self, model: int, views: Sequence[int], logits: NDArray[np.float32], seconds: float) -> None:
        self._logits |= {(model, view): row for view, row in zip(views, logits, strict=True)}
        self._seconds[model] += seconds

    def go_on(self) -> None:
        """Add what is known to the rows, as far as that goes."""
        while ready := [row for row in self._open() if not self._missing(row)]:
            for row in ready:
                row.add(self._logits)

    def answered(self) -> Answered:
        counts = [sum(of == number for of, _ in self._logits) for number in range(len(self._seconds))]
        return Answered(
            tuple(row.early for row in self._rows if row.early is not None),
            tuple(self._counts(row) for row in self._rows),
            tuple(row.same(self._logits) if self._check else -1 for row in self._rows),
            tuple(self._seconds),
            tuple(counts),
            self.views.seconds,
        )

    def _open(self) -> list[_RowState]:
        return [row for row in self._rows if row.added < len(row.units) and (row.early is None or self._check)]

    def _missing(self, row: _RowState) -> bool:
        return any((unit.model, unit.view) not in self._logits for unit in row.next())

    def _counts(self, row: _RowState) -> tuple[int, ...]:
        used = [unit.model for unit in row.units[: row.needed]]
        return tuple(used.count(number) for number in range(len(self._seconds)))
