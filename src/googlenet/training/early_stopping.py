"""When a run has learnt what it can: so many evaluations without a better score."""

from collections.abc import Mapping
from typing import Any

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Remembers the best evaluation of a run; `patience` 0 never stops it."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.best: float | None = None
        """The score of the best evaluation; `since` counts those after it."""
        self.since = 0

    @property
    def wanted(self) -> bool:
        """Whether the run is to stop."""
        return 0 < self._patience <= self.since

    def take(self, score: float) -> bool:
        """Take in an evaluation; return whether it is the best so far."""
        if self.best is not None and score <= self.best:
            self.since += 1
            return False
        self.best, self.since = score, 0
        return True

    def counters(self) -> dict[str, Any]:
        """Return what a later process needs to go on, as JSON values."""
        return {"best_top1": self.best, "evaluations_since_best": self.since}

    def restore(self, counters: Mapping[str, Any]) -> None:
        """Take over what `counters` returned."""
        self.best, self.since = counters["best_top1"], counters["evaluations_since_best"]
