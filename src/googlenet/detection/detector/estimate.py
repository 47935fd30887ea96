"""What the training of a detector will take here, measured on one picture and some crops before it begins."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.proposals.cache import ProposalCache, digest_of
from googlenet.detection.proposals.sources import Source
from googlenet.detection.proposals.union import union
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.sampler import PER_PICTURE
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.inference.predictor import Predictor
from googlenet.network.module import Network
from googlenet.reporting.console import duration

__all__ = ["Estimate", "estimate"]

CROPS = 8
"""That are classified to see how long one takes."""

TRAINED = 3
"""Times of a classification that a training window takes: forward, and two products for the gradients."""

KEPT = 40 + 36
"""Bytes on the disk of a box: as a proposal, and as a window."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of each part, and bytes."""

    proposals: float
    training: float
    evaluation: float
    disk: float

    def __str__(self) -> str:
        parts = {"proposals": self.proposals, "training": self.training, "evaluation": self.evaluation}
        told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items() if seconds)
        return f"about {duration(sum(parts.values()))}: {told}; boxes take {self.disk / 2**20:,.0f} MiB on the disk"


def estimate(
    images: AnnotatedImages,
    held_out: AnnotatedImages | None,
    recipe: RegionRecipe,
    network: Network,
    sources: Sequence[Source],
    cache: ProposalCache,
) -> Estimate | None:
    """Return what proposals, training and evaluation will take, by the first picture that can be read; None if none.

    What is proposed for it is kept in `cache`. A shorter precision or another engine may be faster.
    """
    picture = _first(images)
    if picture is None:
        return None
    begun, digest = time.perf_counter(), digest_of(picture)
    parts = [cache.find(source, digest, partial(source.propose, picture)) for source in sources]
    boxes, of_picture = len(union(parts)[0]), (time.perf_counter() - begun) / _cores()
    of_box = _seconds_of_crop(network, recipe.device)
    judged = 0 if held_out is None else len(held_out)
    pictures = len(images) + judged
    assert recipe.epochs is not None
    windows = recipe.epochs * PER_PICTURE * len(images)
    on_the_way = 2 * (recipe.epochs // recipe.evaluate_every) * judged * min(recipe.validation_boxes, boxes)
    return Estimate(
        proposals=pictures * of_picture,
        training=(TRAINED * windows + on_the_way) * of_box,
        evaluation=judged * boxes * of_box,
        disk=float(pictures * boxes * KEPT),
    )


def _first(images: AnnotatedImages) -> NDArray[np.uint8] | None:
    for index in range(len(images)):
        try:
            return decode(images.read(index), images.name(index))
        except InputError:  # whoever needs it says so
            continue
    return None


def _seconds_of_crop(network: Network, device: str) -> float:
    predictor = Predictor(network.eval(), None, device)
    crops = np.zeros((CROPS, *network.specification.input[1:], 3), np.uint8)
    predictor(crops)  # the first time takes longer
    begun = time.perf_counter()
    predictor(crops)
    return (time.perf_counter() - begun) / CROPS


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
