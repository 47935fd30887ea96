"""Contextual rescoring: what a network says of the whole picture makes a class likelier, or less, in its regions.

The whole picture is one more region, whose scores of all classes are the evidence; a logistic regression for each class
weighs them beside the region's own score (after Felzenszwalb et al., 2010, and the entries with context in Table 5).
Within a picture the order of a class's regions stays as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from googlenet.detection.regions.refinement.examples import Examples
from googlenet.detection.regions.refinement.logistic import fit_logistic, log_odds
from googlenet.reporting.progress import Progress

__all__ = ["Context", "fit_context"]


@dataclass(frozen=True)
class Context:
    """How the scores of C classes depend on the picture: slopes of their own log odds, weights of the picture's."""

    slopes: NDArray[np.float32]
    """[C]"""
    weights: NDArray[np.float32]
    """[C, C], of each class the weights of the picture's"""
    biases: NDArray[np.float32]
    """[C]"""

    def rescored(self, scores: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities [N, C] of regions with `scores` [N, C] in a picture that has `whole` [C]."""
        return expit(self.slopes * log_odds(scores) + self.weights @ log_odds(whole) + self.biases)


def fit_context(examples: Examples, scores: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> Context:
    """Fit to the scores [N, C] that `scores` gives for scaled features [N, D].

    A class that no window shows keeps its scores.
    """
    sample = examples.sample
    regions, wholes = (log_odds(examples.each(rows, scores)) for rows in (sample.rows, sample.wholes))
    mean = wholes.mean(0)
    share = 1 / np.maximum(wholes.std(0), 1)  # what hardly differs between pictures is not made more of
    evidence = (wholes - mean) * share
    slopes, weights, biases = np.ones(examples.classes), np.zeros((examples.classes,) * 2), np.zeros(examples.classes)
    with Progress("context", total=examples.classes, unit="classes") as progress:
        for label, own in enumerate(examples.own):
            shows, counts = sample.shows(label, len(own))
            if len(own):
                found = fit_logistic(regions[:, label], shows, counts, evidence, sample.pictures)
                slopes[label], weights[label] = found.slope, found.weights * share
                biases[label] = found.bias - weights[label] @ mean
            progress.update()
    return Context(*(array.astype(np.float32) for array in (slopes, weights, biases)))
