"""What is counted: the rank of the true class, the share of images that had it among the first, how much probability it
got, and who is taken for whom. numpy alone.

Equal scores go by index, the lowest first. Where an image has several right answers, each of them is right: its rank is
that of the best, and for the probability they count as one class together.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.data.truths import Truths

__all__ = [
    "TOP",
    "brier",
    "confusion",
    "counted_labels",
    "first_answers",
    "most_confident_errors",
    "negative_log_likelihood",
    "rank_of_truth",
    "right_by_class",
    "top",
]

TOP = 5
"""Answers that count beside the first: the paper's top-5, which says nothing of fewer than six classes."""


def rank_of_truth(scores: NDArray[np.floating], truths: Truths) -> NDArray[np.int64]:
    """Return how many classes come before the (best) true one, int64 [N]; NaN counts as last. Scores are [N, C]."""
    rows, own = scores[truths.images], scores[truths.images, truths.classes][:, None]
    is_lower = np.arange(scores.shape[1]) < truths.classes[:, None]
    before = (rows > own) | ((rows == own) & is_lower) | np.isnan(own)
    return np.minimum.reduceat(before.sum(axis=1), truths.starts[:-1])


def first_answers(scores: NDArray[np.floating], count: int = TOP) -> NDArray[np.int64]:
    """Return the classes of the `count` highest scores, the highest first: int64 [N, count], of scores [N, C].

    NaN counts as the lowest score. `ValueError` where there are fewer classes.
    """
    if count > scores.shape[1]:
        raise ValueError(f"the first {count} of {scores.shape[1]} classes")
    lowest = float(np.finfo(scores.dtype).min)
    left = np.nan_to_num(scores, nan=lowest, neginf=lowest, posinf=np.inf)
    answers = np.empty((len(scores), count), np.int64)
    rows = np.arange(len(scores))
    for place in range(count):
        answers[:, place] = left.argmax(axis=1)
        left[rows, answers[:, place]] = -np.inf
    return answers


def top(ranks: NDArray[np.integer], first: int = 1) -> float:
    """Return the share of images whose true class is among the `first` answers; 0 without images."""
    return float((ranks < first).mean()) if len(ranks) else 0.0


def negative_log_likelihood(probabilities: NDArray[np.floating], truths: Truths) -> NDArray[np.float32]:
    """Return minus the logarithm of the probability of a right answer, float32 [N], of probabilities [N, C].

    A probability below what float32 tells from 0 counts as that (1.2e-38), so that all are finite.
    """
    right = _of_truths(probabilities, truths)
    return -np.log(np.maximum(right, np.finfo(np.float32).tiny)).astype(np.float32)


def brier(probabilities: NDArray[np.floating], truths: Truths) -> NDArray[np.float32]:
    """Return the squared differences to an answer that is sure and right, added up over the classes.

    float32 [N] from 0 to 2, of probabilities [N, C].
    """
    squares = np.einsum("nc,nc->n", probabilities, probabilities, dtype=np.float64)
    of_truths = probabilities[truths.images, truths.classes].astype(np.float64)
    squares -= np.add.reduceat(of_truths**2, truths.starts[:-1])
    return (squares + (1 - _of_truths(probabilities, truths)) ** 2).astype(np.float32)


def counted_labels(
    labels: NDArray[np.integer], answers: NDArray[np.integer], ranks: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return under which class each image counts where classes are told apart, int64 [N].

    The first answer, where it is right (it may be another right answer than the label), and the label otherwise.
    """
    return np.where(ranks == 0, answers, labels).astype(np.int64)


def right_by_class(
    labels: NDArray[np.integer], ranks: NDArray[np.integer], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many images of each class were right at first, and how many there are: int64 [classes] both."""
    right = np.bincount(labels[ranks == 0], minlength=classes)
    return right, np.bincount(labels, minlength=classes)


def confusion(labels: NDArray[np.integer], answers: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return who was taken for whom, and how often: int64 [M, 3] of true class, answered class, and images, sorted.

    Pairs that did not occur are not in it, so that many classes take no memory.
    """
    pairs, images = np.unique(np.stack([labels, answers]).astype(np.int64), axis=1, return_counts=True)
    return np.column_stack([*pairs, images])


def most_confident_errors(
    ranks: NDArray[np.integer], probability: NDArray[np.floating], count: int
) -> NDArray[np.int64]:
    """Return the places of the `count` wrong first answers that had the highest probability, the surest first."""
    wrong = np.flatnonzero(ranks > 0)
    return wrong[np.argsort(-probability[wrong], kind="stable")][:count]


def _of_truths(probabilities: NDArray[np.floating], truths: Truths) -> NDArray[np.float64]:
    """The probability of a right answer, [N]."""
    return np.add.reduceat(probabilities[truths.images, truths.classes].astype(np.float64), truths.starts[:-1])
