"""Which classes are meant: those of data and of several models in one list, and which of them a row answers among.

Classes are matched by id, never by position, so that networks with other orders, or with more outputs, combine.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError, counted
from googlenet.weights.classes import Class, id_key

__all__ = ["ClassSet", "common", "union"]


@dataclass(frozen=True)
class ClassSet:
    """The classes among which some models answer together: all that each of them knows."""

    places: NDArray[np.int64]
    """Indices into the evaluation's classes, ascending: [K]."""
    outputs: tuple[NDArray[np.int64], ...]
    """For each model, which of its outputs stand for them: [K] each."""


def union(lists: Sequence[tuple[Class, ...]]) -> tuple[Class, ...]:
    """Return every class once, in the order of the first list, then what the others have more."""
    found: dict[str, Class] = {}
    for classes in lists:
        for one in classes:
            found.setdefault(id_key(one.id), one)
    return tuple(found.values())


def common(
    models: Sequence[tuple[Class, ...]], classes: tuple[Class, ...], only: Collection[str] | None = None
) -> ClassSet:
    """Return the classes that all `models` know, as indices into `classes`; of the ids in `only` alone, if given.

    Raises `InputError` where fewer than two are left: nothing could be told apart.
    """
    outputs = [{id_key(one.id): index for index, one in enumerate(model)} for model in models]
    wanted = None if only is None else {id_key(identifier) for identifier in only}
    keys = [id_key(one.id) for one in classes]
    places = [
        place
        for place, key in enumerate(keys)
        if all(key in known for known in outputs) and (wanted is None or key in wanted)
    ]
    if len(places) < 2:
        who = "the weights know" if len(models) == 1 else "all models together know"
        what = counted(len(places), "classes") if only is None else f"{len(places)} of the data's classes"
        data = "give other weights" if only is None else "give data of two or more"
        mend = data if len(models) == 1 else "take them one by one"
        raise InputError(f"{who} {what}, among which nothing can be told apart; {mend}")
    chosen = [np.array([known[keys[place]] for place in places], np.int64) for known in outputs]
    return ClassSet(np.array(places, np.int64), tuple(chosen))
