"""What a run works on, put together and checked before the first step: data, classes, network."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from googlenet.data.dataset import Dataset
from googlenet.data.identity import Identity, identity
from googlenet.data.samples import TrainingSamples
from googlenet.data.sources import Source, name_of, open_training, open_validation
from googlenet.errors import InputError
from googlenet.files import recorded_name, sha256
from googlenet.images import area
from googlenet.images.crops import SCHEMES
from googlenet.network import zoo
from googlenet.network.graph import Linear, expand
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.recipe import Recipe, complete
from googlenet.training.task import Classification, Task
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.creation import build

__all__ = ["Setup", "prepare"]

Weights = str | os.PathLike[str] | Checkpoint


@dataclass(frozen=True)
class Setup:
    """Everything that a run begins with."""

    recipe: Recipe
    """Complete."""
    data: Dataset
    validation: Dataset | None
    classes: tuple[Class, ...]
    network: Network
    fresh: tuple[str, ...]
    """Keys of the classifiers that start fresh beside pretrained weights."""
    origin: Mapping[str, Any]
    """What was trained on and from, for the run's recipe.json."""
    identities: Mapping[str, Identity]
    """Which images `data` and, where there is one, `validation` are."""

    def task(self, network: TrainingNetwork, execution: Execution, steps_per_epoch: int) -> Task:
        """Return what is learnt, in `network`, which has the parameters of the setup's own."""
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
        """Return how an image becomes a training sample."""
        sampling = SCHEMES[self.recipe.sampling or "paper"]
        if "area" in sampling.interpolations:
            area.prepare()  # once, before several workers do it at the same time
        return TrainingSamples(
            self.network.specification.input[1:],
            self.recipe.seed,
            replace(sampling, mirror=sampling.mirror and self.recipe.mirror),
            self.recipe.distortion or "none",
        )


def prepare(data: Source, recipe: Recipe, validation: Source | None, pretrained: Weights | None) -> Setup:
    """Open everything and check that it fits together; raises `InputError` before any work is done."""
    start = None if pretrained is None else _read(pretrained)
    training = open_training(data, start.classes if start else None)
    held_out = None if validation is None else open_validation(validation, training)
    same = start is not None and [c.id for c in start.classes] == [c.id for c in training.classes]
    recipe = complete(recipe, fresh_classifiers=start is not None and not same)
    specification = _specification(recipe, start, len(training.classes))
    network, fresh = _network(recipe, specification, start, training.classes, same)
    _freeze(network, recipe.freeze)
    if specification.name in zoo.NETWORKS and recipe.network is None:
        recipe = replace(recipe, network=specification.name)  # the same run, whether its name was given or not
    if recipe.patience and held_out is None:
        raise InputError(f"patience {recipe.patience}: give --validation images to judge by, or leave it out")
    sets = {"data": (data, training)} | ({} if held_out is None else {"validation": (validation, held_out)})
    identities = {name: identity(found) for name, (_, found) in sets.items()}
    origin: dict[str, Any] = {
        "data": None,
        "validation": None,
        "pretrained": None if start is None else _origin(pretrained, start),
    }
    for name, (source, _) in sets.items():
        found = identities[name]
        origin[name] = {"source": _recorded(source), "images": found.images, "sha256": found.sha256}
    return Setup(recipe, training, held_out, training.classes, network, fresh, origin, identities)


def _read(pretrained: Weights | None) -> Checkpoint:
    return pretrained if isinstance(pretrained, Checkpoint) else checkpoint.read(pretrained)  # type: ignore[arg-type]


def _specification(recipe: Recipe, start: Checkpoint | None, classes: int) -> Specification:
    """Return the network to train, with the right number of classes and with heads only where they count."""
    if start is None:
        name = recipe.network or "googlenet"
        found = zoo.specification(name, classes=classes, width=recipe.width, budget=recipe.budget)
    else:
        found = start.specification
        if recipe.network not in (None, found.name) or recipe.width or recipe.budget:
            raise InputError(f"the pretrained weights are those of {found.name}; leave network, width and budget out")
        found = replace(found, classifier=replace(found.classifier, classes=classes))
    return found if recipe.auxiliary_weight else replace(found, auxiliary=())


def _network(
    recipe: Recipe, specification: Specification, start: Checkpoint | None, classes: tuple[Class, ...], same: bool
) -> tuple[Network, tuple[str, ...]]:
    if start is None:
        network = Network(specification)
        initialise(network, recipe.initialization, recipe.seed)
        return network, ()
    wanted = checkpoint.expected_tensors(specification)
    kept = replace(
        start,
        specification=replace(start.specification, auxiliary=specification.auxiliary),
        weights={name: tensor for name, tensor in start.weights.items() if name in wanted},
    )
    network = build(kept, classes=classes, initialization=recipe.initialization, seed=recipe.seed)
    fresh = [node.key for node in expand(specification) if node.operation == Linear(relu=False)]
    return network, () if same else tuple(fresh)


def _freeze(network: Network, rows: tuple[str, ...]) -> None:
    for row in rows:
        if row not in network.row_names:
            raise InputError(f"freeze: {row} is no row of the network; its rows are {', '.join(network.row_names)}")
        network.get_submodule(row).requires_grad_(False)


def _origin(pretrained: Any, start: Checkpoint) -> dict[str, Any]:
    if isinstance(pretrained, Checkpoint):
        return {"source": str(start.provenance.get("source", "a checkpoint in memory"))}
    return {"source": recorded_name(pretrained), "sha256": sha256(Path(pretrained))}


def _recorded(source: Any) -> str:
    return recorded_name(source) if isinstance(source, str | os.PathLike) else name_of(source)
