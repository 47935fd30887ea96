"""A run that learns where objects are, put together and checked before the first step."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from googlenet.data.batch import Batch
from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.boxes import Boxes, as_boxes
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.findings import findings
from googlenet.detection.multibox.judging import MultiBoxOutcome, joined, propose
from googlenet.detection.multibox.loss import MultiBoxLoss
from googlenet.detection.multibox.priors import find_priors, start_at_priors
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.multibox.samples import AllSquares, DrawnSquares
from googlenet.detection.multibox.squares import kept_within, mean_colour
from googlenet.detection.multibox.task import MultiBoxTask
from googlenet.errors import InputError
from googlenet.images.regions import open_image
from googlenet.network import zoo
from googlenet.network.graph import expand
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import MultiBox, Specification
from googlenet.randomness import generator
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.setup import (
    Answer,
    Findings,
    Score,
    Setup,
    Weights,
    check_fit,
    origin_of,
    read_weights,
)
from googlenet.weights.checkpoint import Checkpoint

__all__ = ["MultiBoxSetup", "prepare"]

PICTURES = 1000
"""Training pictures whose objects make the priors, at most."""

BOXES = 20
"""Boxes for each prior that the crops of those pictures are to show, at least."""

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class MultiBoxSetup(Setup):
    """Pictures with objects, and a network with a head of boxes."""

    recipe: MultiBoxRecipe
    data: ObjectImages
    validation: ObjectImages | None

    command: ClassVar[str] = "googlenet detector train-multibox"
    score: ClassVar[Score] = Score("recall", "recall")

    @property
    def counts(self) -> Mapping[str, int]:
        return {"boxes": len(self._head.priors), "objects": self.data.objects}

    def task(self, network: TrainingNetwork, execution: Execution, steps_per_epoch: int) -> MultiBoxTask:
        recipe = self.recipe
        options = {"seed": recipe.seed, "steps_per_epoch": steps_per_epoch, "parts": recipe.accumulate}
        return MultiBoxTask(network, execution, self._loss, **options)

    def samples(self) -> DrawnSquares:
        return _samples(self.network.specification, self.recipe)

    def evaluation_samples(self) -> AllSquares:
        specification = self.network.specification
        return AllSquares(specification.input[1:], mean_colour(specification.pixels))

    def validate(self, answer: Answer, batches: Iterable[Batch]) -> MultiBoxOutcome:
        assert self.validation is not None
        return propose(answer, batches, self.validation, self._loss, self.recipe.batch_size)

    def judge(self, answers: Sequence[MultiBoxOutcome]) -> MultiBoxOutcome:
        return joined(answers)

    def findings(self, outcome: Any | None, weights: str) -> Findings:
        return findings(self.validation, outcome, weights)

    @property
    def _head(self) -> MultiBox:
        head = self.network.specification.classifier
        assert isinstance(head, MultiBox)
        return head

    @property
    def _loss(self) -> MultiBoxLoss:
        return MultiBoxLoss(self._head, self.recipe.location_weight, self.recipe.matching)


def prepare(
    data: tuple[Any, AnnotatedImages],
    recipe: MultiBoxRecipe,
    validation: tuple[Any, AnnotatedImages] | None,
    pretrained: Weights,
) -> MultiBoxSetup:
    """Check that everything fits together; raises `InputError` before any work is done.

    `data` and `validation` are each a source, as it is recorded (a tuple of those that are joined), and what it holds.
    """
    start = read_weights(pretrained)
    training = _opened(*data)
    held_out = None if validation is None else _opened(*validation)
    network, fresh = _network(training, recipe, start)
    check_fit(recipe, network, held_out)
    sets = {
        "data": (data[0], training),
        "validation": None if validation is None or held_out is None else (validation[0], held_out),
    }
    origin, identities = origin_of(sets, pretrained)
    return MultiBoxSetup(recipe, training, held_out, (), network, fresh, origin, identities)


def _opened(source: Any, images: AnnotatedImages) -> ObjectImages:
    found = ObjectImages(images)
    if not found.objects:
        named = ", ".join(source) if isinstance(source, tuple) else source
        raise InputError(f"{named}: no object in {len(found):,} images; give a data set with annotated ones")
    return found


def _network(training: ObjectImages, recipe: MultiBoxRecipe, start: Checkpoint) -> tuple[Network, tuple[str, ...]]:
    """Return the network with the pretrained weights, and the keys of the layers that start fresh.

    Weights of a MultiBox keep its boxes, and where they begin.
    """
    head = start.specification.classifier
    if isinstance(head, MultiBox):
        if len(head.priors) != recipe.boxes:
            raise InputError(f"boxes {recipe.boxes}: the pretrained weights have {len(head.priors)}; give as many")
        network = Network(start.specification)
        network.load_state_dict(dict(start.weights))
        return network, ()
    seen = _seen(training, recipe, start.specification)
    boxes = np.concatenate([as_boxes([]), *seen])
    priors = find_priors(boxes, recipe.boxes, generator(recipe.seed, "k-means"))
    network = Network(zoo.with_multibox(start.specification, priors))
    initialise(network, seed=recipe.seed)
    start_at_priors(network.get_submodule("classifier"), len(boxes) / len(seen))
    rows = ("multibox", "classifier")
    own = network.state_dict()
    network.load_state_dict(
        {name: own[name] if name.partition(".")[0] in rows else start.weights[name] for name in own}
    )
    return network, tuple(node.key for node in expand(network.specification) if node.weight and node.row in rows)


def _seen(training: ObjectImages, recipe: MultiBoxRecipe, specification: Specification) -> list[Boxes]:
    """Return the objects, in shares, of as many training crops as say enough of all."""
    samples = _samples(specification, recipe)
    chosen = generator(recipe.seed, "priors").permutation(len(training))[:PICTURES]
    found, count, epoch = list[Boxes](), 0, 0
    pictures = list(_sizes(training, chosen.tolist()))
    while count < BOXES * recipe.boxes and epoch < BOXES * recipe.boxes:
        for index, (width, height) in pictures:
            objects = training.boxes(index)
            drawn = samples.draw(width, height, objects, epoch, index)
            found.append(kept_within(objects, drawn.square, drawn.mirror))
            count += len(found[-1])
        epoch += 1
    return found


def _sizes(training: ObjectImages, indices: list[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the width and height of each picture with objects; training itself says which cannot be read."""
    for index in indices:
        if len(training.boxes(index)):
            try:
                image = open_image(training.read(index), training.name(index))
            except InputError:
                continue
            yield index, (image.width, image.height)


def _samples(specification: Specification, recipe: MultiBoxRecipe) -> DrawnSquares:
    fill = mean_colour(specification.pixels)
    return DrawnSquares(specification.input[1:], fill, recipe.seed, recipe.mirror, recipe.distortion or "none")
