"""What is counted: the rank of the true class, the share of images that had it among the first, and who is taken
for whom."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TOP", "confusion", "rank_of_truth", "right_by_class", "top"]

TOP = 5
"""Answers that count beside the first: the paper's top-5, which says nothing of fewer than six classes."""


def rank_of_truth(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes come before the true one, int64 [N]; equal scores go by index, NaN counts as last."""
    truth = logits.gather(1, labels[:, None])
    order = torch.arange(logits.shape[1], device=logits.device)[None, :]
    before = (logits > truth) | ((logits == truth) & (order < labels[:, None])) | truth.isnan()
    return before.sum(dim=1)


def top(ranks: NDArray[np.integer], first: int = 1) -> float:
    """Return the share of images whose true class is among the `first` answers; 0 without images."""
    return float((ranks < first).mean()) if len(ranks) else 0.0


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
