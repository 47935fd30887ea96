"""Parts of a network computed in faster ways, with the same values but for rounding.

The 1x1 convolutions of a module read the same input: one convolution in their place reads it once and fills the
processor better. Max pools have kernels (`pooling`), which take the ReLU of the row before them along.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from googlenet.network.graph import Operation
from googlenet.network.module import Block, ConvolutionUnit, Pooling
from googlenet.network.pooling import max_pool
from googlenet.network.specification import MaxPool

__all__ = ["JoinedBlock", "MaxPooling"]


class JoinedBlock(Block):
    """A module whose 1x1 convolutions on its own input are one; `joined` are their names."""

    def __init__(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> None:
        super().__init__(layers, branches)
        firsts = {branch[0]: layers[branch[0]] for branch in self.branches}
        self.joined = [name for name, layer in firsts.items() if _is_joinable(layer)]

    @property
    def units(self) -> list[ConvolutionUnit]:
        """The convolutions that are joined."""
        return [self.get_submodule(name) for name in self.joined]  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        widths = [len(unit.weight) for unit in self.units]
        parts = dict(zip(self.joined, self.join(x).split(widths, dim=1), strict=True))
        ends = []
        for first, *others in self.branches:
            end = parts[first] if first in parts else self.get_submodule(first)(x)
            if first in parts and others:
                end = end.contiguous(memory_format=torch.channels_last)
            for name in others:
                end = self.get_submodule(name)(end)
            ends.append(end)
        return torch.cat(ends, dim=1)

    def join(self, x: Tensor) -> Tensor:
        """Return the outputs of the joined convolutions, one behind the other along the channels."""
        weight = torch.cat([unit.weight for unit in self.units])
        bias = torch.cat([unit.bias for unit in self.units])  # type: ignore[misc]
        return functional.relu(functional.conv2d(x, weight, bias), inplace=True)


class MaxPooling(Pooling):
    """A max pool, with the ReLU of the row before it where that row left it out."""

    rectified = False

    @staticmethod
    def suits(operation: Operation) -> bool:
        """Whether an operation is a pool that there are kernels for."""
        is_clipped = isinstance(operation, MaxPool) and operation.rounding in ("floor", "ceil")
        return is_clipped and operation.stride <= operation.kernel < 16  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16):
            return max_pool(x, self.pool, rectified=self.rectified)  # type: ignore[arg-type]
        pooled = super().forward(x)
        return functional.relu(pooled, inplace=True) if self.rectified else pooled


def _is_joinable(layer: nn.Module) -> bool:
    return (
        isinstance(layer, ConvolutionUnit)
        and (layer.kernel, layer.stride, layer.groups, layer.relu) == (1, 1, 1, True)
        and layer.bias is not None
        and layer.batch_norm is None
    )
