"""What a network says about pictures, as immutable records."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from googlenet.errors import InputError
from googlenet.reporting.console import percent, printable
from googlenet.weights.classes import Class

__all__ = ["Answer", "Embedding", "Prediction", "rank"]


@dataclass(frozen=True, repr=False)
class Prediction:
    """One class of an answer: its place among the network's outputs, its id and name, its probability (0..1)."""

    index: int
    id: str
    name: str
    probability: float

    def __repr__(self) -> str:
        named = self.name if self.name == self.id else f"{self.name} ({self.id})"
        return f"<{printable(named)}: {percent(self.probability)}>"


@dataclass(frozen=True, repr=False)
class Answer:
    """The classes of one picture, the most probable first; or why there are none."""

    file: str
    """The path as it is, not made printable; "array 3" for the fourth picture, given as pixels."""
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None

    @property
    def best(self) -> Prediction:
        """The most probable class; raises `InputError` where the picture could not be read."""
        if self.error is not None:
            raise InputError(self.error)
        return self.predictions[0]

    def __repr__(self) -> str:
        told = f"<{printable(self.error)}>" if self.error is not None else ", ".join(map(repr, self.predictions))
        return f"Answer({printable(self.file)!r}: {told})"

    def to_json(self) -> dict[str, Any]:
        """Return `{"file", "predictions"}`, or `{"file", "error"}`."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "predictions": [asdict(prediction) for prediction in self.predictions]}


@dataclass(frozen=True, repr=False, eq=False)
class Embedding:
    """The features of one picture, float32 [channels, height, width] by row or layer; or why there are none."""

    file: str
    """As in `Answer`."""
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: str | None = None

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in self.features.items())
        return f"Embedding({printable(self.file)!r}: {printable(self.error) if self.error is not None else shapes})"


def rank(probabilities: np.ndarray, classes: tuple[Class, ...], top: int) -> tuple[Prediction, ...]:
    """Return the `top` classes of probabilities [classes]; equal ones in the order of the outputs."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(
        Prediction(int(index), classes[index].id, classes[index].name, float(probabilities[index])) for index in order
    )
