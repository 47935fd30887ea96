"""The rows of a table before there are figures: which models, which views, combined how; and their answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.evaluation.combination import Combination, across_models, across_views
from googlenet.evaluation.models import Judged, System
from googlenet.evaluation.pipeline import Seen
from googlenet.evaluation.protocol import Protocol
from googlenet.weights.class_sets import ClassSet, common
from googlenet.weights.classes import Class

__all__ = ["Answered", "RowPlan", "answered", "plan_rows"]


@dataclass(frozen=True)
class RowPlan:
    """What one row is to be."""

    system: System
    protocol: Protocol
    combination: Combination
    class_set: ClassSet


def plan_rows(
    systems: Sequence[System],
    protocols: Sequence[Protocol],
    combinations: Sequence[Combination],
    models: Sequence[Judged],
    classes: tuple[Class, ...],
    only: Collection[str] | None = None,
) -> list[RowPlan]:
    """Return the rows, in the order of the table: systems, then crops, then combinations.

    `only` restricts answers to classes of these ids.
    """
    sets = {system: _class_set([models[one] for one in system.models], classes, only) for system in systems}
    return [
        RowPlan(system, protocol, combination, sets[system])
        for system in systems
        for protocol in protocols
        for combination in combinations
    ]


def _class_set(models: Sequence[Judged], classes: tuple[Class, ...], only: Collection[str] | None) -> ClassSet:
    try:
        return common([one.model.classes for one in models], classes, only)
    except InputError as error:
        raise InputError(f"{' + '.join(one.name for one in models)}: {error}") from error


@dataclass(frozen=True)
class Answered:
    """What the rows answer to one image."""

    probabilities: tuple[NDArray[np.float64], ...]
    """Of each row, [K] for the classes of its set."""
    needed: tuple[tuple[int, ...], ...]
    """Of each row, how many distinct views of each model it took."""
    same: tuple[int, ...]
    """Of each row, whether all views say the same as those that it took: 1 or 0, -1 where that is not known."""
    seconds: tuple[float, ...]
    """For each model, of computing."""
    views: tuple[int, ...]
    """For each model, how many distinct views were computed."""
    preparing: float


def answered(plans: Sequence[RowPlan], seen: Seen) -> Answered:
    """Return what the rows answer from all views."""
    found: dict[Any, NDArray[np.float64]] = {}

    def of_model(plan: RowPlan, model: int, outputs: NDArray[np.int64]) -> NDArray[np.float64]:
        key = (plan.protocol.name, plan.combination, id(outputs))  # of one model and one set of classes
        if key not in found:
            logits = seen.logits[model][:, outputs]
            weights = np.bincount(seen.places[model][plan.protocol.name], minlength=len(logits)).astype(np.float64)
            found[key] = across_views(logits, weights, plan.combination)
        return found[key]

    def of_row(plan: RowPlan) -> NDArray[np.float64]:
        parts = zip(plan.system.models, plan.class_set.outputs, strict=True)
        return across_models([of_model(plan, *part) for part in parts], plan.combination)

    def needed(plan: RowPlan) -> tuple[int, ...]:
        counts = [len(np.unique(places[plan.protocol.name])) for places in seen.places]
        return tuple(count if model in plan.system.models else 0 for model, count in enumerate(counts))

    return Answered(
        tuple(map(of_row, plans)),
        tuple(map(needed, plans)),
        (-1,) * len(plans),
        seen.seconds,
        tuple(len(logits) for logits in seen.logits),
        seen.preparing,
    )
