"""Batch normalisation as it is in evaluation: part of the convolution before it."""

import torch
from torch import Tensor

from googlenet.network.module import ConvolutionUnit

__all__ = ["fold"]


@torch.no_grad()
def fold(unit: ConvolutionUnit) -> tuple[Tensor, Tensor]:
    """Return the weight and bias of the plain convolution that computes the same as `unit` in evaluation.

    Worked out in float64, returned in the unit's dtype. Without batch normalisation these are its own (a missing bias
    is zeros).
    """
    weight = unit.weight.detach()
    bias = weight.new_zeros(len(weight)) if unit.bias is None else unit.bias.detach()
    norm = unit.batch_norm
    if norm is None:
        return weight, bias
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() * (norm.running_var.double() + norm.eps).rsqrt()
    shift = norm.bias.double() + (bias.double() - norm.running_mean.double()) * factor
    return (weight.double() * factor.view(-1, 1, 1, 1)).to(weight.dtype), shift.to(weight.dtype)
