"""Networks prepared for evaluation alone: the same answers from the same weights, in the fastest form the machine has.

`eager` is the plain module with channels-last weights. `native` runs every row in C++ (`native/inference.cpp`): the 1x1
convolutions of an Inception module that read the same input are one product, a module's pool is taken while its
projection reads it, 3x3 and 5x5 convolutions use Winograd's minimal filtering, bias and ReLU are part of the
convolution, batch normalisation is folded into it, branches write side by side into one map, and a few pictures at a
time go through the whole network, so that maps stay in the cache.
"""

import copy
from collections.abc import Iterable
from functools import partial
from threading import Lock

import torch
from torch import Tensor, nn

from googlenet import machine, native
from googlenet.errors import InputError
from googlenet.inference.native_plan import Packed, Plan
from googlenet.network.graph import Convolve, expand
from googlenet.network.module import Network
from googlenet.network.specification import SeparableConvolution
from googlenet.network.stem import collapse

__all__ = ["Evaluator", "optimise"]

PIXELS = 8 * 224 * 224
"""So many pixels of input, or one picture, go through the network together in the native form."""

PLANS = 4
"""Shapes of input whose maps are kept."""


def optimise(network: Network, *, batch: int = 8, form: str = "") -> "Evaluator":
    """Return an evaluation-only copy of `network` in the form that is fastest for batches of `batch` pictures.

    `form` (`eager`, `native`) decides instead of a measurement. Logits differ from the plain module's by rounding
    alone, and later changes of `network` do not reach the copy. Raises `InputError` for a form that this machine or
    network does not have.
    """
    forms = ["eager", "native"] if _suits_native(network) else ["eager"]
    if form and form not in forms:
        raise InputError(f"inference: {network.specification.name} has no form '{form}' here; use {' or '.join(forms)}")
    if form:
        return Evaluator(network, form)
    evaluators = {name: Evaluator(network, name) for name in forms}
    x = torch.rand(batch, *network.specification.input) * network.specification.pixels.white
    x = x.to(next(network.parameters()))
    machinery = f"torch {torch.__version__}, {torch.get_num_threads()} threads, kernels {native.level()}"
    key = f"{network.specification.name}, batch {batch}, {machinery}"
    work = {name: partial(evaluator, x) for name, evaluator in evaluators.items()}
    return evaluators[machine.choose("inference", work, key=key, rounds=3).form]


class Evaluator(nn.Module):
    """A network in evaluation: `evaluator(x)` takes [N, 3, H, W] and returns the logits, [N, classes]."""

    def __init__(self, network: Network, form: str) -> None:
        super().__init__()
        self.specification, self.form = network.specification, form
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        if form == "eager":
            for parameter in self.network.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        else:
            dense = _without_groups(self.network)
            self._names = {node.name for node in expand(dense.specification, auxiliary=False)} - {"softmax"}
            self._logits = expand(dense.specification, auxiliary=False)[-1].inputs[0]
            self._packed = Packed(dense)
            self._plans: dict[tuple[object, ...], Plan] = {}
            self._lock = Lock()

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        if self.form == "eager":
            return self.network(x.contiguous(memory_format=torch.channels_last))
        return self._run(x, (self._logits,))[self._logits]

    @torch.inference_mode()
    def features(self, x: Tensor, at: Iterable[str]) -> dict[str, Tensor]:
        """Return the outputs of rows or layers by name, as `Network.features` does."""
        names = tuple(dict.fromkeys(at))
        if self.form == "eager" or not self._names.issuperset(names):
            return self.network.features(x, names)
        return self._run(x, names)

    def train(self, mode: bool = True) -> "Evaluator":
        """Change nothing: there is evaluation alone."""
        return super().train(False)

    def _run(self, x: Tensor, keep: tuple[str, ...]) -> dict[str, Tensor]:
        if x.dtype != torch.float32 or x.device.type != "cpu":
            raise InputError(f"the native form computes in float32 on the CPU, not in {x.dtype} on {x.device}")
        if not len(x):
            return self.network.features(x, keep)
        with self._lock:  # a plan's maps serve one call at a time
            pieces = -(-len(x) // max(1, PIXELS // (x.shape[2] * x.shape[3])))
            threads = torch.get_num_threads()
            parts = [self._plan(part.shape, keep).run(part, threads) for part in x.chunk(pieces)]
        return {name: torch.cat([part[name] for part in parts]) for name in keep}

    def _plan(self, shape: torch.Size, keep: tuple[str, ...]) -> Plan:
        key = (shape, keep)
        if key not in self._plans:
            while len(self._plans) >= PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = Plan(self._packed, shape, keep)
        return self._plans[key]


def _suits_native(network: Network) -> bool:
    """Whether machine and network have the native form: float32 on a CPU, kernels, nothing grouped but the stem."""
    parameter = next(network.parameters())
    if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
        return False
    grouped = [
        node
        for node in expand(network.specification, auxiliary=False)
        if isinstance(node.operation, Convolve) and node.operation.groups > 1
    ]
    collapsible = len(grouped) == _has_collapsible_stem(network)
    return collapsible and native.library() is not None


def _has_collapsible_stem(network: Network) -> bool:
    specification = network.specification
    separable = isinstance(specification.rows[0], SeparableConvolution)
    return separable and specification.convolution.batch_norm is None


def _without_groups(network: Network) -> Network:
    """Return the network, its separable stem as the dense convolution that it equals."""
    if not _has_collapsible_stem(network):
        return network
    specification, weights = collapse(network.specification, network.state_dict())
    dense = Network(specification, auxiliary=False).eval().requires_grad_(False)
    dense.load_state_dict({name: weights[name] for name in dense.state_dict()})
    return dense
