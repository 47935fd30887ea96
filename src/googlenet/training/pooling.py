"""Pools whose gradients are faster than torch's; the values are the same.

torch remembers each maximum's place in 8 bytes and scatters its gradient: here it is 1 byte, and each pixel gathers, in
C++ (`native/max_pool.cpp`). Its average's gradient goes pixel by pixel: here it is one matrix product.
"""

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from googlenet import native
from googlenet.network.graph import pool_size
from googlenet.network.specification import AveragePool, MaxPool

__all__ = ["average_pool", "can_pool", "max_pool"]


def can_pool() -> bool:
    """Whether there are the compiled kernels that `max_pool` needs."""
    return native.library() is not None


def max_pool(x: Tensor, pool: MaxPool, *, rectified: bool = False) -> Tensor:
    """Return the maxima of `x`, [N, C, H, W] in float32 or bfloat16 on the CPU; `rectified` takes 0 for lower ones."""
    return _MaxPool.apply(x, pool, rectified)


def average_pool(x: Tensor, pool: AveragePool) -> Tensor:
    """Return the means of `x`, [N, C, H, W], as torch computes them; for windows on small maps, as heads have."""
    return _AveragePool.apply(x, pool)


class _MaxPool(torch.autograd.Function):
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
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        result = torch.empty(ctx.shape[:4], dtype=gradient.dtype, memory_format=torch.channels_last)
        _compute(gradient, result, places, ctx.shape, gradient=True)
        return result, None, None


def _compute(source: Tensor, target: Tensor, places: Tensor, shape: tuple[int, ...], *, gradient: bool) -> None:
    x, y = (target, source) if gradient else (source, target)
    native.call(
        "max_pool",
        *(tensor.data_ptr() for tensor in (source, target, places)),
        *(x.numel(), y.numel(), (ctypes.c_int64 * len(shape))(*shape)),
        *(gradient, source.dtype == torch.bfloat16, torch.get_num_threads()),
    )


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: AveragePool) -> Tensor:
        ctx.shape, ctx.pool = x.shape, pool
        return _averages(x, pool)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, channels, height, width = ctx.shape
        covering, share = (part.to(gradient) for part in _windows(ctx.pool, height, width))
        summands = gradient.permute(0, 2, 3, 1).reshape(images, -1, channels) * share
        result = torch.bmm(covering.expand(images, -1, -1), summands)
        return result.view(images, height, width, channels).permute(0, 3, 1, 2), None


def _averages(x: Tensor, pool: AveragePool) -> Tensor:
    return functional.avg_pool2d(x, pool.kernel, pool.stride, ceil_mode=pool.rounding == "ceil")


@lru_cache(maxsize=32)
def _windows(pool: AveragePool, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Which windows each pixel lies in, [pixels, windows] of 0 and 1, and each window's share of a pixel, [windows, 1].

    Ones alone are exact in bfloat16.
    """
    pixels = torch.eye(height * width, dtype=torch.float64).view(-1, 1, height, width)
    shares = _averages(pixels, pool).flatten(1)
    return (shares > 0).float(), shares.amax(0)[:, None].float()
