"""A run that learns classes: images and labels, the losses of section 5, judged by top-1."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from googlenet.data.batch import Batch
from googlenet.data.sampler import Plan, Sampler
from googlenet.data.samples import EvaluationSamples, TrainingSamples
from googlenet.data.sources import Source, open_training, open_validation
from googlenet.errors import InputError
from googlenet.evaluation.findings import class_scores, confusions, mistakes, shares
from googlenet.evaluation.validation import Outcome, joined, validate
from googlenet.images import area
from googlenet.images.crops import SCHEMES
from googlenet.network import zoo
from googlenet.network.graph import Linear, expand
from googlenet.network.initialization import Initialization, initialise
from googlenet.network.module import Network
from googlenet.network.specification import Auxiliary, Specification
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.recipe import Recipe, complete
from googlenet.training.setup import Answer, Findings, Score, Setup, Weights, check_fit, origin_of, read_weights
from googlenet.training.task import Classification, Task
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import Class
from googlenet.weights.creation import build

__all__ = ["ClassificationSetup", "fit_to_classes", "prepare"]


@dataclass(frozen=True)
class ClassificationSetup(Setup):
    """Images with labels, and a network with a classifier for them."""

    recipe: Recipe

    command: ClassVar[str] = "googlenet train"
    score: ClassVar[Score] = Score("top1", "top-1")

    @property
    def counts(self) -> Mapping[str, int]:
        return {"classes": len(self.classes)}

    def task(self, network: TrainingNetwork, execution: Execution, steps_per_epoch: int) -> Task:
        return Classification(
            network,
            execution,
            seed=self.recipe.seed,
            steps_per_epoch=steps_per_epoch,
            auxiliary_weight=self.recipe.auxiliary_weight,
            label_smoothing=self.recipe.label_smoothing,
            parts=self.recipe.accumulate,
        )

    def samples(self) -> TrainingSamples:
        sampling = SCHEMES[self.recipe.sampling or "paper"]
        if "area" in sampling.interpolations:
            area.prepare()  # once, before several workers do it at the same time
        return TrainingSamples(
            self.network.specification.input[1:],
            self.recipe.seed,
            replace(sampling, mirror=sampling.mirror and self.recipe.mirror),
            self.recipe.distortion or "none",
        )

    def evaluation_samples(self) -> EvaluationSamples:
        specification = self.network.specification
        return EvaluationSamples(specification.input[1:], specification.pixels)

    def validate(self, answer: Answer, batches: Iterable[Batch]) -> Outcome:
        return validate(lambda batch: answer(batch["images"]), batches)

    def judge(self, answers: Sequence[Outcome]) -> Outcome:
        return joined(answers)

    def findings(self, outcome: Outcome | None, weights: str) -> Findings:
        content = {
            "classes": class_scores(self.classes, outcome) if outcome else [],
            "confusion": confusions(self.classes, outcome) if outcome and outcome.images else None,
            "mistakes": mistakes(self.validation, self.classes, outcome) if outcome and self.validation else [],
        }
        return Findings(shares(outcome, f"{weights} weights") if outcome else [], "training.html", content)

    def sampler(self, rank: int, world: int) -> Plan:
        recipe = self.recipe
        return Sampler(self.data.labels, recipe.batch_size, recipe.seed, balance=recipe.balance, rank=rank, world=world)


def prepare(data: Source, recipe: Recipe, validation: Source | None, pretrained: Weights | None) -> ClassificationSetup:
    """Open everything and check that it fits together; raises `InputError` before any work is done."""
    start = None if pretrained is None else read_weights(pretrained)
    training = open_training(data, start.classes if start else None)
    held_out = None if validation is None else open_validation(validation, training)
    same = start is not None and [c.id for c in start.classes] == [c.id for c in training.classes]
    recipe = complete(recipe, fresh_classifiers=start is not None and not same)
    specification = _specification(recipe, start, len(training.classes))
    network, fresh = _network(recipe, specification, start, training.classes)
    if specification.name in zoo.NETWORKS and recipe.network is None:
        recipe = replace(recipe, network=specification.name)  # the same run, whether its name was given or not
    check_fit(recipe, network, held_out)
    sets = {"data": (data, training), "validation": None if held_out is None else (validation, held_out)}
    origin, identities = origin_of(sets, pretrained)
    return ClassificationSetup(recipe, training, held_out, training.classes, network, fresh, origin, identities)


def fit_to_classes(
    start: Checkpoint,
    classes: tuple[Class, ...],
    heads: tuple[Auxiliary, ...],
    initialization: Initialization = "xavier",
    seed: int = 0,
) -> tuple[Network, tuple[str, ...]]:
    """Return the network of a checkpoint, ready for `classes`, and the keys of the layers that start fresh.

    Of the auxiliary heads it keeps `heads`. With the same classes as before nothing starts fresh.
    """
    specification = replace(start.specification, auxiliary=heads)
    wanted = expected_tensors(specification)
    weights = {name: tensor for name, tensor in start.weights.items() if name in wanted}
    kept = replace(start, specification=specification, weights=weights)
    network = build(kept, classes=classes, initialization=initialization, seed=seed)
    if [one.id for one in start.classes] == [one.id for one in classes]:
        return network, ()
    return network, tuple(node.key for node in expand(network.specification) if node.operation == Linear(relu=False))


def _specification(recipe: Recipe, start: Checkpoint | None, classes: int) -> Specification:
    """Return the network to train, with the right number of classes and with heads only where they count."""
    if start is None:
        name = recipe.network or "googlenet"
        found = zoo.specification(name, classes=classes, width=recipe.width, budget=recipe.budget)
    else:
        found = start.specification
        if recipe.network not in (None, found.name) or recipe.width or recipe.budget:
            raise InputError(f"the pretrained weights are those of {found.name}; leave network, width and budget out")
        found = found.with_classes(classes)
    return found if recipe.auxiliary_weight else replace(found, auxiliary=())


def _network(
    recipe: Recipe, specification: Specification, start: Checkpoint | None, classes: tuple[Class, ...]
) -> tuple[Network, tuple[str, ...]]:
    if start is None:
        network = Network(specification)
        initialise(network, recipe.initialization, recipe.seed)
        return network, ()
    return fit_to_classes(start, classes, specification.auxiliary, recipe.initialization, recipe.seed)
