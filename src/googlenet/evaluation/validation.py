"""What was answered to labelled images, and how well."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from googlenet.data.batch import Batch
from googlenet.data.truths import Truths
from googlenet.evaluation.metrics import TOP, rank_of_truth, top

__all__ = ["Outcome", "validate"]


@dataclass(frozen=True)
class Outcome:
    """What was answered for each image; arrays [N] in the order of the images that could be read."""

    classes: int
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    """The most probable class, with its `probability`."""
    probability: NDArray[np.float32]
    ranks: NDArray[np.int64]
    """How many classes came before the true one."""
    losses: NDArray[np.float32]
    """Cross entropy."""

    @property
    def images(self) -> int:
        return len(self.labels)

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
        labels = batch["labels"].to(logits.device)
        classes = logits.shape[1]
        probability, answers = logits.softmax(dim=1).max(dim=1)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        ranks = rank_of_truth(logits.cpu().numpy(), Truths.single(batch["labels"].numpy()))
        found = [value.cpu().numpy() for value in (answers, probability, losses)]
        parts.append([batch.indices.numpy(), batch["labels"].numpy(), *found[:2], ranks, found[2]])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.empty(0)] * 6
    return Outcome(classes, *columns)
