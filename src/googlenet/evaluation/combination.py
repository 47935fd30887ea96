"""Many views and several models to one answer (section 7): averaged probabilities, or what the paper found inferior.

"mean": softmax probabilities averaged over the views, then over the models. "max": of each class the largest
probability over the views, brought to a sum of 1, then averaged over the models. "logits": the logits averaged, which
is the geometric mean of the probabilities. All in float64, so that the order of views hardly counts.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from googlenet.errors import InputError

__all__ = ["COMBINATIONS", "Combination", "across_models", "across_views", "find_combination"]

Combination = Literal["mean", "max", "logits"]
COMBINATIONS: tuple[Combination, ...] = get_args(Combination)

Array = NDArray[np.float64]


def find_combination(name: str) -> Combination:
    """Return a combination by its name; raises `InputError` for an unknown one."""
    if name not in COMBINATIONS:
        raise InputError(f"combination '{name}' is not known; there are {', '.join(COMBINATIONS)}")
    return name


def across_views(logits: NDArray[np.floating], weights: NDArray[np.floating], combination: Combination) -> Array:
    """Return what one model says after all its views, float64 [classes].

    `logits` is [views, classes]; `weights`, [views], says how often each view occurs, 0 where it does not. The result
    is probabilities, or for "logits" the logarithms that `across_models` goes on with.
    """
    taken = np.flatnonzero(weights)
    values, shares = logits[taken].astype(np.float64), weights[taken] / weights[taken].sum()
    if combination == "logits":
        return shares @ log_softmax(values, axis=1)
    probabilities = softmax(values, axis=1)
    if combination == "mean":
        return shares @ probabilities
    largest = probabilities.max(axis=0)
    return largest / largest.sum()


def across_models(answers: Sequence[Array], combination: Combination) -> Array:
    """Return probabilities, float64 [classes], from what each model says (`across_views`) of the same classes."""
    together = np.mean(answers, axis=0)
    return softmax(together) if combination == "logits" else together
