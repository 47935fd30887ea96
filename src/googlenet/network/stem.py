"""The separable stem of Table 1 and the dense one are the same function; here is the way from each to the other.

The published kernels show it: each input channel's 64 x 49 matrix of taps has rank 8, the depth multiplier.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from googlenet.errors import InputError
from googlenet.network.specification import Convolution, SeparableConvolution, Specification

__all__ = ["collapse", "separate"]

Weights = Mapping[str, Tensor]


def collapse(specification: Specification, weights: Weights) -> tuple[Specification, dict[str, Tensor]]:
    """Return the network with a dense first convolution, exactly: W[o, c] = sum over m of P[o, c, m] * D[c, m]."""
    row = specification.rows[0]
    if not isinstance(row, SeparableConvolution):
        raise InputError(f"{specification.name}: the first row, {row.name}, is not separable")
    if specification.convolution.batch_norm is None:
        result = dict(weights)
        depthwise, pointwise = result.pop(f"{row.name}.depthwise.weight"), result.pop(f"{row.name}.pointwise.weight")
        channels = depthwise.shape[0] // row.multiplier
        factors = depthwise.double().reshape(channels, row.multiplier, row.kernel, row.kernel)
        mixing = pointwise.double().reshape(row.channels, channels, row.multiplier)
        bias = result.pop(f"{row.name}.pointwise.bias").double()
        if row.depthwise_bias:
            bias = bias + pointwise.double().flatten(1) @ result.pop(f"{row.name}.depthwise.bias").double()
        layer = f"{row.name}.{row.kernel}x{row.kernel}"
        result[f"{layer}.weight"] = torch.einsum("ocm,cmyx->ocyx", mixing, factors).to(depthwise.dtype)
        result[f"{layer}.bias"] = bias.to(depthwise.dtype)
        dense = Convolution(row.name, row.channels, row.kernel, row.stride)
        return replace(specification, rows=(dense, *specification.rows[1:])), result
    raise InputError(f"{specification.name}: fold the batch normalisation before the stem is collapsed")


def separate(
    specification: Specification, weights: Weights, multiplier: int = 8, tolerance: float = 1e-5
) -> tuple[Specification, dict[str, Tensor]]:
    """Return the network with a separable first convolution.

    Exact where each input channel's matrix of taps has at most rank `multiplier`; `tolerance` is the largest share
    of its greatest singular value that counts as rounding. Raises `InputError` with the rank where it is higher.
    """
    row = specification.rows[0]
    if not isinstance(row, Convolution) or row.reduce or specification.convolution.batch_norm:
        raise InputError(f"{specification.name}: the first row, {row.name}, is not a plain convolution with bias")
    result = dict(weights)
    layer = f"{row.name}.{row.kernel}x{row.kernel}"
    dense, bias = result.pop(f"{layer}.weight"), result.pop(f"{layer}.bias")
    left, values, right = torch.linalg.svd(dense.double().transpose(0, 1).flatten(2), full_matrices=False)
    rank = int((values > tolerance * values[:, :1]).sum(dim=1).max())
    if rank > multiplier:
        raise InputError(f"{specification.name}: {row.name} has rank {rank} in an input channel, above {multiplier}")
    scale = values[:, :multiplier].sqrt()
    factors = scale[:, :, None] * right[:, :multiplier]
    mixing = left[:, :, :multiplier] * scale[:, None, :]
    inputs = dense.shape[1]
    result[f"{row.name}.depthwise.weight"] = factors.reshape(-1, 1, row.kernel, row.kernel).to(dense.dtype)
    result[f"{row.name}.depthwise.bias"] = torch.zeros(inputs * multiplier, dtype=dense.dtype)
    result[f"{row.name}.pointwise.weight"] = mixing.permute(1, 0, 2).reshape(row.channels, -1, 1, 1).to(dense.dtype)
    result[f"{row.name}.pointwise.bias"] = bias
    separable = SeparableConvolution(row.name, row.channels, row.kernel, row.stride, multiplier)
    return replace(specification, rows=(separable, *specification.rows[1:])), result
