"""Local response normalisation (Figure 3 draws it twice), with a gradient of its own and no large temporaries.

For channel c with window sum s_c = sum of x_j^2 over the `size` channels around c (channels outside count 0):

    d = k + a * s,    y = x * d^-beta,    a = alpha / size (Caffe, torch) or alpha (TensorFlow)

and, with g the gradient that arrives and t = g * x * d^-beta / d, the gradient is
g * d^-beta - 2 * a * beta * x * (sum of t over the mirrored window). It needs x and g alone, so x is all that is kept.

It is computed in one of two forms, which are a property of the layer: `blocks`, a chain of torch's operations on
blocks that stay in the cache, and `fused`, one pass in C++, which needs the compiled kernels. Both are operators of
torch's, so that networks can be compiled, exported and copied; under `torch.compile` and `torch.export` blocks are not
used, but the definition, which the compiler joins with its neighbours and other programs understand.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from googlenet import machine, native
from googlenet.errors import InputError
from googlenet.native.operators import operator

__all__ = ["Form", "LocalResponseNorm", "fastest_form", "local_response_norm", "set_form"]

Form = Literal["blocks", "fused"]


def local_response_norm(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    divided: bool = True,
    *,
    rectified: bool = False,
    form: Form = "blocks",
) -> Tensor:
    """Return x / (k + a * sum of x^2 over `size` channels)^beta, in the shape, dtype and memory format of `x`.

    `x` is [N, C, ...] in float64, float32, bfloat16 or half; sums of the two short types are float32. The window of
    channel c is c - size // 2 ... c + (size - 1) // 2. With `divided`, a is alpha / size, else alpha. With
    `rectified` it is that of the ReLU of x. It can be differentiated twice and more: a
    gradient that is to be differentiated (`create_graph=True`) is computed by its formula in torch's operations, which
    keep what they need. `fused` is for float32 and bfloat16 on a
    CPU; the rest is computed in blocks.
    """
    if x.ndim < 2 or size < 1:
        raise ValueError(
            f"local response normalisation of {list(x.shape)} over {size} channels: [N, C, ...] over 1 or more"
        )
    scale = alpha / size if divided else alpha
    if form == "blocks" and torch.compiler.is_compiling():
        return _expression(x.relu() if rectified else x, size, scale, beta, k)
    return _normalised(x, size, scale, beta, k, rectified, form)


class LocalResponseNorm(nn.Module):
    """`local_response_norm` as a layer; the constants of BVLC's GoogLeNet are size 5, alpha 1e-4, beta 0.75, k 1."""

    def __init__(self, size: int, alpha: float, beta: float, k: float, divided: bool = True) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.divided = size, alpha, beta, k, divided
        self.rectified = False
        """Whether the ReLU of the layer before is done here."""
        self.form: Form = "blocks"

    def forward(self, x: Tensor) -> Tensor:
        constants = (self.size, self.alpha, self.beta, self.k, self.divided)
        return local_response_norm(x, *constants, rectified=self.rectified, form=self.form)

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, divided={self.divided}"


def fastest_form() -> machine.Choice:
    """Find out which form is faster on this machine, forward and backward; the first time it takes about a second."""
    x = torch.rand(8, 64, 56, 56).contiguous(memory_format=torch.channels_last).requires_grad_()

    def work(form: Form) -> None:
        local_response_norm(x, 5, 1e-4, 0.75, 1.0, form=form).backward(x.detach())

    forms = {"blocks": lambda: work("blocks")}
    if native.library() is not None:
        forms["fused"] = lambda: work("fused")
    key = f"torch {torch.__version__}, {torch.get_num_threads()} threads, kernels {native.level()}"
    return machine.choose("local-response-norm", forms, key=key)


def set_form(network: nn.Module, form: str) -> None:
    """Let the normalisations in `network` compute in a form: `blocks` or `fused`.

    Raises `InputError` for another name, and for `fused` where there are no compiled kernels.
    """
    if form not in ("blocks", "fused"):
        raise InputError(f"local response normalisation has no form '{form}'; use blocks or fused")
    if form == "fused" and native.library() is None:
        raise InputError(f"local response normalisation: fused needs the kernels ({native.lack()}); use blocks")
    for module in network.modules():
        if isinstance(module, LocalResponseNorm):
            module.form = form  # type: ignore[assignment]


@operator("googlenet::local_response_norm")
def _normalised(x: Tensor, size: int, scale: float, beta: float, k: float, rectified: bool, form: str) -> Tensor:
    return _computed(_dense(x), None, size, scale, beta, k, rectified, form)


@operator("googlenet::local_response_norm_backward")
def _gradient(
    gradient: Tensor, x: Tensor, size: int, scale: float, beta: float, k: float, rectified: bool, form: str
) -> Tensor:
    x = _dense(x)
    if gradient.shape != x.shape:
        raise ValueError(f"a gradient of {list(gradient.shape)} is not one of {list(x.shape)}")
    if gradient.stride() != x.stride() or gradient.dtype != x.dtype:
        gradient = torch.empty_like(x).copy_(gradient)
    return _computed(x, gradient, size, scale, beta, k, rectified, form)


@torch.library.register_fake("googlenet::local_response_norm")
def _(x: Tensor, *_: object) -> Tensor:
    return torch.empty_like(_dense(x))


@torch.library.register_fake("googlenet::local_response_norm_backward")
def _(gradient: Tensor, x: Tensor, *_: object) -> Tensor:
    return torch.empty_like(_dense(x))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, *ctx.constants = inputs
    ctx.save_for_backward(x)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (x,), constants = ctx.saved_tensors, ctx.constants
    again = torch.is_grad_enabled()  # the gradient is to be differentiated itself
    found = _gradient_expression(gradient, x, *constants[:-1]) if again else _gradient(gradient, x, *constants)
    return (found, *[None] * len(constants))


torch.library.register_autograd("googlenet::local_response_norm", _backward, setup_context=_keep)


def _computed(
    x: Tensor, gradient: Tensor | None, size: int, scale: float, beta: float, k: float, rectified: bool, form: str
) -> Tensor:
    if form == "fused" and x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16):
        return _fused(x, gradient, size, scale, beta, k, rectified)
    positive = x.relu() if rectified else x
    if gradient is None:
        return _forward_in_blocks(positive, size, scale, beta, k)
    result = _backward_in_blocks(positive, gradient, size, scale, beta, k)
    return result.masked_fill_(x <= 0, 0) if rectified else result


def _window(size: int, channels: int) -> tuple[int, int]:
    """How many channels before and after its own a window reaches, as far as there can be any."""
    return min(size // 2, channels), min((size - 1) // 2, channels)


def _expression(x: Tensor, size: int, scale: float, beta: float, k: float) -> Tensor:
    """The definition in operations that a compiler joins into one pass."""
    wide = x.to(_wide(x.dtype))
    total = _window_sum(wide * wide, *_window(size, x.shape[1]))
    return (wide * _inverse_power(k + scale * total, beta)).to(x.dtype)


def _gradient_expression(
    gradient: Tensor, x: Tensor, size: int, scale: float, beta: float, k: float, rectified: bool
) -> Tensor:
    """The gradient in operations that can be differentiated in turn."""
    wide, g = (x.relu() if rectified else x).to(_wide(x.dtype)), gradient.to(_wide(x.dtype))
    before, after = _window(size, x.shape[1])
    d = k + scale * _window_sum(wide * wide, before, after)
    direct = g * _inverse_power(d, beta)
    through = _window_sum(direct * wide / d, after, before)
    result = (direct - 2.0 * scale * beta * wide * through).to(x.dtype)
    return result.masked_fill(x <= 0, 0) if rectified else result


def _window_sum(values: Tensor, before: int, after: int) -> Tensor:
    """The sum over `before` channels, the own one and `after`."""
    channels = values.shape[1]
    padded = nn.functional.pad(values, (0, 0) * (values.ndim - 2) + (before, after))
    total = padded.narrow(1, 0, channels)
    for offset in range(1, before + 1 + after):
        total = total + padded.narrow(1, offset, channels)
    return total


def _inverse_power(d: Tensor, beta: float) -> Tensor:
    """Return d^-beta; square roots are several times faster than the power function."""
    if beta == 0.75:
        root = d.rsqrt()
        return root * root.sqrt()
    return d.rsqrt() if beta == 0.5 else d.pow(-beta)


def _fused(
    x: Tensor, gradient: Tensor | None, size: int, scale: float, beta: float, k: float, rectified: bool
) -> Tensor:
    """One pass over memory; see `native/local_response_norm.cpp`."""
    result = torch.empty_like(x)
    native.call(
        "local_response_norm",
        *(tensor if tensor is None else tensor.data_ptr() for tensor in (x, gradient, result)),
        *(x.numel(), *_maps(x).shape, size, scale, beta, k),
        *(rectified, x.dtype == torch.bfloat16, torch.get_num_threads()),
    )
    return result


# The form without kernels. Blocks small enough for the cache go through a chain of simple operations that write into
# the same few buffers, so main memory is read once and written once, as by a fused pass. In a block the maps lie one
# behind the other with zero channels between them: a sum over neighbouring channels is then a sum of the block and
# itself moved by a constant distance, which is contiguous for every memory format.

_BLOCK = 1 << 20
"""Elements. Buffers of 4 MB: small enough for the last cache, and few enough that torch's threads seldom wait for each
other, which on a busy machine costs more than all else."""


def _forward_in_blocks(x: Tensor, size: int, scale: float, beta: float, k: float) -> Tensor:
    y = torch.empty_like(x)
    source, target = _maps(x), _maps(y)
    block = _Block(source, size)
    for values, out in zip(source.split(block.rows), target.split(block.rows), strict=True):
        rows, values = len(values), values.to(block.dtype)
        torch.mul(values, values, out=block.input(rows))
        d = block.window_sum(rows, scale, k)
        factor = block.inverse_power(d, beta, out=d)
        torch.mul(block.own(factor, rows), values, out=out)
    return y


def _backward_in_blocks(x: Tensor, gradient: Tensor, size: int, scale: float, beta: float, k: float) -> Tensor:
    result = torch.empty_like(x)
    source, arriving, target = _maps(x), _maps(gradient), _maps(result)
    block = _Block(source, size)
    parts = (maps.split(block.rows) for maps in (source, arriving, target))
    for values, g, out in zip(*parts, strict=True):
        rows, values, g = len(values), values.to(block.dtype), g.to(block.dtype)
        torch.mul(values, values, out=block.input(rows))
        d = block.window_sum(rows, scale, k)
        factor = block.inverse_power(d, beta, out=block.sums[2][: len(d)])
        direct = block.own(factor, rows).mul_(g)
        torch.mul(direct, values, out=block.input(rows)).div_(block.own(d, rows))
        through = block.window_sum(rows, -2.0 * scale * beta, 0.0, mirrored=True)
        torch.addcmul(direct, block.own(through, rows), values, out=out)
    return result


class _Block:
    """The buffers of one block: rows of maps [C, inner] with zero channels before, between and behind them."""

    def __init__(self, maps: Tensor, size: int) -> None:
        _, self.channels, self.inner = maps.shape
        self.before, self.after = _window(size, self.channels)
        self.size, self.pitch = self.before + 1 + self.after, self.channels + self.before
        fitting = _BLOCK // max(1, self.pitch * self.inner) if maps.device.type == "cpu" else len(maps)
        self.rows = max(1, min(len(maps), fitting))
        self.dtype = _wide(maps.dtype)
        length = (self.rows * self.pitch + self.size) * self.inner
        self.padded = maps.new_zeros(length, dtype=self.dtype)
        self.sums = maps.new_empty(3, length, dtype=self.dtype)

    def own(self, flat: Tensor, rows: int) -> Tensor:
        """The maps [rows, C, inner] among the zero channels of a buffer, whose first map begins at element 0."""
        return flat[: rows * self.pitch * self.inner].view(rows, self.pitch, self.inner)[:, : self.channels]

    def input(self, rows: int) -> Tensor:
        """Where the summands of the next window sum are to be written."""
        return self.own(self.padded[self.before * self.inner :], rows)

    def window_sum(self, rows: int, scale: float, constant: float, mirrored: bool = False) -> Tensor:
        """constant + scale * the sum over each channel's window: 2, 4, 5 ... channels at a time, by doubling."""
        start = (self.before - self.after) * self.inner if mirrored else 0
        total = summand = self.padded[start : (rows * self.pitch + self.size) * self.inner]
        result, other, _ = self.sums
        width = 1
        for digit in f"{self.size:b}"[1:]:
            step = width * self.inner
            longer = other[: len(total) - step]
            torch.add(total[:-step], total[step:], out=longer)
            total, other, result, width = longer, result, other, 2 * width
            if digit == "1":
                step = width * self.inner
                total = total[: len(summand) - step]
                total.add_(summand[step:])
                width += 1
        return torch.add(total.new_tensor(constant), total, alpha=scale, out=self.sums[0][: len(total)])

    def inverse_power(self, d: Tensor, beta: float, out: Tensor) -> Tensor:
        """d^-beta, written to `out`, which may be `d`."""
        if beta == 0.75:
            torch.rsqrt(d, out=out)
            return out.mul_(torch.sqrt(out, out=self.sums[1][: len(d)]))
        return torch.rsqrt(d, out=out) if beta == 0.5 else torch.pow(d, -beta, out=out)


def _dense(x: Tensor) -> Tensor:
    """`x` with channels as the second or the last axis in memory, without gaps."""
    return x if x.is_contiguous() or x.movedim(1, -1).is_contiguous() else x.contiguous()


def _maps(x: Tensor) -> Tensor:
    """View a dense [N, C, ...] as [outer, C, inner] in the order of its memory."""
    if x.is_contiguous():
        return x.view(len(x), x.shape[1], -1) if x.numel() else x.view(0, x.shape[1], 0)
    return x.movedim(1, -1).view(-1, x.shape[1], 1)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32
