"""What was answered to labelled images, and how well."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from googlenet.data.batch import Batch
from googlenet.data.truths import Truths
from googlenet.evaluation.metrics import TOP, brier, first_answers, rank_of_truth, top

__all__ = ["Outcome", "joined", "most_probable", "validate"]


@dataclass(frozen=True)
class Outcome:
    """What was answered for each image; arrays [N] in the order of the images that could be read."""

    classes: int
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    """The true class; the first where several are right."""
    first: NDArray[np.int64]
    """[N, 5], the most probable classes; -1 where there are fewer than five."""
    probabilities: NDArray[np.float32]
    """[N, 5], theirs."""
    ranks: NDArray[np.int64]
    """How many classes came before the true one, or before the first of several that are right."""
    losses: NDArray[np.float32]
    """Cross entropy."""
    brier: NDArray[np.float32]
    """Brier score: the squared difference between probability and 0 or 1, added up over the classes; several right
    answers count as one class together."""

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def answers(self) -> NDArray[np.int64]:
        """The most probable class of each image, with its `probability`."""
        return self.first[:, 0]

    @property
    def probability(self) -> NDArray[np.float32]:
        return self.probabilities[:, 0]

    @property
    def loss(self) -> float:
        return float(self.losses.mean(dtype=np.float64)) if self.images else 0.0

    @property
    def top1(self) -> float:
        return top(self.ranks)

    @property
    def top5(self) -> float | None:
        """None under six classes, where it would say nothing."""
        return top(self.ranks, TOP) if self.images and self.classes > TOP else None

    def figures(self) -> dict[str, int | float | None]:
        """Return what a log or a summary says of it."""
        return {"images": self.images, "loss": self.loss, "top1": self.top1, "top5": self.top5}


@torch.no_grad()
def validate(answer: Callable[[Batch], Tensor], batches: Iterable[Batch]) -> Outcome:
    """Return what was answered to the images of `batches`, whose `labels` are the truth.

    `answer` returns a batch's logits, [N, classes]: of its `images`, or of whatever else was made of them.
    """
    classes, parts = 0, []
    for batch in batches:
        if not len(batch):
            continue
        logits = answer(batch).float()
        classes = logits.shape[1]
        losses = functional.cross_entropy(logits, batch["labels"].to(logits.device), reduction="none").cpu().numpy()
        probabilities, scores = logits.softmax(dim=1).cpu().numpy(), logits.cpu().numpy()
        truths = Truths.single(batch["labels"].numpy())
        ranks = rank_of_truth(scores, truths)
        found = (*most_probable(probabilities, scores), ranks, losses, brier(probabilities, truths))
        parts.append([batch.indices.numpy(), batch["labels"].numpy(), *found])
    columns = [np.concatenate(column) for column in zip(_NOTHING, *parts, strict=True)]
    return Outcome(classes, *columns)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Return what was answered to all images of several outcomes, in the order of their indices."""
    if len(parts) == 1:
        return parts[0]
    names = [one.name for one in fields(Outcome) if one.name != "classes"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.argsort(columns["indices"], kind="stable")
    return Outcome(max(part.classes for part in parts), **{name: column[order] for name, column in columns.items()})


def most_probable(
    probabilities: NDArray[np.floating], scores: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the five most probable classes and their probabilities, [N, 5] both, of probabilities [N, C].

    Equal ones go by index; logits as `scores` tell those apart that rounding made equal. Where there are fewer than
    five classes, -1 and 0 stand for those that are missing.
    """
    count = min(TOP, probabilities.shape[1])
    first = np.full((len(probabilities), TOP), -1, np.int64)
    first[:, :count] = first_answers(probabilities if scores is None else scores, count)
    values = np.zeros(first.shape, np.float32)
    values[:, :count] = np.take_along_axis(probabilities, first[:, :count], axis=1)
    return first, values


_WHOLE, _REAL = np.empty((0, TOP), np.int64), np.empty((0, TOP), np.float32)
_NOTHING = (_WHOLE[:, 0], _WHOLE[:, 0], _WHOLE, _REAL, _WHOLE[:, 0], _REAL[:, 0], _REAL[:, 0])
"""The fields of `Outcome`, of no image."""
