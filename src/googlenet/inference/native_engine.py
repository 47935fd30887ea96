"""The C++ kernels: every row in one library, on the CPU, in float32.

The 1x1 convolutions of an Inception module that read the same input are one product, a module's pool is taken while its
projection reads it, 3x3 and 5x5 convolutions use Winograd's minimal filtering, bias and ReLU are part of the
convolution, batch normalisation is folded into it, branches write side by side into one map, and a few pictures at a
time go through the whole network, so that maps stay in the cache.
"""

from collections.abc import Mapping, Sequence
from threading import Lock

import torch
from torch import Tensor

from googlenet import native
from googlenet.inference.engine import Engine, at_once
from googlenet.inference.native_plan import Packed, Plan
from googlenet.inference.ranges import Range
from googlenet.network.graph import Convolve, expand, logits_of
from googlenet.network.module import Network
from googlenet.network.specification import Pixels, SeparableConvolution
from googlenet.network.stem import collapse

__all__ = ["NativeEngine"]

PLANS = 4
"""Shapes of input whose maps are kept."""


class NativeEngine(Engine):
    """A network's weights in the orders that the kernels read, and the plans for the shapes that came."""

    @classmethod
    def lacks(cls, network: Network, precision: str) -> str:
        if native.library() is None:
            return f"has no kernels here ({native.lack()}); take torch, or install a wheel for this platform"
        grouped = [
            node.name
            for node in expand(network.specification, auxiliary=False)
            if isinstance(node.operation, Convolve) and node.operation.groups > 1
        ]
        if len(grouped) != _has_collapsible_stem(network):
            return f"has no grouped convolutions ({grouped[-1]}); torch has"
        return ""

    def __init__(
        self,
        network: Network,
        pixels: Pixels,
        device: str,
        precision: str,
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        self._network, dense = network, _without_groups(network)
        nodes = expand(dense.specification, auxiliary=False)
        self._logits = logits_of(nodes)
        self._names = {node.row: node.name for node in nodes} | {node.name: node.name for node in nodes}
        self._packed = Packed(dense)
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._lock = Lock()

    def __call__(self, x: Tensor) -> Tensor:
        return self._run(x, (self._logits,))[self._logits]

    def features(self, x: Tensor, at: Sequence[str]) -> dict[str, Tensor]:
        if not self._names.keys() >= set(at):  # the parts of a separable stem
            return self._network.features(x, at)
        found = self._run(x, tuple(dict.fromkeys(self._names[name] for name in at)))
        return {name: found[self._names[name]] for name in at}

    @torch.inference_mode()
    def _run(self, x: Tensor, keep: tuple[str, ...]) -> dict[str, Tensor]:
        pieces = -(-len(x) // at_once(self._network.specification.input))
        with self._lock:  # a plan's maps serve one call at a time
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
