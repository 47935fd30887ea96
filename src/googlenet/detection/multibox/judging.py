"""How well a MultiBox finds the objects of validation pictures: its loss, and the recall of its boxes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from googlenet.data.batch import Batch, counts_of
from googlenet.detection.boxes import Boxes, iou
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.loss import MultiBoxLoss
from googlenet.detection.multibox.merging import Proposals, merge
from googlenet.detection.multibox.squares import covering, kept_within
from googlenet.training.setup import Answer

__all__ = ["NEAR", "MultiBoxOutcome", "joined", "propose"]

NEAR = 0.5
"""Intersection over union at which a box has found an object."""


@dataclass(frozen=True)
class MultiBoxOutcome:
    """What was proposed for each image that could be read, and the objects that should be found."""

    indices: NDArray[np.int64]
    proposals: Sequence[Proposals]
    truths: Sequence[Boxes]
    losses: NDArray[np.float64]
    """[N], of a square of each image, on the mean"""

    @property
    def images(self) -> int:
        return len(self.indices)

    @property
    def objects(self) -> int:
        """How many should be found."""
        return sum(map(len, self.truths))

    def best_overlaps(self, most: int | None = None) -> NDArray[np.float64]:
        """Return, for each object, its best intersection over union with the first `most` boxes of its image."""
        found = [
            iou(truths, proposals.boxes[:most]).max(1, initial=0.0)
            for truths, proposals in zip(self.truths, self.proposals, strict=True)
        ]
        return np.concatenate([np.empty(0), *found])

    def recall(self, most: int | None = None, near: float = NEAR) -> float:
        """Return the share of the objects that the first `most` boxes of their image find; 0 without objects."""
        return float((self.best_overlaps(most) >= near).mean()) if self.objects else 0.0

    def figures(self) -> Mapping[str, int | float | None]:
        """Return what a log or a summary says of it."""
        return {
            "images": self.images,
            "loss": float(self.losses.mean()) if self.images else 0.0,
            "objects": self.objects,
            "recall": self.recall(),
            "mean_best_overlap": float(self.best_overlaps().mean()) if self.objects else None,
        }


@torch.no_grad()
def propose(
    answer: Answer, batches: Iterable[Batch], dataset: ObjectImages, loss: MultiBoxLoss, together: int
) -> MultiBoxOutcome:
    """Return what `answer` proposes for the images of `batches`, made by `AllSquares`: as many boxes as the head has.

    At most `together` squares go through the network at once.
    """
    indices, proposals, truths, losses = list[int](), list[Proposals](), list[Boxes](), list[float]()
    for batch in batches:
        outputs = torch.cat([torch.empty(0), *(_to_host(answer(part)) for part in batch["images"].split(together))])
        parts = outputs.split(batch[counts_of("images")].tolist()) if len(batch) else ()
        for index, size, part in zip(batch.indices.tolist(), batch["sizes"].tolist(), parts, strict=True):
            squares = covering(*size)
            found = loss(part, [kept_within(dataset.boxes(index), square) for square in squares])
            indices.append(index)
            proposals.append(merge(part, loss.head, squares, tuple(size), len(loss.head.priors)))
            truths.append(dataset.required(index))
            losses.append(float((found.location + found.confidence).mean()))
    return MultiBoxOutcome(np.array(indices, np.int64), proposals, truths, np.array(losses))


def joined(parts: Sequence[MultiBoxOutcome]) -> MultiBoxOutcome:
    """Return what was proposed for all images of several outcomes, in the order of their indices."""
    if len(parts) == 1:
        return parts[0]
    indices = np.concatenate([part.indices for part in parts])
    order = np.argsort(indices, kind="stable")
    proposals = [one for part in parts for one in part.proposals]
    truths = [one for part in parts for one in part.truths]
    losses = np.concatenate([part.losses for part in parts])
    return MultiBoxOutcome(
        indices[order], [proposals[place] for place in order], [truths[place] for place in order], losses[order]
    )


def _to_host(outputs: Tensor) -> Tensor:
    return outputs.float().cpu()
