"""Faster ways to compute the parts of a network in training; the same values but for rounding.

Beside the convolutions themselves, three things cost a training step most. The 1x1 convolutions of a module read the
same input: here they are one, which reads it once, fills the processor better, and has one gradient to that input
instead of three to add. torch's max pooling remembers each maximum in 8 bytes and scatters its gradient: here it is
1 byte, and each pixel gathers. And the ReLU of the stem's convolutions, over the largest maps of the network, is part
of what follows: of the maximum in the pool behind it, or of the normalisation.
"""

import ctypes
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from googlenet import native
from googlenet.network.graph import pool_size
from googlenet.network.local_response_norm import LocalResponseNorm
from googlenet.network.module import Block, ConvolutionUnit, Network, Pooling
from googlenet.network.specification import MaxPool

__all__ = ["can_pool", "install", "max_pool"]


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
        if isinstance(module, Pooling) and _is_ours(module):
            module.__class__ = _OwnPooling if pools else Pooling
    for unit, after in followed:
        if pools and unit.relu and isinstance(after, _OwnPooling | LocalResponseNorm):
            unit.relu, after.rectified = False, True


def can_pool() -> bool:
    """Whether this machine compiles the pools."""
    return native.library("max_pool") is not None


def max_pool(x: Tensor, pool: MaxPool, *, rectified: bool = False) -> Tensor:
    """Return the maxima of `x`, [N, C, H, W] in float32 or bfloat16 on the CPU; `rectified` takes 0 for lower ones."""
    return _Function.apply(x, pool, rectified)


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


class _OwnPooling(Pooling):
    """A max pool, with the ReLU of the row before it where that row left it out."""

    rectified = False

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16):
            return max_pool(x, self.pool, rectified=self.rectified)  # type: ignore[arg-type]
        pooled = super().forward(x)
        return functional.relu(pooled, inplace=True) if self.rectified else pooled


def _is_ours(module: Pooling) -> bool:
    pool = module.pool
    return isinstance(pool, MaxPool) and pool.rounding != "same" and pool.stride <= pool.kernel < 16


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


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: MaxPool, rectified: bool) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        images, channels, height, width = x.shape
        size = (images, channels, pool_size(height, pool), pool_size(width, pool))
        result = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        places = torch.empty(size, dtype=torch.uint8, memory_format=torch.channels_last)
        ctx.shape = (*x.shape, *size[2:], pool.kernel, pool.stride, pool.padding, int(rectified))
        _compute(x, result, places, ctx.shape, gradient=False)
        ctx.save_for_backward(places)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors  # type: ignore[attr-defined]
        shape = ctx.shape  # type: ignore[attr-defined]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        result = torch.empty(shape[:4], dtype=gradient.dtype, memory_format=torch.channels_last)
        _compute(gradient, result, places, shape, gradient=True)
        return result, None, None


def _compute(source: Tensor, target: Tensor, places: Tensor, shape: tuple[int, ...], *, gradient: bool) -> None:
    library = native.library("max_pool")
    assert library is not None
    library.max_pool(
        *(ctypes.c_void_p(tensor.data_ptr()) for tensor in (source, target, places)),
        (ctypes.c_int64 * len(shape))(*shape),
        *(ctypes.c_int(flag) for flag in (gradient, source.dtype == torch.bfloat16, torch.get_num_threads())),
    )
