"""Faster ways to compute the parts of a network in training; the same values but for rounding.

Beside the convolutions themselves, three things cost a training step most. The 1x1 convolutions of a module read the
same input: here they are one, which reads it once, fills the processor better, and has one gradient to that input
instead of three to add. Pools have faster gradients (`pooling`). And the ReLU of the stem's convolutions, over the
largest maps of the network, is part of what follows: of the maximum in the pool behind it, or of the normalisation.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from googlenet.network.local_response_norm import LocalResponseNorm
from googlenet.network.module import Block, ConvolutionUnit, Network, Pooling
from googlenet.network.specification import AveragePool, MaxPool
from googlenet.training.pooling import average_pool, max_pool

__all__ = ["install"]


def install(network: Network, *, joined: bool, pools: bool) -> None:
    """Let `network` compute with `joined` convolutions, with `pools` of its own and fewer ReLUs, or as it is written.

    Only how it computes changes: parameters, their names and the results stay.
    """
    followed = list(_followed_convolutions(network))
    for unit, after in followed:
        if getattr(after, "rectified", False):
            unit.relu, after.rectified = True, False  # type: ignore[assignment]
    for module in network.modules():
        if isinstance(module, Block) and len(_joinable(module)) > 1:
            module.__class__ = _JoinedBlock if joined else Block
        if isinstance(module, Pooling):
            module.__class__ = _own_pooling(module) if pools else Pooling
    for unit, after in followed:
        if pools and unit.relu and isinstance(after, _OwnMaxPooling | LocalResponseNorm):
            unit.relu, after.rectified = False, True


class _JoinedBlock(Block):
    """A module whose 1x1 convolutions on its own input are one."""

    def forward(self, x: Tensor) -> Tensor:
        units = _joinable(self)
        weight = torch.cat([unit.weight for unit in units.values()])
        bias = torch.cat([unit.bias for unit in units.values()])  # type: ignore[misc]
        output = functional.relu(functional.conv2d(x, weight, bias), inplace=True)
        parts = dict(zip(units, output.split([len(unit.weight) for unit in units.values()], dim=1), strict=True))
        ends = []
        for first, *others in self.branches:
            end = parts[first] if first in parts else self.get_submodule(first)(x)
            if first in parts and others:
                end = end.contiguous(memory_format=torch.channels_last)
            for name in others:
                end = self.get_submodule(name)(end)
            ends.append(end)
        return torch.cat(ends, dim=1)


class _OwnMaxPooling(Pooling):
    """A max pool, with the ReLU of the row before it where that row left it out."""

    rectified = False

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16):
            return max_pool(x, self.pool, rectified=self.rectified)  # type: ignore[arg-type]
        pooled = super().forward(x)
        return functional.relu(pooled, inplace=True) if self.rectified else pooled


class _OwnAveragePooling(Pooling):
    """An average pool of a head."""

    def forward(self, x: Tensor) -> Tensor:
        is_small = x.shape[2] * x.shape[3] <= LARGEST_AVERAGED
        return average_pool(x, self.pool) if is_small else super().forward(x)  # type: ignore[arg-type]


LARGEST_AVERAGED = 32 * 32
"""Pixels of a map whose averages' gradient is a matrix product."""


def _own_pooling(module: Pooling) -> type[Pooling]:
    pool = module.pool
    if isinstance(pool, MaxPool) and pool.rounding != "same" and pool.stride <= pool.kernel < 16:
        return _OwnMaxPooling
    return _OwnAveragePooling if isinstance(pool, AveragePool) and pool.rounding != "same" else Pooling


def _followed_convolutions(network: Network) -> Iterator[tuple[ConvolutionUnit, torch.nn.Module]]:
    """The convolutions whose output is a row's, where the next row alone reads it, and that row."""
    for before, row in pairwise(network.row_names):
        unit = _last_unit(network.get_submodule(before))
        if unit is not None and before not in network.head_rows.values():
            yield unit, network.get_submodule(row)


def _last_unit(row: torch.nn.Module) -> ConvolutionUnit | None:
    """The convolution whose output is the row's."""
    if isinstance(row, Block) and len(row.branches) == 1:
        row = row.get_submodule(row.branches[0][-1])
    return row if isinstance(row, ConvolutionUnit) else None


def _joinable(block: Block) -> dict[str, ConvolutionUnit]:
    """The 1x1 convolutions that read the block's input, by name."""
    firsts = {branch[0]: block.get_submodule(branch[0]) for branch in block.branches}
    return {
        name: unit
        for name, unit in firsts.items()
        if isinstance(unit, ConvolutionUnit)
        and (unit.kernel, unit.stride, unit.groups, unit.relu) == (1, 1, 1, True)
        and unit.bias is not None
        and unit.batch_norm is None
    }
