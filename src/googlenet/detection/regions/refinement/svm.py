"""A linear support vector machine for each class, against all else, with hard negatives (Girshick et al., 2014).

Positives are the objects themselves, negatives what overlaps each object of the class by less than 0.3; what lies
between is neither. All negatives of the first picture are taken, of the others those that the machine of the moment
does not reject well, in one pass over the pictures.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from googlenet.detection.regions.refinement.examples import Example, Examples
from googlenet.detection.regions.refinement.logistic import fit_logistic
from googlenet.reporting.progress import Progress

__all__ = ["FAR", "Svms", "fit_svms", "mine"]

FAR = 0.3
"""Intersection over union with every object of a class below which a window is a negative."""

HARD, EASY = -1.0001, -1.2
"""Negatives with a higher margin are taken, and let go of below the other."""

FRESH = 2000
"""New negatives after which a machine is trained again."""

MOST = 10_000
"""Positives of a class, and hard negatives, that are held at most: 820 MB of features of the paper's network."""

COST, POSITIVE_WEIGHT, BIAS = 0.001, 2.0, 10.0

PRECISION = 0.01
"""Of margins; more takes a hundred times as long where classes cannot be told apart."""

NEVER = -1e4
"""The bias of a class that nothing shows: its probability is 0."""


@dataclass(frozen=True)
class Svms:
    """The machines of C classes, calibrated: the probability is the logistic function of weights times features."""

    weights: NDArray[np.float32]
    """[C, D]"""
    biases: NDArray[np.float32]
    """[C]"""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each class for features [N, D]: [N, C]."""
        return expit((features @ self.weights.T + self.biases).astype(np.float64))


def fit_svms(examples: Examples) -> Svms:
    """Fit the machines, and to each a logistic function of its margin (Platt), on windows as they come in use."""
    weights, biases = mine(examples)
    sample = examples.sample
    margins = examples.each(sample.rows, lambda values: values @ weights.T + biases)
    for label, own in enumerate(examples.own):
        if not np.isfinite(biases[label]):
            biases[label] = NEVER
            continue
        found = fit_logistic(margins[:, label], *sample.shows(label, len(own)))
        weights[label] *= found.slope
        biases[label] = found.slope * biases[label] + found.bias
    return Svms(weights * np.float32(examples.scale), biases)


def mine(examples: Examples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights [C, D] and biases [C] whose product with scaled features is the margin of each class.

    The bias of a class without objects, or without negatives, is infinite.
    """
    mining = _Mining(examples)
    with Progress("SVMs", total=examples.pictures) as progress:
        for example in examples:
            mining.see(example.rows, _negatives(examples.classes, example))
            progress.update()
    mining.end()
    return mining.weights, mining.biases


def _negatives(classes: int, example: Example) -> NDArray[np.bool_]:
    """Whether a window is a negative of each class, [N, C]."""
    found = np.ones((len(example.rows), classes), np.bool_)
    for label in np.unique(example.objects.labels).tolist():
        found[:, label] = example.nearness(label) < FAR
    found[:, sorted(example.objects.excluded)] = False
    return found


class _Mining:
    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        self._positives = [own[:: -(-len(own) // MOST) or 1] for own in examples.own]
        self._has_objects = np.array([len(own) > 0 for own in self._positives])
        self._negatives = [np.empty(0, np.int64) for _ in self._positives]
        self._fresh = np.zeros(len(self._positives), np.int64)
        self.weights = np.zeros((len(self._positives), examples.width), np.float32)
        self.biases = np.full(len(self._positives), np.inf, np.float32)

    def see(self, rows: NDArray[np.int64], negatives: NDArray[np.bool_]) -> None:
        """Take the hard ones among the negatives [N, C] of a picture."""
        margins = self._examples.values(rows) @ self.weights.T + self.biases
        hard = negatives & (margins > HARD) & self._has_objects
        for label in np.flatnonzero(hard.any(0)).tolist():
            found = rows[hard[:, label]]
            self._negatives[label] = np.concatenate([self._negatives[label], found])
            self._fresh[label] += len(found)
            if self._fresh[label] >= FRESH or np.isinf(self.biases[label]):
                self._train(label)

    def end(self) -> None:
        """Train those that have taken some since."""
        for label in np.flatnonzero(self._fresh).tolist():
            self._train(label)

    def _train(self, label: int) -> None:
        from sklearn.svm import LinearSVC  # takes a second to load

        positives, negatives = self._positives[label], self._negatives[label]
        values = self._examples.values(np.concatenate([positives, negatives]))
        shows = np.arange(len(values)) < len(positives)
        machine = LinearSVC(
            loss="hinge",
            C=COST,
            class_weight={True: POSITIVE_WEIGHT},
            intercept_scaling=BIAS,
            tol=PRECISION,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is not separable need not converge
            machine.fit(values, shows)
        self.weights[label], self.biases[label] = machine.coef_[0], machine.intercept_[0]
        margins = values[len(positives) :] @ self.weights[label] + self.biases[label]
        hardest = np.argsort(-margins, kind="stable")[:MOST]
        self._negatives[label] = negatives[np.sort(hardest[margins[hardest] >= EASY])]
        self._fresh[label] = 0
