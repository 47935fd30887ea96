"""A network in bfloat16 on a processor with units for it, by oneDNN's convolutions: torch's own, asked for more.

Their weights lie in the order that the units read for a shape of input, bias and ReLU are part of them, batch
normalisation is folded in, the 1x1 convolutions of a module are one, and pools and normalisations have their kernels.
torch keeps these calls for its compiler, so that whether they are there and right is tried before they are used.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from googlenet import native
from googlenet.inference.folding import fold
from googlenet.network.faster import JoinedBlock, MaxPooling
from googlenet.network.graph import Convolve, Linear, Node, expand
from googlenet.network.local_response_norm import set_form
from googlenet.network.module import ConvolutionUnit, FullyConnected, Network

__all__ = ["PackedNetwork", "can_pack"]

PACKED = 4
"""Shapes of input for which a convolution's weights are kept."""


class PackedNetwork(Network):
    """Another way to compute `network` in evaluation: the weights that it has now, in bfloat16 or float32.

    Threads may not share one.
    """

    def __init__(self, network: Network, dtype: torch.dtype = torch.bfloat16) -> None:
        nodes = [node for node in expand(network.specification, auxiliary=False) if node.weight]
        self._weights = {node.key: _weights(network.get_submodule(node.key), dtype) for node in nodes}
        super().__init__(network.specification, auxiliary=False)
        del self._weights
        if native.library() is not None:
            set_form(self, "fused")
        self.eval().requires_grad_(False)

    def build_block(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> nn.Module:
        block = _Block(layers, branches)
        return block if len(block.joined) > 1 else super().build_block(layers, branches)

    def build_layer(self, node: Node) -> nn.Module:
        match node.operation:
            case Convolve():
                same = self.specification.convolution.padding == "same"
                return _Convolution(node, same, *self._weights[node.key])
            case Linear():
                return _FullyConnected(node, *self._weights[node.key])
            case pool if MaxPooling.suits(pool) and native.library() is not None:
                return MaxPooling(pool)  # type: ignore[arg-type]
            case _:
                return super().build_layer(node)


class _Convolution(ConvolutionUnit):
    """A convolution whose weights are packed for each shape of input when it first comes."""

    def __init__(self, node: Node, same: bool, weight: Tensor, bias: Tensor) -> None:
        with torch.device("meta"):
            super().__init__(node, same)
        self.node, self.batch_norm = node, None  # folded
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self._packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self.padded(x)
        if x.shape not in self._packed:
            while len(self._packed) >= PACKED:
                del self._packed[next(iter(self._packed))]
            self._packed[x.shape] = _pack(self.weight, x.shape, padding, self.stride, self.groups)
        packed = self._packed[x.shape]
        return _convolve(x, packed, self.bias, padding, self.stride, self.groups, self.relu)


class _FullyConnected(FullyConnected):
    def __init__(self, node: Node, weight: Tensor, bias: Tensor) -> None:
        with torch.device("meta"):
            super().__init__(node)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)


class _Block(JoinedBlock):
    """A module whose joined convolutions are one from the beginning."""

    def __init__(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> None:
        super().__init__(layers, branches)
        if len(self.joined) > 1:
            first = self.units[0]
            assert isinstance(first, _Convolution)
            weight, bias = (torch.cat([getattr(unit, kind) for unit in self.units]) for kind in ("weight", "bias"))
            self._all = _Convolution(first.node, first.same, weight, bias)

    def join(self, x: Tensor) -> Tensor:
        return self._all(x)


@cache
def can_pack() -> bool:
    """Whether this torch on this processor has the convolutions and computes rightly by them."""
    x = torch.arange(-36.0, 36.0).view(1, 2, 6, 6).bfloat16().contiguous(memory_format=torch.channels_last)
    weight, bias = torch.arange(-27.0, 27.0).view(3, 2, 3, 3).bfloat16() / 8, torch.tensor([1.0, -2.0, 3.0]).bfloat16()
    try:
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        found = _convolve(x, _pack(weight, x.shape, (1, 1), 2, 1), bias, (1, 1), 2, 1, True)
    except (AttributeError, RuntimeError, TypeError):
        return False
    exact = functional.conv2d(x.float(), weight.float(), bias.float(), 2, 1).relu()
    return bool(torch.allclose(found.float(), exact, rtol=0.01, atol=0.5))


def _weights(layer: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    weight, bias = fold(layer) if isinstance(layer, ConvolutionUnit) else (layer.weight, layer.bias)
    return weight.detach().to(dtype, copy=True), bias.detach().to(dtype, copy=True)  # type: ignore[operator]


def _pack(weight: Tensor, shape: torch.Size, padding: tuple[int, int], stride: int, groups: int) -> Tensor:
    order: Any = torch._C._nn
    plain = weight.detach().contiguous().to_mkldnn()
    return order.mkldnn_reorder_conv2d_weight(plain, padding, (stride, stride), (1, 1), groups, shape)


def _convolve(
    x: Tensor, packed: Tensor, bias: Tensor | None, padding: tuple[int, int], stride: int, groups: int, relu: bool
) -> Tensor:
    operation: Any = torch.ops.mkldnn._convolution_pointwise
    after = "relu" if relu else "none"
    return operation(x, packed, bias, padding, (stride, stride), (1, 1), groups, after, [], "")
