"""How long each row of a network takes in training, measured on this machine: what stages are balanced by."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from googlenet import machine
from googlenet.network.cost import cost
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.network.stages import rows_of
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork

__all__ = ["BY_MULTIPLY_ADDS", "RowCosts", "row_costs"]

QUESTION, MEASURED, COUNTED = "stage-costs", "measured", "multiply-adds"

MOST_BYTES, MOST_MULTIPLY_ADDS = 2 << 30, 10**12
"""Activations and work of the images that are measured together, above which measuring would take too much."""


@dataclass(frozen=True)
class RowCosts:
    """Seconds an image of each row with its heads, forward and backward; None where multiply-adds are to be taken."""

    seconds: Mapping[str, float] | None
    ground: str
    """In words."""

    @property
    def unit(self) -> str:
        return COUNTED if self.seconds is None else "seconds"

    def __str__(self) -> str:
        what = "multiply-adds" if self.seconds is None else "time, forward and backward"
        return f"{what}, {self.ground}"


BY_MULTIPLY_ADDS = RowCosts(None, "as nothing was measured")


def row_costs(specification: Specification, execution: Execution, images: int) -> RowCosts:
    """Return what the rows cost, with so many images at a time: as remembered for this machine, or as measured now.

    `GOOGLENET_FORMS` (`stage-costs=multiply-adds`) decides otherwise. A network too large for that is not measured.
    """
    told = machine.told(QUESTION, (MEASURED, COUNTED))
    if told == COUNTED:
        return RowCosts(None, "as GOOGLENET_FORMS says")
    counted = cost(specification)
    work = 3 * images * counted.multiply_adds_with_auxiliary
    if told is None and (images * counted.training_activation_bytes > MOST_BYTES or work > MOST_MULTIPLY_ADDS):
        return RowCosts(None, "as measuring so large a network would take too long")
    rows = _Rows(specification, execution, images)
    works = {name: partial(rows.compute, name) for name in rows_of(specification)}
    digest = hashlib.sha256(specification.to_json().encode()).hexdigest()[:16]
    key = f"{specification.name} {digest}, {execution}, {images} images, torch {torch.__version__}"
    found = machine.timings(QUESTION, works, key=key, rounds=2)
    ground = "measured now" if found.ground == "measured" else "as measured before on this machine"
    return RowCosts({name: seconds / images for name, seconds in found.seconds.items()}, ground)


class _Rows:
    """The rows of a network like the one to be trained, built when the first of them is computed."""

    def __init__(self, specification: Specification, execution: Execution, images: int) -> None:
        self._specification, self._execution, self._images = specification, execution, images

    def compute(self, row: str) -> None:
        """Compute a row and its heads forward and backward."""
        x = self._inputs[row]
        with self._execution.computing(), self._execution.precise():
            heads = [head for head, after in self._network.head_rows.items() if after == row]
            output = self._network.get_submodule(row)(x)
            outputs = [output, *(self._network.get_submodule(head)(output) for head in heads)]
            torch.autograd.backward(outputs, [torch.ones_like(one) for one in outputs])
        self._execution.wait()
        x.grad = None
        self._network.zero_grad(set_to_none=True)

    @cached_property
    def _network(self) -> TrainingNetwork:
        network = Network(self._specification)
        initialise(network)
        return self._execution.fuse(self._execution.place(network))

    @cached_property
    def _inputs(self) -> dict[str, Tensor]:
        """What each row is given; that of the first needs no gradient."""
        network, size = self._network, self._specification.input[1:]
        x = self._execution.prepare(network, torch.randint(256, (self._images, *size, 3), dtype=torch.uint8))
        network.draw_masks(0, 0, torch.arange(self._images))
        found = {}
        with self._execution.computing(), self._execution.precise(), torch.no_grad():
            for number, row in enumerate(rows_of(self._specification)):
                found[row] = x.detach().requires_grad_(number > 0)
                x = network.get_submodule(row)(x)
        return found
