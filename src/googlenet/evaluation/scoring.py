"""One image's answer against its truth, in the few numbers that all metrics are made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from googlenet.data.truths import Truths
from googlenet.evaluation.metrics import TOP, brier, negative_log_likelihood, rank_of_truth
from googlenet.evaluation.validation import most_probable

__all__ = ["SCORE", "score"]

SCORE = np.dtype(
    [("first", "<i4", TOP), ("probabilities", "<f4", TOP), ("rank", "<i4"), ("loss", "<f4"), ("brier", "<f4")]
)
"""The fields of `Outcome` for one image."""


def score(probabilities: NDArray[np.float64], places: NDArray[np.int64], truths: Sequence[int]) -> NDArray[np.void]:
    """Return a `SCORE`, for probabilities [K] of the classes `places` [K], ascending, of which `truths` are right."""
    rows = probabilities[None]
    right = Truths.of([np.searchsorted(places, truths)])
    first, values = most_probable(rows)
    found = np.zeros((), SCORE)
    found["first"] = np.where(first[0] < 0, -1, places[first[0]])
    found["probabilities"] = values[0]
    found["rank"] = rank_of_truth(rows, right)[0]
    found["loss"] = negative_log_likelihood(rows, right)[0]
    found["brier"] = brier(rows, right)[0]
    return found
