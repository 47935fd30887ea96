"""What a network costs, exact to the unit, from its specification alone.

One multiply-add is one operation (a FLOP count is twice as high); pooling, ReLU, normalisation, softmax and the
addition of biases are not counted. Memory is in bytes of float32 for one image.
"""

from dataclasses import dataclass
from math import prod

from googlenet.network.graph import Convolve, Node, Softmax, expand
from googlenet.network.specification import Dropout, LocalResponseNorm, MaxPool, Specification
from googlenet.paper import TABLE_1

__all__ = ["FLOAT", "BranchCost", "Cost", "RowCost", "cost", "multiply_adds", "node_kept_bytes", "node_multiply_adds"]
__all__ += ["node_parameters"]

FLOAT = 4
"""Bytes of a number."""
INDEX = 8
"""Bytes of a pool's stored position: torch keeps int64."""


@dataclass(frozen=True)
class BranchCost:
    """One operation inside a row, by its name in the row (`3x3_reduce`)."""

    name: str
    output: tuple[int, int, int]
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True)
class RowCost:
    """One row of Table 1; the paper's figures as counts where its network has such a row."""

    name: str
    output: tuple[int, int, int]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    paper_parameters: int | None
    paper_multiply_adds: int | None
    branches: tuple[BranchCost, ...]


@dataclass(frozen=True)
class Cost:
    """The cost of one image.

    `activation_bytes` is the sum over the distinct blobs of inference, the input and the softmax included; ReLU and
    dropout work in place and a concatenation is a copy, as in Caffe. `training_activation_bytes` holds every blob
    with the auxiliary heads and all gradients but the input's, the scale of each local response normalisation, the
    positions of each maximum and the dropout masks.
    """

    network: str
    parameters: int
    parameters_with_auxiliary: int
    multiply_adds: int
    multiply_adds_with_auxiliary: int
    activation_bytes: int
    training_activation_bytes: int
    rows: tuple[RowCost, ...]
    heads: tuple[RowCost, ...]

    def training_bytes(self, batch: int) -> int:
        """Estimate the memory of training with SGD and momentum: weights, gradients, velocity and the activations."""
        return 3 * FLOAT * self.parameters_with_auxiliary + batch * self.training_activation_bytes


def cost(specification: Specification, *, size: tuple[int, int] | None = None) -> Cost:
    """Return what `specification` costs for an image of `size` [height, width] (default: as trained)."""
    nodes = expand(specification, size=size)
    main = [node for node in nodes if not node.auxiliary]
    start = FLOAT * prod((specification.input[0], *(size or specification.input[1:])))
    return Cost(
        network=specification.name,
        parameters=sum(map(node_parameters, main)),
        parameters_with_auxiliary=sum(map(node_parameters, nodes)),
        multiply_adds=sum(map(node_multiply_adds, main)),
        multiply_adds_with_auxiliary=sum(map(node_multiply_adds, nodes)),
        activation_bytes=start + sum(map(_blob_bytes, main)),
        training_activation_bytes=start + sum(map(_training_bytes, nodes)),
        rows=_rows(main),
        heads=_rows([node for node in nodes if node.auxiliary]),
    )


def multiply_adds(specification: Specification) -> int:
    """Return the multiply-adds of inference alone."""
    return sum(map(node_multiply_adds, expand(specification, auxiliary=False)))


def node_parameters(node: Node) -> int:
    """Return weights, biases, and the scale and shift of batch normalisation."""
    if node.weight is None:
        return 0
    normalised = isinstance(node.operation, Convolve) and node.operation.batch_norm is not None
    return prod(node.weight) + node.output[0] * (node.bias + 2 * normalised)


def node_multiply_adds(node: Node) -> int:
    """Return its multiply-adds: one for each weight at each output position."""
    return 0 if node.weight is None else prod(node.weight) * node.output[1] * node.output[2]


def node_kept_bytes(node: Node) -> int:
    """Return what its forward pass leaves for the backward one, for an image: its blob, and what else it needs."""
    elements = prod(node.output)
    match node.operation:
        case Dropout():
            return elements  # the mask, one byte each
        case LocalResponseNorm():
            return 2 * FLOAT * elements  # its scale
        case MaxPool():
            return (FLOAT + INDEX) * elements
        case Convolve(batch_norm=norm) if norm:
            return 2 * FLOAT * elements  # before and after the normalisation
        case _:
            return FLOAT * elements


def _blob_bytes(node: Node) -> int:
    return 0 if isinstance(node.operation, Dropout) else FLOAT * prod(node.output)


def _training_bytes(node: Node) -> int:
    return node_kept_bytes(node) + _gradient_bytes(node)


def _gradient_bytes(node: Node) -> int:
    match node.operation:
        case Dropout() | Softmax():
            return 0
        case Convolve(batch_norm=norm) if norm:
            return 2 * FLOAT * prod(node.output)  # before and after the normalisation
        case _:
            return FLOAT * prod(node.output)


def _rows(nodes: list[Node]) -> tuple[RowCost, ...]:
    rows: dict[str, list[Node]] = {}
    for node in nodes:
        rows.setdefault(node.row, []).append(node)
    return tuple(_row(name, members) for name, members in rows.items())


def _row(name: str, nodes: list[Node]) -> RowCost:
    printed = TABLE_1.get(name)
    return RowCost(
        name=name,
        output=nodes[-1].output,
        parameters=sum(map(node_parameters, nodes)),
        multiply_adds=sum(map(node_multiply_adds, nodes)),
        activation_bytes=sum(map(_blob_bytes, nodes)),
        paper_parameters=printed.parameters if printed else None,
        paper_multiply_adds=printed.multiply_adds if printed else None,
        branches=tuple(
            BranchCost(
                node.name.removeprefix(f"{name}/"),
                node.output,
                node_parameters(node),
                node_multiply_adds(node),
                _blob_bytes(node),
            )
            for node in nodes
            if node.name != name
        ),
    )
