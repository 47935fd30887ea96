"""What an evaluation found, as immutable records: a row for each choice of models, crops and combination."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from googlenet.data.dataset import Dataset
from googlenet.evaluation.combination import Combination
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.metrics import TOP
from googlenet.evaluation.validation import Outcome
from googlenet.weights.classes import Class

__all__ = ["Evaluation", "Row"]


@dataclass(frozen=True)
class Row:
    """One row of a table as the paper's Table 3: who answered, from which views, and what."""

    models: tuple[str, ...]
    crops: str
    """The name of the protocol."""
    combination: Combination
    outcome: Outcome
    multiply_adds: int
    """Of an image, all views of the protocol through all models."""
    multiply_adds_performed: float
    """The same of the views that were computed, in the mean: coinciding views once, and none after the row was sure."""
    seconds_per_image: float
    """Decoding, cutting and computing of this row's views, in the mean."""
    checked: int = 0
    """Images of which all views were computed though the row was sure before, to see whether that changes answers."""
    changed: int = 0
    """How many of those it changed."""

    @property
    def name(self) -> str:
        """The row in a few words."""
        return f"{self.models_in_words}, {self.crops_in_words}, {self.combination}"

    @property
    def models_in_words(self) -> str:
        """Up to three models by name, or how many there are."""
        return " + ".join(self.models) if len(self.models) <= 3 else f"{len(self.models)} models"

    @property
    def crops_in_words(self) -> str:
        """The protocol as it stands in a sentence."""
        return f"{self.crops} {'crop' if self.crops == '1' else 'crops'}" if self.crops.isdecimal() else self.crops

    @property
    def right(self) -> int:
        """Images whose most probable class was the true one."""
        return int((self.outcome.ranks == 0).sum())

    @property
    def right_of_five(self) -> int | None:
        """Images whose true class was among the five most probable; None under six classes."""
        return None if self.outcome.top5 is None else int((self.outcome.ranks < TOP).sum())

    def to_json(self) -> dict[str, Any]:
        """Return the row as `evaluate --json` prints it."""
        images, five = self.outcome.images, self.right_of_five
        found = {
            "models": list(self.models),
            "crops": self.crops,
            "combination": self.combination,
            "top1": self.outcome.top1,
            "top5": self.outcome.top5,
            "top1_interval": share_interval(self.right, images),
            "top5_interval": None if five is None else share_interval(five, images),
            "loss": self.outcome.loss if isfinite(self.outcome.loss) else None,
            "multiply_adds": self.multiply_adds,
            "multiply_adds_performed": self.multiply_adds_performed,
            "seconds_per_image": self.seconds_per_image,
        }
        return found | ({"checked": self.checked, "changed": self.changed} if self.checked else {})


@dataclass(frozen=True)
class Evaluation:
    """The rows of an evaluation, over the same images."""

    source: str
    classes: tuple[Class, ...]
    """What labels and answers are indices into: the classes of the models, the first model's first."""
    dataset: Dataset
    """`dataset.name(index)` names an image of an outcome's `indices`."""
    rows: tuple[Row, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, reason) of images that are in no row."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """The ids of classes that some of the models lack, and how many images, which are in no row, are of each."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What it was computed with, by name: weights and their hashes, device, precision, versions."""

    @property
    def images(self) -> int:
        """How many images every row is about."""
        return self.rows[0].outcome.images if self.rows else 0

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints (docs/json.md)."""
        return {
            "images": self.images,
            "rows": [row.to_json() for row in self.rows],
            "unreadable": [{"file": name, "error": reason} for name, reason in self.unreadable],
            "lacking": dict(self.lacking),
            "settings": dict(self.settings),
        }
