"""The range of a map's values that eight bits stand for."""

from dataclasses import dataclass

__all__ = ["STEPS", "Range"]

STEPS = 255


@dataclass(frozen=True)
class Range:
    """The values that a map's steps reach: `low` is 0 or below."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        return (self.high - self.low) / STEPS

    @property
    def zero(self) -> int:
        """The step that means 0."""
        return round(-self.low / self.scale)
