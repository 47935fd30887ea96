"""Which rows of a table are held against each other: those that differ in crops, models or combination alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from googlenet.evaluation.comparison import Comparison, compare
from googlenet.evaluation.metrics import TOP
from googlenet.evaluation.results import Row
from googlenet.evaluation.validation import Outcome

__all__ = ["Neighbours", "neighbours"]

DIFFERENCES = ("crops", "models", "combination")


@dataclass(frozen=True)
class Neighbours:
    """Two rows of a table by their places, and how the later one did against the earlier one on the same images."""

    earlier: int
    later: int
    differs: str
    """ "crops", "models" or "combination" where they differ in that alone; "several" otherwise."""
    top1: Comparison
    """Its first is the later row, so that a positive difference is a gain."""
    top5: Comparison | None
    """None under six classes."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; rows are counted from 0."""
        compared = {name: one and one.to_json() for name, one in (("top1", self.top1), ("top5", self.top5))}
        return asdict(self) | compared


def neighbours(rows: Sequence[Row]) -> list[Neighbours]:
    """Compare each row with the nearest before it that differs in crops alone, in models alone, in combination alone.

    One that has no such row is compared with the row before it. Rows that say the same, such as mean and maximum of one
    crop, are not compared. The pairs come in the order of what differs, then of rows.
    """
    found = [
        (name, earlier, later)
        for name in DIFFERENCES
        for later in range(1, len(rows))
        if (earlier := _nearest(rows, later, name)) is not None
    ]
    alone = set(range(1, len(rows))) - {later for *_, later in found}
    found += [("several", later - 1, later) for later in sorted(alone)]
    return [_compare(rows, a, b, name) for name, a, b in found if not _are_same(rows[a].outcome, rows[b].outcome)]


def _nearest(rows: Sequence[Row], later: int, differs: str) -> int | None:
    """The last row before `later` that differs from it in one thing alone."""

    def is_one(earlier: Row) -> bool:
        return all((getattr(earlier, name) != getattr(rows[later], name)) == (name == differs) for name in DIFFERENCES)

    return next((place for place in reversed(range(later)) if is_one(rows[place])), None)


def _are_same(one: Outcome, other: Outcome) -> bool:
    """Whether each image has the same answers with the same probabilities."""
    return np.array_equal(one.first, other.first) and np.allclose(one.probabilities, other.probabilities, atol=1e-6)


def _compare(rows: Sequence[Row], earlier: int, later: int, differs: str) -> Neighbours:
    before, after = rows[earlier].outcome, rows[later].outcome
    of_five = None if after.top5 is None else compare(after.ranks < TOP, before.ranks < TOP)
    return Neighbours(earlier, later, differs, compare(after.ranks == 0, before.ranks == 0), of_five)
