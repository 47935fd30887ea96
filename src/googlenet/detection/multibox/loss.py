"""What a MultiBox minimises: how far its boxes are from the objects, and how sure it is of the right ones.

Erhan et al., section 3.2, of each image, with x the assignment (`matching`), which is no function of the weights here:

    F = weight / 2 * sum x |l - g|^2  -  sum x log c  -  sum (1 - x) log(1 - c)

Places count in units of the head (`MultiBox.unit`), which the network's outputs are in: a box that is a few hundredths
of the square from its object then pulls as strongly as a confidence that is wrong. In shares of the square it would
pull a hundredth as much, and the boxes would stay where they start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from googlenet.detection.boxes import Boxes
from googlenet.detection.multibox.matching import Matching, match
from googlenet.network.specification import MultiBox

__all__ = ["Losses", "MultiBoxLoss", "boxes_of", "split"]


@dataclass(frozen=True)
class Losses:
    """Of N images."""

    location: Tensor
    """[N], with its weight"""
    confidence: Tensor
    """[N]"""
    overlaps: Tensor
    """[matches], the intersection over union of each matched box with its object"""


class MultiBoxLoss:
    """The loss of a head; `weight` is that of the places, alpha in the paper."""

    def __init__(self, head: MultiBox, weight: float = 0.3, matching: Matching = "prediction") -> None:
        self.head, self.weight, self.matching = head, weight, matching
        self._priors = np.array(head.priors)

    def __call__(self, outputs: Tensor, truths: Sequence[Boxes]) -> Losses:
        """Return the losses of `outputs`, float32 [N, 5K], where `truths` are the objects of each image.

        A truth is float [M, 4] in shares of the square.
        """
        locations, logits = split(outputs, self.head)
        images, slots, boxes = self._assigned(locations, logits, truths)
        wanted = (boxes - locations.new_tensor(self._priors)[slots]) / self.head.unit
        matched = locations[images, slots]
        squares = 0.5 * self.weight * (matched - wanted).square().sum(1)
        location = torch.zeros_like(logits[:, 0]).index_add(0, images, squares)
        is_object = torch.zeros_like(logits)
        is_object[images, slots] = 1
        confidence = functional.binary_cross_entropy_with_logits(logits, is_object, reduction="none").sum(1)
        found = locations.new_tensor(self._priors)[slots] + self.head.unit * matched.detach()
        return Losses(location, confidence, _overlaps(found, boxes))

    def _assigned(self, locations: Tensor, logits: Tensor, truths: Sequence[Boxes]) -> tuple[Tensor, Tensor, Tensor]:
        """Return image, slot and object of each match: [matches], [matches], [matches, 4]."""
        by_prediction = self.matching == "prediction"
        places, sure = (tensor.detach().double().cpu().numpy() for tensor in (locations, logits))
        images, slots, boxes = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        starts = self._priors / self.head.unit
        for number, truth in enumerate(truths):
            if len(truth):
                offsets = starts + places[number] if by_prediction else starts
                found = match(offsets, truth / self.head.unit, sure[number] if by_prediction else None, self.weight)
                images.append(np.full(len(found[0]), number))
                slots.append(found[0])
                boxes.append(truth[found[1]])
        joined = (
            np.concatenate([np.zeros((0, *shape)), *parts])
            for shape, parts in zip(((), (), (4,)), (images, slots, boxes), strict=True)
        )
        first, second, third = (torch.from_numpy(part) for part in joined)
        device = locations.device
        return first.long().to(device), second.long().to(device), third.to(device, locations.dtype)


def split(outputs: Tensor, head: MultiBox) -> tuple[Tensor, Tensor]:
    """Return the locations, [N, K, 4] in units from the priors, and the logits of the confidences, [N, K]."""
    count = len(head.priors)
    return outputs[:, : 4 * count].view(-1, count, 4), outputs[:, 4 * count :]


def boxes_of(outputs: Tensor, head: MultiBox) -> tuple[Tensor, Tensor]:
    """Return what a network says as boxes in shares of the square, [N, K, 4], and confidences from 0 to 1, [N, K]."""
    locations, logits = split(outputs, head)
    return locations.new_tensor(head.priors) + head.unit * locations, logits.sigmoid()


def _overlaps(ones: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each with its own other, [N]; boxes that end before they begin are empty."""
    low, high = torch.maximum(ones[:, :2], others[:, :2]), torch.minimum(ones[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    sizes = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) for boxes in (ones, others)]
    return shared / (sizes[0] + sizes[1] - shared).clamp(min=1e-12)
