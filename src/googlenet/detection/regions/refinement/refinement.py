"""What refines the answers of a region classifier, ready for use: arrays that stand beside the weights in a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.regions.refinement.context import Context
from googlenet.detection.regions.refinement.regression import BoxRegression
from googlenet.detection.regions.refinement.svm import Svms
from googlenet.errors import InputError, shown

__all__ = ["Refinement"]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Refinement:
    """What there is beside the softmax of C classes; nothing by default."""

    svms: Svms | None = None
    """in the softmax's place"""
    regression: BoxRegression | None = None
    context: Context | None = None

    @property
    def width(self) -> int:
        """How many features of a region it asks for; 0 where its scores are enough."""
        return max((part.weights.shape[-1] for part in (self.svms, self.regression) if part), default=0)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return all arrays by name, such as `svms.weights`."""
        return {
            f"{part}.{name}": array
            for part, found in vars(self).items()
            if found is not None
            for name, array in vars(found).items()
        }

    @classmethod
    def of(cls, arrays: Arrays, classes: int, width: int, where: str) -> "Refinement":
        """Make one of arrays by name, for so many classes and features.

        Raises `InputError` that begins with `where` for arrays that are missing, unknown or of another shape.
        """
        found, left = {}, dict(arrays)
        for part, kind in _KINDS.items():
            names = {field.name: f"{part}.{field.name}" for field in fields(kind)}
            if any(name in left for name in names.values()):
                given = {field: left.pop(name, None) for field, name in names.items()}
                for field, array in given.items():
                    shape = tuple({"C": classes, "D": width}.get(size, size) for size in _SHAPES[part, field])
                    if array is None or array.shape != shape or array.dtype != np.float32:
                        told = "is missing" if array is None else f"is {array.dtype} {list(array.shape)}"
                        raise InputError(f"{where}: {names[field]} {told}, not float32 {list(shape)}; train it anew")
                    if not np.isfinite(array).all():
                        raise InputError(f"{where}: {names[field]} holds what is no number; train it anew")
                found[part] = kind(**given)
        if left:
            raise InputError(f"{where}: {shown(sorted(left)[0])} is not known; update googlenet, or train it anew")
        return cls(**found)

    def ordered(self, places: NDArray[np.int64]) -> "Refinement":
        """Return the same for the classes at `places`, in that order."""
        return Refinement(
            self.svms and Svms(self.svms.weights[places], self.svms.biases[places]),
            self.regression and BoxRegression(self.regression.weights[places], self.regression.biases[places]),
            self.context
            and Context(
                self.context.slopes[places],
                self.context.weights[np.ix_(places, places)],
                self.context.biases[places],
            ),
        )


_KINDS: dict[str, type[Any]] = {"svms": Svms, "regression": BoxRegression, "context": Context}

_SHAPES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("svms", "weights"): ("C", "D"),
    ("svms", "biases"): ("C",),
    ("regression", "weights"): ("C", 4, "D"),
    ("regression", "biases"): ("C", 4),
    ("context", "slopes"): ("C",),
    ("context", "weights"): ("C", "C"),
    ("context", "biases"): ("C",),
}
