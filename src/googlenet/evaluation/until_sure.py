"""When further views of an image cannot change the answer, or are unlikely to: the paper's remark that the benefit of
more crops becomes marginal, made useful.

The answer is the mean over views and models, in which each view has its weight, 1 in all. What is still unseen can give
any class at most the weight that is left, so that the best class is certain once it leads by more: that is exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from googlenet.errors import InputError
from googlenet.randomness import generator

__all__ = ["Certainty", "Sure", "best", "view_order", "views_needed"]

MARGIN = 1e-4
"""By so much more a class must lead, in the mean probability: several times what the rounding of float32 makes of it,
in the network for other companions in a batch and in the sum of a thousand views for another order."""

_RIVALS = 20
"""How many of the nearest rivals are tested; the others have a mean probability of at most 1 / 20."""

_NOTHING = 1e-9  # less than this is left of the weights only by rounding


@dataclass(frozen=True)
class Sure:
    """How sure the answer must be before no more views are added.

    The answer is the best class and, where `top` is more than 1, which classes are the first `top`. `risk` 0: nothing
    that the unseen views could say would change it. Above: they change it with at most that probability, if those seen
    are like a random choice of all.
    """

    risk: float = 0.0
    top: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.risk < 0.5:
            raise InputError(f"--until-sure must be a probability from 0 to below 0.5, found {self.risk}")


class Certainty:
    """What the views of one image have said so far, and whether that is enough.

    Each view comes with its weight in the mean over all views and models: its multiplicity among its model's views,
    divided by their number and by the number of models. Those of all views add up to 1.
    """

    def __init__(self, sure: Sure, classes: int) -> None:
        self.sure = sure
        self.sums: NDArray[np.float64] = np.zeros(classes)
        """Weighted sums of the probabilities seen; when all are, their mean."""
        self._seen: list[NDArray[np.float64]] = []
        self._weights: list[NDArray[np.float64]] = []
        self._last = 0.0

    def add(self, probabilities: ArrayLike, weights: ArrayLike) -> None:
        """Take in the probabilities [k, classes] of k views with their weights [k]."""
        said, weight = np.asarray(probabilities, np.float64), np.asarray(weights, np.float64)
        self.sums = self.sums + weight @ said
        self._last = float(weight.sum())
        self._weights.append(weight)
        if self.sure.risk:
            self._seen.append(said)

    @property
    def unseen(self) -> float:
        """The weight of the views that have not been added."""
        return 1.0 - float(sum(weight.sum() for weight in self._weights))

    @property
    def is_sure(self) -> bool:
        """Whether no more views are needed."""
        if self.unseen <= _NOTHING:
            return True
        if not self._weights or not np.isfinite(self.sums).all():
            return False
        return all(self._leads(first) for first in {1, self.sure.top} if first < len(self.sums))

    def _leads(self, first: int) -> bool:
        """Whether it is sure which classes are the first so many."""
        order = np.argsort(-self.sums, kind="stable")
        inside, outside = order[:first], order[first:]
        if self.sums[inside[-1]] - self.sums[outside[0]] > self.unseen + MARGIN:
            return True
        return self.sure.risk > 0 and all(self._keeps_ahead(one, outside[:_RIVALS]) for one in inside[::-1])

    def _keeps_ahead(self, one: int, others: NDArray[np.intp]) -> bool:
        """Whether the views still unseen are unlikely to bring any of `others` before `one`.

        Student's t of the difference between two classes over the views, of which those seen are a sample without
        replacement. One more is counted among them that says the contrary of the clearest, since a few views that
        agree would have no spread. Of the risk each look may spend its share, so that all looks together keep to it.
        """
        weights = np.concatenate(self._weights)
        seen = np.concatenate(self._seen)
        differences = seen[:, [one]] - seen[:, others]
        differences = np.concatenate([differences, -np.abs(differences).max(axis=0, keepdims=True)])
        shares = np.append(weights, weights.mean())
        shares /= shares.sum()
        mean = shares @ differences
        spread = shares @ (differences - mean) ** 2
        views = 1 / (shares**2).sum()  # as many of equal weight
        left = self.unseen / weights.mean()
        error = self.unseen * np.sqrt(spread * views / (views - 1) * (1 / views + 1 / left))
        lead = weights @ differences[:-1] + self.unseen * mean
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = stdtr(views - 1, -lead / error)
        return bool((chance <= self.sure.risk * self._last).all())


def best(sums: ArrayLike, first: int) -> NDArray[np.intp]:
    """Return the `first` classes by their sums, the larger first, equal ones by index."""
    return np.argsort(-np.asarray(sums), kind="stable")[:first]


def view_order(views: int) -> NDArray[np.int64]:
    """Return the order in which so many views are taken until the answer is sure: always the same, and as by chance."""
    return generator(0, "until-sure", 0, views).permutation(views)


def views_needed(probabilities: ArrayLike, weights: ArrayLike, sure: Sure, step: int) -> int:
    """Return how many of an image's views are needed if `step` more are added at a time.

    `probabilities` [views, classes] and `weights` [views] are those of all views, in the order in which they are taken.
    """
    said, weight = np.asarray(probabilities), np.asarray(weights)
    certainty = Certainty(sure, said.shape[1])
    for begin in range(0, len(said), step):
        certainty.add(said[begin : begin + step], weight[begin : begin + step])
        if certainty.is_sure:
            return min(begin + step, len(said))
    return len(said)
