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
from googlenet.native.operators import operator
from googlenet.network.graph import pool_size
from googlenet.network.specification import AveragePool, MaxPool

__all__ = ["average_pool", "can_pool", "max_pool"]


def can_pool() -> bool:
    """Whether there are the compiled kernels that `max_pool` needs."""
    return native.library() is not None


def max_pool(x: Tensor, pool: MaxPool, *, rectified: bool = False) -> Tensor:
    """Return the maxima of `x`, [N, C, H, W] in float32 or bfloat16 on the CPU; `rectified` takes 0 for lower ones.

    Channels last. Raises `ValueError` for other maps, and for windows beyond 15 x 15 or outside the map.
    """
    size = [pool_size(length, pool) for length in x.shape[2:]]
    return _maxima(x, size, pool.kernel, pool.stride, pool.padding, rectified)[0]


def average_pool(x: Tensor, pool: AveragePool) -> Tensor:
    """Return the means of `x`, [N, C, H, W], as torch computes them; for windows on small maps, as heads have."""
    if torch.compiler.is_compiling():
        return _averages(x, pool)
    return _AveragePool.apply(x, pool)


@operator("googlenet::max_pool")
def _maxima(
    x: Tensor, size: list[int], kernel: int, stride: int, padding: int, rectified: bool
) -> tuple[Tensor, Tensor]:
    """The maxima and, in bytes, their places in their windows."""
    _check(x)
    x = x.contiguous(memory_format=torch.channels_last)
    result, places = _output(x, size), _output(x, size, torch.uint8)
    _compute(x, result, places, (kernel, stride, padding, rectified), gradient=False)
    return result, places


@operator("googlenet::max_pool_backward")
def _gradient(
    gradient: Tensor, places: Tensor, size: list[int], kernel: int, stride: int, padding: int, rectified: bool
) -> Tensor:
    """The gradient of x, whose map is `size`."""
    _check(gradient)
    if places.dtype != torch.uint8 or places.shape != gradient.shape:
        raise ValueError(f"max_pool: places of {list(places.shape)} are not those of {list(gradient.shape)} maxima")
    gradient, places = (part.contiguous(memory_format=torch.channels_last) for part in (gradient, places))
    result = _output(gradient, size)
    _compute(gradient, result, places, (kernel, stride, padding, rectified), gradient=True)
    return result


@torch.library.register_fake("googlenet::max_pool")
def _(x: Tensor, size: list[int], *_: object) -> tuple[Tensor, Tensor]:
    return _output(x, size), _output(x, size, torch.uint8)


@torch.library.register_fake("googlenet::max_pool_backward")
def _(gradient: Tensor, places: Tensor, size: list[int], *_: object) -> Tensor:
    return _output(gradient, size)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, _, *ctx.window = inputs
    ctx.size = list(x.shape[2:])
    ctx.save_for_backward(output[1])


def _backward(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    (places,) = ctx.saved_tensors
    return (_gradient(gradient, places, ctx.size, *ctx.window), None, *[None] * len(ctx.window))


torch.library.register_autograd("googlenet::max_pool", _backward, setup_context=_keep)


def _check(x: Tensor) -> None:
    if x.ndim != 4 or x.dtype not in (torch.float32, torch.bfloat16) or x.device.type != "cpu":
        found = f"{list(x.shape)} in {x.dtype} on {x.device}"
        raise ValueError(f"max_pool: [N, C, H, W] in float32 or bfloat16 on the CPU is wanted, found {found}")


def _output(like: Tensor, size: list[int], dtype: torch.dtype | None = None) -> Tensor:
    shape = (*like.shape[:2], *size)
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device, memory_format=torch.channels_last)


def _compute(source: Tensor, target: Tensor, places: Tensor, window: tuple[int, ...], *, gradient: bool) -> None:
    x, y = (target, source) if gradient else (source, target)
    shape = (*x.shape, *y.shape[2:], *window)
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
