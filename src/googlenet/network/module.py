"""The torch module of a specification: rows by the paper's names, named outputs, heads for training only."""

from collections.abc import Iterable, Mapping
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
            self.add_module(name, _build(list(members), specification))
        self.row_names = [row.name for row in specification.rows]
        heads = specification.auxiliary if auxiliary else ()
        self.head_rows = {head.name: head.after for head in heads}

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        for name in self.row_names:
            x = self.get_submodule(name)(x)
            if self.training:
                outputs |= {head: self.get_submodule(head)(x) for head, row in self.head_rows.items() if row == name}
        logits = self.get_submodule("classifier")(x)
        return {"logits": logits, **outputs} if self.training else logits

    def features(self, x: Tensor, at: Iterable[str]) -> dict[str, Tensor]:
        """Return the outputs of rows (`inception_5b`) or layers (`inception_5b/3x3_reduce`) by name, without gradient.

        Shapes are [N, C, H, W]; rows behind the last that is asked for are not computed. Raises `InputError` for a
        name that the network does not have.
        """
        wanted = list(at)
        found: dict[str, Tensor] = {}
        handles = [self._layer(name).register_forward_hook(_keep(found, name)) for name in wanted]
        was_training = self.training
        try:
            self.eval()
            with torch.no_grad():
                for row in (*self.row_names, "classifier"):
                    if len(found) == len(set(wanted)):
                        break
                    x = self.get_submodule(row)(x)
        finally:
            self.train(was_training)
            for handle in handles:
                handle.remove()
        return {name: found[name] for name in wanted}

    def _layer(self, name: str) -> nn.Module:
        try:
            if name.split("/")[0] not in (*self.row_names, "classifier"):
                raise AttributeError
            return self.get_submodule(name.replace("/", "."))
        except AttributeError:
            known = ", ".join([*self.row_names, "classifier"])
            raise InputError(f"'{name}' is no layer of {self.specification.name}; its rows are {known}") from None


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

    def forward(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self.padding((x.shape[2], x.shape[3]))
        if (left, top) != (right, bottom):
            x, left, top = functional.pad(x, (left, right, top, bottom)), 0, 0
        x = functional.conv2d(x, self.weight, self.bias, self.stride, (top, left), 1, self.groups)
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
            if (left, top) == (0, 0):  # then the clipped windows of ceil are the same
                return functional.max_pool2d(x, kernel, stride, ceil_mode=True)
            return functional.max_pool2d(functional.pad(x, ends, value=-torch.inf), kernel, stride)
        covered = functional.pad(torch.ones_like(x[:1, :1]), ends)
        total = functional.avg_pool2d(functional.pad(x, ends), kernel, stride)
        return total / functional.avg_pool2d(covered, kernel, stride)

    def extra_repr(self) -> str:
        return str(self.pool)


def _build(nodes: list[Node], specification: Specification) -> nn.Module:
    """Return the module of one row or head from its operations."""
    row = nodes[0].row
    layers = {
        node.name.removeprefix(f"{row}/"): _layer(node, specification) for node in nodes if node.weight or _own(node)
    }
    if list(layers) == [row]:
        return layers[row]
    layers.pop(row, None)
    branches: dict[str, list[str]] = {}
    for node in nodes:
        if node.name != row:
            branches.setdefault(node.branch, []).append(node.name.removeprefix(f"{row}/"))
    return Block(layers, branches.values())


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


def _keep(found: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[name] = output

    return hook
