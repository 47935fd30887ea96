"""What a step of training has seen, and what processes want after one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from googlenet.training.task import LOSS

__all__ = ["Step", "Wish"]


class Wish(IntFlag):
    """What a process wants all of them to do after a step."""

    NOTHING = 0
    SAVE = 1
    STOP = 2
    """Save, and end; the run can go on later."""
    DIVERGED = 4
    """Leave the weights as they were before the step, and end: a loss or gradient is not finite."""


@dataclass(frozen=True)
class Step:
    """What one step has seen: raw values of its own batch, of all processes together."""

    number: int
    """Steps done, from 1."""
    epoch: float
    """Epochs done, with their fraction."""
    rate: float
    images: int
    figures: Mapping[str, float] = field(default_factory=dict)
    """Means by name, as the task has named them; empty where no process had an image."""
    gradient: float = 0.0
    """Euclidean norm of the gradient, before clipping."""
    agreed: Wish = Wish.NOTHING
    """What all processes are to do now."""
    waited: float = 0.0
    """Seconds in which the network waited for images; `seconds` is the whole step."""
    seconds: float = 0.0
    exchange: Mapping[str, Any] = field(default_factory=dict)
    """What the exchange tells of the step; plain values for metrics.jsonl."""

    @property
    def loss(self) -> float:
        """What was minimised."""
        return self.figures.get(LOSS, 0.0)

    def by(self, kind: str) -> dict[str, float]:
        """Return the figures of a kind, such as `losses` or `top1`, by the rest of their names."""
        parts = ((name.partition("/"), value) for name, value in self.figures.items())
        return {rest: value for (first, _, rest), value in parts if first == kind and rest}
