"""How well a region classifier detects the objects of validation pictures: mean average precision, and its loss.

The figure is that of a detector (section 8's), since shares of windows that are classified rightly say next to nothing
of it: nearly all windows are background, and one wrong one in a hundred is ten false alarms a picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from googlenet.data.batch import Batch, counts_of
from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.predictions import predictions_of
from googlenet.detection.average_precision.protocols import ProtocolName
from googlenet.detection.average_precision.results import AveragePrecision
from googlenet.detection.detections import Detections
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.sampler import POSITIVES
from googlenet.detection.regions.selection import Selection, select
from googlenet.detection.regions.task import mask_of
from googlenet.training.setup import Answer
from googlenet.weights.classes import Class

__all__ = ["PROTOCOL", "Found", "RegionOutcome", "detect", "detections_of", "judge"]

PROTOCOL: ProtocolName = "voc2010"
"""The area below the curve of precision against recall, at an IoU of 0.5."""


@dataclass(frozen=True)
class RegionOutcome:
    """What was detected in the images that could be read."""

    images: int
    loss: float
    """Cross entropy of the windows, those with objects weighted as in training."""
    found: AveragePrecision

    def figures(self) -> Mapping[str, int | float | None]:
        """Return what a log or a summary says of it."""
        precision = self.found.mean
        return {"images": self.images, "loss": self.loss, "objects": sum(self.found.objects), "mAP": precision}


@dataclass(frozen=True)
class Found:
    """What one process detected in its images that could be read."""

    indices: Sequence[int]
    detections: Sequence[Detections]
    losses: Mapping[bool, NDArray[np.float32]]
    """Of each window, of those with objects (True) and of those without."""


@torch.no_grad()
def detect(answer: Answer, batches: Iterable[Batch], dataset: RegionImages, together: int) -> Found:
    """Return what `answer` detects in the images of `batches`, made by `FirstWindows`.

    At most `together` windows go through the network at once.
    """
    indices, detections = list[int](), list[Detections]()
    losses = {True: [torch.empty(0)], False: [torch.empty(0)]}
    for batch in batches:
        if not len(batch):
            continue
        parts = zip(batch["images"].split(together), mask_of(batch).split(together), strict=True)
        logits = torch.cat([answer(pixels, mask).float().cpu() for pixels, mask in parts])
        labels, background = batch["labels"], logits.shape[1] - 1
        each = functional.cross_entropy(logits, labels, reduction="none")
        for is_object, of_kind in losses.items():
            of_kind.append(each[(labels != background) == is_object])
        indices += batch.indices.tolist()
        detections += _detected(batch, logits.softmax(1), dataset)
    return Found(indices, detections, {kind: torch.cat(parts).numpy() for kind, parts in losses.items()})


def judge(answers: Sequence[Found], dataset: RegionImages) -> RegionOutcome:
    """Return how good the detections of all processes are, in the order of the images."""
    pairs = [pair for one in answers for pair in zip(one.indices, one.detections, strict=True)]
    detections = [found for _, found in sorted(pairs, key=lambda pair: pair[0])]
    losses = {kind: torch.from_numpy(np.concatenate([one.losses[kind] for one in answers])) for kind in (True, False)}
    means = {kind: float(values.mean()) if len(values) else 0.0 for kind, values in losses.items()}
    loss = POSITIVES * means[True] + (1 - POSITIVES) * means[False]
    found = evaluate(predictions_of(detections), dataset.annotated, PROTOCOL)
    return RegionOutcome(len(detections), loss, found)


def detections_of(
    image: str,
    size: tuple[int, int],
    boxes: NDArray[np.float64],
    scores: NDArray[np.floating],
    classes: tuple[Class, ...],
    how: Selection,
) -> Detections:
    """Return what is detected in a picture of `size` (width, height), given the scores [N, C] of its boxes.

    Those are [N, 4], or [N, C, 4] where each class has its own.
    """
    rows, labels = select(boxes, scores, how)
    ids = tuple(classes[label].id for label in labels.tolist())
    found = boxes[rows] if boxes.ndim == 2 else boxes[rows, labels]
    return Detections(image, size, found, ids, scores[rows, labels].astype(np.float64))


def _detected(batch: Batch, probabilities: Tensor, dataset: RegionImages) -> list[Detections]:
    counts = batch[counts_of("images")].tolist()
    found = []
    for index, size, boxes, scores in zip(
        batch.indices.tolist(),
        batch["sizes"].tolist(),
        batch["boxes"].split(counts),
        probabilities[:, :-1].split(counts),
        strict=True,
    ):
        picture = (dataset.name(index), tuple(size), boxes.numpy(), scores.numpy())
        found.append(detections_of(*picture, dataset.classes, Selection()))
    return found
