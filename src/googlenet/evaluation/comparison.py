"""Whether one way to answer is better than another, by the images on which they differ."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from googlenet.evaluation.intervals import bootstrap_interval

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Two ways to answer the same images."""

    images: int
    first_alone: int
    """Images that the first answered rightly and the second did not."""
    second_alone: int
    interval: tuple[float, float] | None
    """Of the `difference`: 95 %, by bootstrap of the images."""
    p: float
    """McNemar's exact test, two-sided: how often two equally good ones would differ as much."""

    @property
    def difference(self) -> float:
        """Share of the first that is right, less that of the second."""
        return (self.first_alone - self.second_alone) / self.images if self.images else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"difference": self.difference}


def compare(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Comparison:
    """Compare which of the same N images were answered rightly, bool [N] both."""
    first_alone = int((first_right & ~second_right).sum())
    second_alone = int((second_right & ~first_right).sum())
    differences = first_right.astype(np.int8) - second_right.astype(np.int8)
    p = min(1.0, 2 * float(binom.cdf(min(first_alone, second_alone), first_alone + second_alone, 0.5)))
    return Comparison(len(first_right), first_alone, second_alone, bootstrap_interval(differences), p)
