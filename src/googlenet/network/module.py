"""The torch module of a specification: rows by the paper's names, named outputs, heads for training only."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional

from googlenet.errors import InputError
from googlenet.network.graph import Convolve, Linear, Node, Pool, expand, pool_padding, same_padding
from googlenet.network.local_response_norm import LocalResponseNorm as Normalisation
from googlenet.network.specification import (
    AdaptiveAveragePool,
    AveragePool,
    Dropout,
    LocalResponseNorm,
    MaxPool,
    Specification,
)

__all__ = ["Block", "ConvolutionUnit", "FullyConnected", "Network", "Pooling"]


class Network(nn.Module):
    """A network, built from its specification alone; `initialise` or a checkpoint fills its weights.

    `network(x)` takes [N, 3, H, W], prepared as `specification.pixels` says (nothing is normalised in here). In
    evaluation it returns the logits, [N, classes]; in training a dictionary of logits: `logits` and one entry for
    each auxiliary head, by its name. Rows are attributes (`network.inception_4a`), and their layers too
    (`network.inception_4a.get_submodule("3x3_reduce")`).
    """

    def __init__(self, specification: Specification, *, auxiliary: bool = True) -> None:
        super().__init__()
        self.specification = specification
        nodes = expand(specification, auxiliary=auxiliary)
        for name, members in groupby((node for node in nodes if node.name != "softmax"), key=lambda node: node.row):
            if hasattr(self, name):
                raise InputError(f"row '{name}': torch's modules need this name themselves; choose another")
            self.add_module(name, self._build_row(list(members)))
        self.row_names = [row.name for row in specification.rows]
        heads = specification.auxiliary if auxiliary else ()
        self.head_rows = {head.name: head.after for head in heads}

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        self.check(x)
        outputs: dict[str, Tensor] = {}
        for name in self.row_names:
            x = self.get_submodule(name)(x)
            if self.training:
                outputs |= {head: self.get_submodule(head)(x) for head, row in self.head_rows.items() if row == name}
        logits = self.get_submodule("classifier")(x)
        return {"logits": logits, **outputs} if self.training else logits

    def features(self, x: Tensor, at: Iterable[str], *, gradient: bool = False) -> dict[str, Tensor]:
        """Return the outputs of rows (`inception_5b`) or layers (`inception_5b/3x3_reduce`) by name, in evaluation.

        Shapes are [N, C, H, W]; `input` is x itself. Rows behind the last that is asked for are not computed. With
        `gradient` the outputs are parts of one graph, else of none. Raises `InputError` for a name that the network
        does not have.
        """
        wanted = dict.fromkeys(at)
        last = max((self.find_row(name) for name in wanted), default=-1)
        self.check(x)
        found = {"input": x} if "input" in wanted else {}
        was_training = self.training
        if was_training:
            self.eval()
        try:
            with nullcontext() if gradient else torch.no_grad():
                for row in (*self.row_names, "classifier")[: last + 1]:
                    module = self.get_submodule(row)
                    outputs = module.outputs(x) if isinstance(module, Block) else {"": module(x)}
                    x = outputs[""]
                    names = {f"{row}/{layer}" if layer else row: layer for layer in outputs}
                    found |= {name: outputs[layer] for name, layer in names.items() if name in wanted}
        finally:
            if was_training:
                self.train()
        return {name: found[name] for name in wanted}

    def check(self, x: Tensor) -> None:
        """Raise `InputError` for an input whose shape the layers do not fit."""
        if tuple(x.shape[1:]) != self.specification.input and not torch.compiler.is_compiling():
            _check_size(self.specification, tuple(x.shape), heads=self.training and bool(self.head_rows))

    def find_row(self, name: str) -> int:
        """Return the place of the row in which a name is computed, -1 for the input."""
        rows = (*self.row_names, "classifier")
        row, _, layer = name.partition("/")
        module = self.get_submodule(row) if row in rows else None
        if name == "input" or (module is not None and (not layer or (isinstance(module, Block) and module.has(layer)))):
            return rows.index(row) if module is not None else -1
        raise InputError(f"'{name}' is no layer of {self.specification.name}; its rows are {', '.join(rows)}")

    # How it is built. A network that computes the same in another way overrides the last two.

    def _build_row(self, nodes: list[Node]) -> nn.Module:
        """Return the module of one row or head from its operations."""
        row = nodes[0].row
        layers = {
            node.name.removeprefix(f"{row}/"): self.build_layer(node) for node in nodes if node.weight or _own(node)
        }
        if list(layers) == [row]:
            return layers[row]
        branches: dict[str, list[str]] = {}
        for node in nodes:
            if node.name != row:
                branches.setdefault(node.branch, []).append(node.name.removeprefix(f"{row}/"))
        return self.build_block(layers, branches.values())

    def build_block(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> nn.Module:
        """Return the module of a row that consists of several operations."""
        return Block(layers, branches)

    def build_layer(self, node: Node) -> nn.Module:
        """Return the module of one operation."""
        return _layer(node, self.specification)


class Block(nn.Module):
    """Named layers in branches on one input, concatenated along the channels; a plain row has one branch."""

    def __init__(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.branches = [list(branch) for branch in branches]

    def forward(self, x: Tensor) -> Tensor:
        ends = []
        for branch in self.branches:
            end = x
            for name in branch:
                end = self.get_submodule(name)(end)
            ends.append(end)
        return ends[0] if len(ends) == 1 else torch.cat(ends, dim=1)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return the output of every layer by its name, and that of `forward` under an empty one."""
        found = {}
        for branch in self.branches:
            end = x
            for name in branch:
                end = found[name] = self.get_submodule(name)(end)
        ends = [found[branch[-1]] for branch in self.branches]
        return {**found, "": ends[0] if len(ends) == 1 else torch.cat(ends, dim=1)}

    def has(self, layer: str) -> bool:
        """Whether it has a layer of this name."""
        return any(layer in branch for branch in self.branches)


class ConvolutionUnit(nn.Module):
    """A convolution with bias or batch normalisation, and ReLU; padded symmetrically or as TensorFlow's SAME."""

    def __init__(self, node: Node, same: bool) -> None:
        super().__init__()
        operation, shape = node.operation, node.weight
        assert isinstance(operation, Convolve)
        assert shape is not None
        self.kernel, self.stride, self.groups, self.relu = (
            operation.kernel,
            operation.stride,
            operation.groups,
            operation.relu,
        )
        self.same = same
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0])) if operation.bias else None
        norm = operation.batch_norm
        self.batch_norm = nn.BatchNorm2d(shape[0], norm.epsilon, norm.momentum) if norm else None

    def padding(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the padding (left, right, top, bottom) for an input of `size` [height, width]."""
        if self.same:
            (top, bottom), (left, right) = (same_padding(length, self.kernel, self.stride) for length in size)
            return left, right, top, bottom
        return (self.kernel // 2,) * 4

    def padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return `x`, padded where its sides differ, and what a convolution pads by itself, (height, width)."""
        left, right, top, bottom = self.padding((x.shape[2], x.shape[3]))
        if (left, top) != (right, bottom):
            return functional.pad(x, (left, right, top, bottom)), (0, 0)
        return x, (top, left)

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self.padded(x)
        x = functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
        if self.batch_norm is not None:
            x = self.batch_norm(x)
        return functional.relu(x, inplace=True) if self.relu else x

    def extra_repr(self) -> str:
        return f"{list(self.weight.shape)}, stride={self.stride}, bias={self.bias is not None}, relu={self.relu}"


class FullyConnected(nn.Linear):
    """A linear layer on [N, C, H, W] flattened in this order (Caffe's), with ReLU unless it is a classifier."""

    def __init__(self, node: Node) -> None:
        assert node.weight is not None
        assert isinstance(node.operation, Linear)
        super().__init__(node.weight[1], node.weight[0])
        self.relu = node.operation.relu

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.flatten(1))
        return functional.relu(x, inplace=True) if self.relu else x


class Pooling(nn.Module):
    """The pools of the specification; windows that hang over the edge see what lies inside alone."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pool = self.pool
        if isinstance(pool, AdaptiveAveragePool):
            return functional.adaptive_avg_pool2d(x, pool.size)
        if isinstance(pool, MaxPool) and pool.rounding != "same":
            return functional.max_pool2d(x, pool.kernel, pool.stride, pool.padding, ceil_mode=pool.rounding == "ceil")
        if isinstance(pool, AveragePool) and pool.rounding != "same":
            return functional.avg_pool2d(x, pool.kernel, pool.stride, ceil_mode=pool.rounding == "ceil")
        return self.same(x)

    def same(self, x: Tensor) -> Tensor:
        """Pool as TensorFlow's SAME, whose padding is unequal and takes no part."""
        kernel, stride = self.pool.kernel, self.pool.stride  # type: ignore[union-attr]
        (top, bottom), (left, right) = (pool_padding(length, self.pool) for length in x.shape[2:])  # type: ignore[arg-type]
        ends = (left, right, top, bottom)
        if isinstance(self.pool, MaxPool):
            if (left, top) == (0, 0) and max(right, bottom) < stride:  # then the clipped windows of ceil are the same
                return functional.max_pool2d(x, kernel, stride, ceil_mode=True)
            return functional.max_pool2d(functional.pad(x, ends, value=-torch.inf), kernel, stride)
        covered = functional.pad(torch.ones_like(x[:1, :1]), ends)
        total = functional.avg_pool2d(functional.pad(x, ends), kernel, stride)
        return total / functional.avg_pool2d(covered, kernel, stride)

    def extra_repr(self) -> str:
        return str(self.pool)


def _own(node: Node) -> bool:
    return isinstance(node.operation, Pool | LocalResponseNorm | Dropout)


def _layer(node: Node, specification: Specification) -> nn.Module:
    match node.operation:
        case Convolve():
            return ConvolutionUnit(node, same=specification.convolution.padding == "same")
        case Linear():
            return FullyConnected(node)
        case LocalResponseNorm() as norm:
            return Normalisation(norm.size, norm.alpha, norm.beta, norm.k, norm.divided)
        case Dropout(rate=rate):
            return nn.Dropout(rate)
        case MaxPool() | AveragePool() | AdaptiveAveragePool() as pool:
            return Pooling(pool)
        case other:
            raise TypeError(other)


@lru_cache(32)
def _check_size(specification: Specification, shape: tuple[int, ...], heads: bool) -> None:
    """Raise `InputError` unless the network's weights fit an input of `shape`: some sizes but its own do."""
    channels, height, width = specification.input
    found = f"{specification.name}: an input of shape {list(shape)}; it takes [N, {channels}, {height}, {width}]"
    if len(shape) != 4 or shape[1] != channels:
        raise InputError(f"{found}, pictures of {channels} channels")
    if not _fits(specification, (shape[2], shape[3]), heads):
        mend = f"make a network for this size with googlenet.create(..., size=({shape[2]}, {shape[3]}))"
        raise InputError(f"{found}: resize the pictures, or {mend}")


@lru_cache(maxsize=256)
def _fits(specification: Specification, size: tuple[int, int], heads: bool) -> bool:
    """Whether all layers have the same weights for pictures of `size` [height, width]."""
    try:
        nodes = expand(specification, auxiliary=heads, size=size)
    except InputError:
        return False
    return all(
        node.weight == own.weight for node, own in zip(nodes, expand(specification, auxiliary=heads), strict=True)
    )
