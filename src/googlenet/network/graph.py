"""A specification unrolled into its primitive operations, with every shape: what all readers of a network walk.

Names are the paper's (`inception_4a/3x3_reduce`), shapes are [channels, height, width].
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from googlenet.errors import InputError
from googlenet.network.parts import (
    AdaptiveAveragePool,
    Auxiliary,
    AveragePool,
    BatchNorm,
    Classifier,
    Convolution,
    ConvolutionStyle,
    Dropout,
    Inception,
    LocalResponseNorm,
    MaxPool,
    MultiBox,
    Row,
    SeparableConvolution,
)

__all__ = [
    "Concatenate",
    "Convolve",
    "Linear",
    "Node",
    "Operation",
    "Shape",
    "Softmax",
    "expand",
    "features_of",
    "logits_of",
    "map_of",
    "pool_padding",
    "pool_size",
    "same_padding",
]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Convolve:
    """A convolution; `padding` is (top, bottom, left, right)."""

    kernel: int
    stride: int
    padding: tuple[int, int, int, int]
    groups: int
    bias: bool
    batch_norm: BatchNorm | None
    relu: bool


@dataclass(frozen=True)
class Linear:
    """A fully connected layer on its input flattened as [channels, height, width]."""

    relu: bool


@dataclass(frozen=True)
class Concatenate:
    """Its inputs joined along the channels."""


@dataclass(frozen=True)
class Softmax:
    """Probabilities from logits; the module leaves it to its caller."""


Pool = MaxPool | AveragePool | AdaptiveAveragePool

Operation = Convolve | Linear | Concatenate | Softmax | Pool | LocalResponseNorm | Dropout


@dataclass(frozen=True)
class Node:
    """One operation. `row` is the row or head that it belongs to, `branch` the branch of an Inception module."""

    name: str
    row: str
    branch: str
    operation: Operation
    inputs: tuple[str, ...]
    input: Shape
    output: Shape
    auxiliary: bool = False

    @property
    def weight(self) -> tuple[int, ...] | None:
        """The shape of its weight: [out, in / groups, height, width], [out, in], or None."""
        match self.operation:
            case Convolve(kernel=kernel, groups=groups):
                return (self.output[0], self.input[0] // groups, kernel, kernel)
            case Linear():
                return (self.output[0], self.input[0] * self.input[1] * self.input[2])
            case _:
                return None

    @property
    def bias(self) -> bool:
        """Whether it adds a bias."""
        return isinstance(self.operation, Linear) or (isinstance(self.operation, Convolve) and self.operation.bias)

    @property
    def key(self) -> str:
        """Where its parameters stand in a state dict, without `.weight` and `.bias`."""
        return self.name.replace("/", ".")


class Parts(Protocol):
    """What is read of a specification here; it checks itself by being expanded, and so lies above this file."""

    @property
    def input(self) -> Shape: ...

    @property
    def rows(self) -> tuple[Row, ...]: ...

    @property
    def auxiliary(self) -> tuple[Auxiliary, ...]: ...

    @property
    def classifier(self) -> Classifier | MultiBox: ...

    @property
    def convolution(self) -> ConvolutionStyle: ...


def expand(specification: Parts, *, auxiliary: bool = True, size: tuple[int, int] | None = None) -> tuple[Node, ...]:
    """Return the operations in the order of computation, for an input of `size` [height, width] (default: as trained).

    A head's operations follow those of the row on which it hangs; boxes have no softmax. Raises `InputError` with the
    row's name where a grid shrinks below 1.
    """
    channels, height, width = specification.input
    builder = _Builder(specification, ("input", (channels, *(size or (height, width)))))
    heads = specification.auxiliary if auxiliary else ()
    for row in specification.rows:
        builder.row(row)
        for head in heads:
            if head.after == row.name:
                builder.head(head)
    builder.classifier("classifier", "classifier", specification.classifier)
    if isinstance(specification.classifier, Classifier):
        builder.add("softmax", "softmax", Softmax(), builder.at[1])
    return tuple(builder.nodes)


def logits_of(nodes: Sequence[Node]) -> str:
    """Return the name of what a network ends with: its last operation but the softmax."""
    return [node.name for node in nodes if not isinstance(node.operation, Softmax)][-1]


def features_of(nodes: Sequence[Node]) -> str:
    """Return the name of what the last linear layer reads, with no dropout before it: `pool5` in the paper's network.

    Logits are that layer's weights times it, and biases.
    """
    by_name = {node.name: node for node in nodes}
    found = by_name[logits_of(nodes)].inputs[0]
    while isinstance(by_name[found].operation, Dropout):
        found = by_name[found].inputs[0]
    return found


def map_of(nodes: Sequence[Node]) -> str:
    """Return the name of the last map before the logits with more than a pixel: `inception_5b` in the paper's network.

    Where there is none, it is the first one-pixel map.
    """
    by_name = {node.name: node for node in nodes}
    found = logits_of(nodes)
    while by_name[found].output[1:] == (1, 1) and by_name[found].inputs[0] in by_name:
        found = by_name[found].inputs[0]
    return found


def pool_size(size: int, pool: MaxPool | AveragePool) -> int:
    """Return a pool's output size along one axis (0 or less where no window fits)."""
    padding = pool.padding if isinstance(pool, MaxPool) else 0
    if pool.rounding == "same":
        return -(-size // pool.stride)
    space = size + 2 * padding - pool.kernel
    if pool.rounding == "floor":
        return space // pool.stride + 1
    windows = -(-space // pool.stride) + 1
    starts_outside = (windows - 1) * pool.stride >= size + padding  # beyond the map and the padding before it
    return windows - starts_outside


def pool_padding(size: int, pool: MaxPool | AveragePool) -> tuple[int, int]:
    """Return the padding before and after that a pool's windows reach over, along one axis."""
    if pool.rounding == "same":
        return same_padding(size, pool.kernel, pool.stride)
    before = pool.padding if isinstance(pool, MaxPool) else 0
    reach = (pool_size(size, pool) - 1) * pool.stride + pool.kernel
    return before, max(0, reach - before - size)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding before and after, along one axis: the odd pixel goes after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class _Builder:
    """Walks a specification and keeps where the main path stands: `at` is the name and shape of its last blob."""

    def __init__(self, specification: Parts, start: tuple[str, Shape]) -> None:
        self.style = specification.convolution
        self.classes = specification.classifier.classes
        self.nodes: list[Node] = []
        self.at = start
        self.auxiliary = False

    def add(self, name: str, row: str, operation: Operation, output: Shape, branch: str = "") -> None:
        source, shape = self.at
        if min(output) < 1:
            raise InputError(f"{name}: the grid shrinks below 1 (input {shape[1]}x{shape[2]}); use a larger input")
        self.nodes.append(Node(name, row, branch, operation, (source,), shape, output, self.auxiliary))
        self.at = (name, output)

    def row(self, row: Row) -> None:
        match row:
            case Convolution():
                if row.reduce:
                    self.convolve(f"{row.name}/{row.kernel}x{row.kernel}_reduce", row.name, row.reduce)
                self.convolve(f"{row.name}/{row.kernel}x{row.kernel}", row.name, row.channels, row.kernel, row.stride)
            case SeparableConvolution():
                self.separable(row)
            case Inception():
                self.inception(row)
            case _:
                self.simple(row.name, row.name, row)

    def convolve(self, name: str, row: str, channels: int, kernel: int = 1, stride: int = 1, branch: str = "") -> None:
        norm = self.style.batch_norm
        operation = Convolve(kernel, stride, self.padding(kernel, stride), 1, norm is None, norm, relu=True)
        self.add(name, row, operation, self.convolved(channels, operation), branch)

    def separable(self, row: SeparableConvolution) -> None:
        inputs = self.at[1][0]
        padding = self.padding(row.kernel, row.stride)
        depthwise = Convolve(row.kernel, row.stride, padding, inputs, row.depthwise_bias, None, relu=False)
        self.add(f"{row.name}/depthwise", row.name, depthwise, self.convolved(inputs * row.multiplier, depthwise))
        self.convolve(f"{row.name}/pointwise", row.name, row.channels)

    def padding(self, kernel: int, stride: int) -> tuple[int, int, int, int]:
        _, height, width = self.at[1]
        if self.style.padding == "same":
            return (*same_padding(height, kernel, stride), *same_padding(width, kernel, stride))
        return (kernel // 2,) * 4

    def convolved(self, channels: int, operation: Convolve) -> Shape:
        _, height, width = self.at[1]
        top, bottom, left, right = operation.padding
        rows = (height + top + bottom - operation.kernel) // operation.stride + 1
        columns = (width + left + right - operation.kernel) // operation.stride + 1
        return channels, rows, columns

    def simple(self, name: str, row: str, operation: Operation, branch: str = "") -> None:
        channels, height, width = self.at[1]
        match operation:
            case MaxPool() | AveragePool():
                output = (channels, pool_size(height, operation), pool_size(width, operation))
            case AdaptiveAveragePool(size=size):
                output = (channels, size, size)
            case _:
                output = self.at[1]
        self.add(name, row, operation, output, branch)

    def inception(self, row: Inception) -> None:
        start = self.at
        ends = []
        for branch, steps in _branches(row):
            self.at = start
            for step, operation in steps:
                if isinstance(operation, MaxPool):
                    self.simple(f"{row.name}/{step}", row.name, operation, branch)
                else:
                    self.convolve(f"{row.name}/{step}", row.name, operation[0], operation[1], branch=branch)
            ends.append(self.at)
        if len({shape[1:] for _, shape in ends}) > 1:
            raise InputError(f"{row.name}: its branches end on grids of different sizes; kernel_5x5 must be odd")
        self.at = start
        channels = sum(shape[0] for _, shape in ends)
        self.add(row.name, row.name, Concatenate(), (channels, *ends[0][1][1:]))
        self.nodes[-1] = replace(self.nodes[-1], inputs=tuple(name for name, _ in ends))

    def head(self, head: Auxiliary) -> None:
        start, self.auxiliary = self.at, True
        self.simple(f"{head.name}/pool", head.name, head.pool)
        self.convolve(f"{head.name}/conv", head.name, head.channels)
        dropout = Dropout("dropout", head.dropout)
        self.classifier(head.name, f"{head.name}/classifier", Classifier(self.classes, head.hidden), dropout)
        self.at, self.auxiliary = start, False

    def classifier(
        self, row: str, name: str, classifier: Classifier | MultiBox, dropout: Dropout | None = None
    ) -> None:
        for number, channels in enumerate(classifier.hidden, start=1):
            layer = "fc" if len(classifier.hidden) == 1 else f"fc{number}"
            self.add(f"{row}/{layer}", row, Linear(relu=True), (channels, 1, 1))
        if dropout:
            self.simple(f"{row}/dropout", row, dropout)
        last = name if not (row == name and classifier.hidden) else f"{row}/classifier"
        self.add(last, row, Linear(relu=False), (classifier.outputs, 1, 1))


_Step = tuple[str, MaxPool | tuple[int, int]]
"""The name of a step in a branch, and what it is: a pool, or a convolution's channels and kernel."""


def _branches(row: Inception) -> Iterator[tuple[str, list[_Step]]]:
    """Yield each branch with its steps."""
    yield "1x1", [("1x1", (row.n1x1, 1))]
    for branch, reduce, channels, kernel in (
        ("3x3", row.n3x3_reduce, row.n3x3, 3),
        ("5x5", row.n5x5_reduce, row.n5x5, row.kernel_5x5),
    ):
        reduction: list[_Step] = [(f"{branch}_reduce", (reduce, 1))] if reduce else []
        yield branch, [*reduction, (branch, (channels, kernel))]
    projection: list[_Step] = [("pool_proj", (row.pool_proj, 1))] if row.pool_proj else []
    yield "pool", [("pool", MaxPool("pool", kernel=3, stride=1, padding=1)), *projection]
