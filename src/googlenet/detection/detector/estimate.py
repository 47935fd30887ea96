"""What the training of a detector will take here, measured on one picture and some crops before it begins."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.detector.work import DetectorWork
from googlenet.detection.multibox.squares import covering
from googlenet.detection.proposals.cache import digest_of
from googlenet.detection.proposals.union import union
from googlenet.detection.regions.sampler import PER_PICTURE
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.inference.predictor import Predictor
from googlenet.network.cost import cost
from googlenet.network.graph import expand, logits_of
from googlenet.network.module import Network
from googlenet.reporting.console import duration
from googlenet.training.loop_recipe import LoopRecipe

__all__ = ["Estimate", "estimate"]

CROPS = 8
"""That are classified to see how long one takes."""

KEPT = 40 + 36
"""Bytes on the disk of a box: as a proposal, and as a window."""

COPIES = 8
"""Of the weights that a training leaves on the disk: two states of three each, the best or final ones, a detector's."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of each part, and bytes."""

    multibox: float
    proposals: float
    training: float
    refinement: float
    evaluation: float
    disk: float

    def __str__(self) -> str:
        parts = {
            "MultiBox": self.multibox,
            "proposals": self.proposals,
            "training": self.training,
            "refinement": self.refinement,
            "evaluation": self.evaluation,
        }
        told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items() if seconds)
        return f"about {duration(sum(parts.values()))}: {told}; {self.disk / 2**20:,.0f} MiB on the disk"


def estimate(work: DetectorWork, network: Network) -> Estimate | None:
    """Return what the stages will take, by the first picture that can be read and a `network`; None if none can be.

    What is proposed for the picture is kept. A shorter precision or another engine may be faster.
    """
    picture = _first(work.data.images)
    if picture is None:
        return None
    begun, digest = time.perf_counter(), digest_of(picture)
    parts = [work.cache.find(source, digest, partial(source.propose, picture)) for source in work.given_sources]
    of_picture = (time.perf_counter() - begun) / _cores()
    of_box = _seconds_of_crop(network, work.recipe.device)
    boxes, judged = len(union(parts)[0]), 0 if work.validation is None else len(work.validation.images)
    learnt, squares = len(work.data.images), 0
    pictures, recipe = learnt + judged, work.recipe
    weights = COPIES * 4 * sum(parameter.numel() for parameter in network.parameters())
    if work.own_boxes is not None:
        squares = len(covering(picture.shape[1], picture.shape[0]))
        boxes += work.own_boxes
        of_picture += squares * of_box
    features = 0 if not work.refinement else learnt * (1 + min(work.refinement.feature_windows, boxes))
    classes = len(work.data.images.classes)
    width = network.get_parameter(f"{logits_of(expand(network.specification))}.weight".replace("/", ".")).shape[1]
    refined = work.refinement.box_regression or work.refinement.scores == "svm"
    answers = judged * boxes * (8 * (4 + classes + 1) + (8 * 4 + 2 * width if refined else 0))
    return Estimate(
        multibox=_trained(work.multibox_recipe, network, learnt, judged * squares) * of_box if squares else 0.0,
        proposals=pictures * of_picture,
        training=_trained(recipe, network, PER_PICTURE * learnt, judged * min(recipe.validation_boxes, boxes)) * of_box,
        refinement=features * of_box,
        evaluation=judged * boxes * of_box,
        disk=float(pictures * boxes * KEPT + answers + features * width * 2 + weights * (2 if squares else 1)),
    )


def _trained(recipe: LoopRecipe, network: Network, samples: int, judged: int) -> float:
    """In classifications, what a run takes of so many samples an epoch, where so many are judged at a time."""
    assert recipe.epochs is not None
    times = -(-recipe.epochs // recipe.evaluate_every)
    return recipe.epochs * _passes(network, recipe.freeze) * samples + 2 * times * judged


def _passes(network: Network, frozen: Sequence[str]) -> float:
    """Classifications that a training sample takes: forward, and, from the first row that learns on, two for gradients.

    What weighs is multiply-adds.
    """
    rows = cost(network.specification).rows
    behind = dropwhile(lambda row: row.name in frozen or not row.parameters, rows)
    return 1 + 2 * sum(row.multiply_adds for row in behind) / sum(row.multiply_adds for row in rows)


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
