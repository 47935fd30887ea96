"""What a run works on, and what the loop's surroundings ask of that which is learnt: one record for each kind of run.

Classification is one kind (`classification`); what lies around the loop knows no more of a kind than this.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from googlenet.data.batch import Batch
from googlenet.data.dataset import Dataset
from googlenet.data.identity import Identity, identity
from googlenet.data.sampler import InOrder, Plan, Sampler
from googlenet.data.samples import Samples
from googlenet.data.sources import name_of
from googlenet.errors import InputError
from googlenet.files import recorded_name, sha256
from googlenet.network.module import Network
from googlenet.randomness import generator
from googlenet.reporting.html import Figure
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.optimizer import SGD, parameter_groups
from googlenet.training.task import Task
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class

__all__ = ["Answer", "Findings", "Outcome", "Score", "Setup", "Weights", "check_fit", "origin_of"]
__all__ += ["read_weights"]

Weights = str | os.PathLike[str] | Checkpoint

LEAST_FOR_STATISTICS = 512
"""Training images over which batch statistics are recomputed, at least; two per cent of all where that is more."""


class Answer(Protocol):
    """What a network in evaluation says."""

    def __call__(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the outputs, float32 [N, outputs], of pictures uint8 [N, height, width, 3].

        `mask`, bool [N, height, width], is true where a crop reaches over its picture's border.
        """
        ...


class Outcome(Protocol):
    """What was answered to the validation images."""

    @property
    def images(self) -> int:
        """How many could be read."""
        ...

    def figures(self) -> Mapping[str, int | float | None]:
        """Return what a log or a summary says of it: `images`, `loss`, the score, and more."""
        ...


@dataclass(frozen=True)
class Score:
    """The share by which weights are judged: its name among the figures of an `Outcome`, and in words."""

    name: str
    words: str


@dataclass(frozen=True)
class Findings:
    """What a report shows of an outcome: figures, and what `template` asks for beside what every report has."""

    figures: Sequence[Figure] = ()
    template: str = "page.html"
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup(ABC):
    """Everything that a run begins with, checked before the first step."""

    recipe: LoopRecipe
    """Complete."""
    data: Dataset
    validation: Dataset | None
    classes: tuple[Class, ...]
    """What the network's outputs stand for; none where they are no classes."""
    network: Network
    fresh: tuple[str, ...]
    """Keys of the layers that start fresh beside pretrained weights."""
    origin: Mapping[str, Any]
    """What was trained on and from, for the run's recipe.json."""
    identities: Mapping[str, Identity]
    """Which images `data` and, where there is one, `validation` are."""

    command: ClassVar[str]
    """What makes such a run, for the provenance of its weights."""
    score: ClassVar[Score]

    @property
    @abstractmethod
    def counts(self) -> Mapping[str, int]:
        """How much of what there is beside images, by its name: classes, or objects."""

    @abstractmethod
    def task(self, network: TrainingNetwork, execution: Execution, steps_per_epoch: int) -> Task:
        """Return what is learnt, in `network`, which has the parameters of the setup's own."""

    @abstractmethod
    def samples(self) -> Samples:
        """Return how an image becomes a training sample; `images` is among its fields."""

    @abstractmethod
    def evaluation_samples(self) -> Samples:
        """Return how an image is evaluated; `images` is among its fields."""

    @abstractmethod
    def validate(self, answer: Answer, batches: Iterable[Batch]) -> Any:
        """Return what was answered to the images of `batches`, made by `evaluation_samples`: plain values, arrays."""

    @abstractmethod
    def judge(self, answers: Sequence[Any]) -> Outcome:
        """Return how good the answers are that `validate` gave on each process, which had parts of the images."""

    @abstractmethod
    def findings(self, outcome: Any | None, weights: str) -> Findings:
        """Return what a report shows of what the final `weights` answered; None where there was nothing to answer."""

    def optimizer(self, network: nn.Module) -> SGD:
        """Return what moves the parameters of `network`, the setup's own."""
        recipe = self.recipe
        groups = parameter_groups(
            network, weight_decay=recipe.weight_decay, fresh=self.fresh, fresh_mult=recipe.classifier_rate or 1.0
        )
        return SGD(groups, momentum=recipe.momentum, nesterov=recipe.nesterov)

    def sampler(self, rank: int, world: int) -> Plan:
        """Return the order of the training images, for machine `rank` of `world`."""
        return Sampler(self.data.labels, self.recipe.batch_size, self.recipe.seed, rank=rank, world=world)

    @property
    def evaluation_batch(self) -> int:
        """How many images are evaluated together."""
        return self.recipe.batch_size

    def statistics(self) -> tuple[Samples, Plan, int]:
        """Return over what batch statistics of averaged weights are recomputed: samples, batches, how many images.

        It is some training images, as they are evaluated.
        """
        count = min(len(self.data), max(LEAST_FOR_STATISTICS, len(self.data) // 50))
        chosen = generator(self.recipe.seed, "statistics").permutation(len(self.data))[:count]
        return self.evaluation_samples(), InOrder(np.sort(chosen), self.recipe.batch_size), count

    def pictures(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return what the network is shown of a batch: pictures, and a mask of what lies outside of theirs."""
        return batch["images"], None


def read_weights(pretrained: Weights) -> Checkpoint:
    """Return the checkpoint that a run begins with."""
    return pretrained if isinstance(pretrained, Checkpoint) else checkpoint.read(pretrained)


def check_fit(recipe: LoopRecipe, network: Network, validation: object | None) -> None:
    """Freeze the rows that the recipe names; raises `InputError` for what has no place in such a run."""
    for row in recipe.freeze:
        if row not in network.row_names:
            raise InputError(f"freeze: {row} is no row of the network; its rows are {', '.join(network.row_names)}")
        network.get_submodule(row).requires_grad_(False)
    if recipe.patience and validation is None:
        raise InputError(f"patience {recipe.patience}: give --validation images to judge by, or leave it out")


def origin_of(
    sets: Mapping[str, tuple[Any, Dataset] | None], pretrained: Weights | None
) -> tuple[dict[str, Any], dict[str, Identity]]:
    """Return what is trained on and from, for recipe.json, and the identity of each set: of its source and images."""
    identities = {name: identity(found[1]) for name, found in sets.items() if found}
    origin: dict[str, Any] = dict.fromkeys(sets)
    for name, found in sets.items():
        if found:
            known = identities[name]
            origin[name] = {"source": _recorded(found[0]), "images": known.images, "sha256": known.sha256}
    return origin | {"pretrained": None if pretrained is None else _origin_of_weights(pretrained)}, identities


def _origin_of_weights(pretrained: Weights) -> dict[str, Any]:
    if isinstance(pretrained, Checkpoint):
        return {"source": str(pretrained.provenance.get("source", "a checkpoint in memory"))}
    return {"source": recorded_name(pretrained), "sha256": sha256(Path(pretrained))}


def _recorded(source: Any) -> str:
    if isinstance(source, tuple):
        return ", ".join(map(_recorded, source))
    return recorded_name(source) if isinstance(source, str | os.PathLike) else name_of(source)
