"""What a network says about pictures, as immutable records."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from googlenet.errors import InputError
from googlenet.weights.classes import Class

__all__ = ["Answer", "Prediction", "rank"]


@dataclass(frozen=True)
class Prediction:
    """One class of an answer: its place among the network's outputs, its id and name, its probability (0..1)."""

    index: int
    id: str
    name: str
    probability: float


@dataclass(frozen=True)
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

    def to_json(self) -> dict[str, Any]:
        """Return `{"file", "predictions"}`, or `{"file", "error"}`."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "predictions": [asdict(prediction) for prediction in self.predictions]}


def rank(probabilities: np.ndarray, classes: tuple[Class, ...], top: int) -> tuple[Prediction, ...]:
    """Return the `top` classes of probabilities [classes]; equal ones in the order of the outputs."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(
        Prediction(int(index), classes[index].id, classes[index].name, float(probabilities[index])) for index in order
    )
