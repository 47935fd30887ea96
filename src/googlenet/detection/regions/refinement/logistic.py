"""Scores to probabilities: a logistic regression that changes the scores it is given no more than the data asks for."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["Logistic", "fit_logistic", "log_odds"]

LEAST_SLOPE = 0.05
"""A surer window of a picture stays the surer one."""

LEAST = 1e-7
"""Probabilities are no nearer to 0 and 1: their log odds lie within 16."""


class Logistic(NamedTuple):
    """The probability of s with evidence e is 1 / (1 + exp(-(slope s + weights e + bias)))."""

    slope: float
    weights: NDArray[np.float64]
    """[K]"""
    bias: float


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log(p / (1 - p))."""
    within = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
    return np.log(within) - np.log1p(-within)


def fit_logistic(
    scores: NDArray[np.floating],
    shows: NDArray[np.bool_],
    weights: NDArray[np.float64],
    evidence: NDArray[np.float64] | None = None,
    pictures: NDArray[np.int64] | None = None,
) -> Logistic:
    """Fit to N windows with `scores` [N], log odds of what they `show`; each counts as much as its weight.

    `evidence` [P, K] is of P pictures, and `pictures` [N] says of which a window is. The least sum of the logistic
    losses and half of the squares of `weights` and of what the slope differs from 1.
    """
    scores = scores.astype(np.float64)
    if evidence is None or pictures is None:
        evidence, pictures = np.empty((1, 0)), np.zeros(len(scores), np.int64)
    signs = np.where(shows, 1.0, -1.0)

    def loss(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, bias, of_evidence = found[0], found[1], found[2:]
        margins = signs * (slope * scores + bias + (evidence @ of_evidence)[pictures])
        pulls = -weights * signs * expit(-margins)
        value = (weights * np.logaddexp(0, -margins)).sum() + 0.5 * ((slope - 1) ** 2 + of_evidence @ of_evidence)
        of_pictures = np.bincount(pictures, pulls, minlength=len(evidence))
        of_own = np.array([pulls @ scores + slope - 1, pulls.sum()])
        return float(value), np.concatenate([of_own, evidence.T @ of_pictures + of_evidence])

    start = np.concatenate([[1.0], np.zeros(1 + evidence.shape[1])])
    bounds = [(LEAST_SLOPE, None)] + [(None, None)] * (len(start) - 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}).x
    return Logistic(float(found[0]), found[2:], float(found[1]))
