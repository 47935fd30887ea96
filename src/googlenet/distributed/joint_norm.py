"""Batch normalisation over the images of all processes, as one process with the whole batch would have it.

Each layer exchanges its sums, twice in each pass: mean and variance on the way forward, what the gradient needs of them
on the way back. A process that has no image, or none left for a pass, takes part with nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from googlenet.network.graph import Convolve, expand
from googlenet.network.module import Network

__all__ = ["JointNorm", "join", "stand_by"]

Add = Callable[[Tensor], Tensor]
"""Returns the sum over all processes of a tensor; every process calls it in the same order."""


class JointNorm(nn.BatchNorm2d):
    """`norm` itself, its parameters and statistics, but over the images of all processes while `is_open`.

    Otherwise it sees this process's alone. `share` is the part of the joint batch that this process's own images are.
    """

    def __init__(self, norm: nn.BatchNorm2d, add: Add, rank: int, size: int) -> None:
        with torch.device("meta"):
            super().__init__(norm.num_features, norm.eps, norm.momentum)
        for name, tensor in [*norm.named_parameters(), *norm.named_buffers()]:
            setattr(self, name, tensor)
        self.train(norm.training)
        self.is_open, self.share = False, 1.0
        self._add, self._rank, self._size = add, rank, size

    def forward(self, x: Tensor) -> Tensor:
        if not (self.is_open and self.training):
            return super().forward(x)
        result: Tensor = _Normalised.apply(x, self.weight, self.bias, self)
        return result

    def statistics(self, x: Tensor | None) -> tuple[Tensor, Tensor, float]:
        """Return mean and variance of each channel over all processes' values, and how many these are.

        `x` is this process's input, None where it has none. The running statistics take them in.
        """
        found = torch.zeros(self._size, 2 * self.num_features + 1, dtype=torch.float64, device=self.running_mean.device)  # type: ignore[union-attr]
        if x is not None:
            variance, mean = torch.var_mean(_wide(x), (0, 2, 3), correction=0)
            found[self._rank, :-1] = torch.cat([mean, variance]).double()
            found[self._rank, -1] = x.numel() / self.num_features
        means, variances, counts = self._add(found).split([self.num_features, self.num_features, 1], dim=1)
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        self._take(mean, variance, float(count))
        kind = self.running_mean.dtype  # type: ignore[union-attr]
        return mean.to(kind), variance.to(kind), float(count)

    def joint_sums(self, own: Tensor | None) -> Tensor:
        """Return the sums over all processes of the two numbers of each channel that a gradient needs: [2 C]."""
        nothing = torch.zeros(2 * self.num_features, dtype=torch.float64, device=self.running_mean.device)  # type: ignore[union-attr]
        return self._add(nothing if own is None else own.double() * self.share)

    @torch.no_grad()
    def _take(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Update the running statistics, as torch does: of the variance, the one without bias."""
        running_mean, running_var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        assert running_mean is not None
        assert running_var is not None
        assert batches is not None
        batches += 1
        weight = self.momentum if self.momentum is not None else 1 / int(batches)
        running_mean.lerp_(mean.to(running_mean.dtype), weight)
        running_var.lerp_((variance * (count / max(count - 1, 1))).to(running_var.dtype), weight)


def join(network: Network, add: Add, rank: int, size: int) -> list[JointNorm]:
    """Put a `JointNorm` in the place of each batch normalisation; return them in the order of computation."""
    nodes = expand(network.specification, auxiliary=bool(network.head_rows))
    norms = []
    for node in nodes:
        if isinstance(node.operation, Convolve) and node.operation.batch_norm is not None:
            unit = network.get_submodule(node.key)
            unit.batch_norm = JointNorm(unit.batch_norm, add, rank, size)  # type: ignore[arg-type]
            norms.append(unit.batch_norm)
    return norms


def stand_by(norms: Sequence[JointNorm]) -> None:
    """Take part without an image in a pass through the network and back."""
    seen = [norm for norm in norms if norm.training]
    for norm in seen:
        norm.statistics(None)
    for norm in reversed(seen):  # autograd goes back in the order of its nodes
        norm.joint_sums(None)


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: JointNorm) -> Tensor:
        mean, variance, ctx.count = norm.statistics(x)
        ctx.norm = norm
        ctx.save_for_backward(x, weight, mean, (variance + norm.eps).rsqrt())
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, norm.eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The gradient is of the mean over this process's images; of the joint mean it is `share` times as much."""
        x, weight, mean, scale = ctx.saved_tensors
        (gradient,) = gradients
        shape = (1, -1, 1, 1)
        upstream = _wide(gradient)
        centred = (_wide(x) - mean.view(shape)).mul_(scale.view(shape))
        own = torch.stack([upstream.sum((0, 2, 3)), (upstream * centred).sum((0, 2, 3))])
        joint = ctx.norm.joint_sums(own.reshape(-1)) / (ctx.count * ctx.norm.share)
        constant, slope = joint.to(upstream.dtype).view(2, 1, -1, 1, 1)
        inner = (upstream - constant).addcmul_(centred, slope, value=-1).mul_((scale * weight).view(shape))
        return inner.to(x.dtype), own[1].to(weight.dtype), own[0].to(weight.dtype), None


def _wide(values: Tensor) -> Tensor:
    """In float32 at least, in which sums are exact enough."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
