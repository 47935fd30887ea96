"""Engines that other projects make: they read the network as an ONNX graph, and compute on the CPU."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from threading import Lock
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from googlenet import machine
from googlenet.errors import InputError
from googlenet.inference.engine import Engine
from googlenet.inference.ranges import Range
from googlenet.network.graph import expand, logits_of
from googlenet.network.module import Network
from googlenet.network.specification import Pixels

__all__ = ["Compiled", "GraphEngine"]

COMPILED = 4
"""Forms of the graph that are kept, each with weights of its own: for other outputs, or a number of pictures."""

Compiled = Callable[[np.ndarray], Sequence[np.ndarray]]
"""From float32 [N, 3, height, width] to outputs in their order, in memory of their own."""


class GraphEngine(Engine):
    """Compiles the graph for what is asked for, when it is first asked for; one call computes at a time."""

    is_for_a_size: ClassVar[bool] = False
    """Whether a graph compiled for a number of pictures is faster than one for any."""

    @classmethod
    def lacks(cls, network: Network, precision: str) -> str:
        if any(find_spec(package) is None for package in (cls.package, "onnx")):
            return f"is not installed: pip install onnx {cls.package}"
        from googlenet.inference.onnx_graph import obstacle

        reason = obstacle(network)
        return reason and f"reads an ONNX graph ({reason})"

    def __init__(
        self,
        network: Network,
        pixels: Pixels,
        device: str,
        precision: str,
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        if precision == "int8" and ranges is None:
            raise InputError("int8 needs the ranges of a calibration: `googlenet predict --calibrate FOLDER`")
        self._network, self._precision, self._ranges = network, precision, ranges
        nodes = expand(network.specification, auxiliary=False)
        self._logits = logits_of(nodes)
        self._names = {name for node in nodes for name in (node.name, node.row)}
        self._compiled: dict[tuple[object, ...], Compiled] = {}
        self._lock = Lock()

    def __call__(self, x: Tensor) -> Tensor:
        return self._run(x, (self._logits,))[self._logits]

    def features(self, x: Tensor, at: Sequence[str]) -> dict[str, Tensor]:
        if not self._names.issuperset(at):  # the parts of a separable stem
            return self._network.features(x, at)
        return self._run(x, tuple(at))

    @abstractmethod
    def compile(self, graph: bytes, images: int | None, threads: int) -> Compiled:
        """Make the graph ready for so many pictures, or for any number."""

    def _run(self, x: Tensor, at: tuple[str, ...]) -> dict[str, Tensor]:
        with self._lock:
            found = self._ready(len(x), at)(x.detach().contiguous().numpy())
        return {name: torch.from_numpy(value) for name, value in zip(at, found, strict=True)}

    def _ready(self, images: int, at: tuple[str, ...]) -> Compiled:
        """Return the graph for so many pictures; for any number, where there are too many of them already."""
        threads = torch.get_num_threads()
        sized, free = (at, threads, images), (at, threads, None)
        key = sized if self.is_for_a_size and (sized in self._compiled or len(self._compiled) < COMPILED - 1) else free
        if key not in self._compiled:
            from googlenet.inference.onnx_graph import build

            while len(self._compiled) >= COMPILED:
                del self._compiled[next(iter(self._compiled))]
            graph = build(self._network, at, self._ranges, _largest_weight()).SerializeToString()
            self._compiled[key] = self.compile(graph, key[-1], threads)
        return self._compiled[key]


def _largest_weight() -> int:
    """Processors without VNNI add pairs of products in 16 bits, which whole bytes would overflow."""
    return 127 if {"VNNI", "NEON"} & set(machine.processor().instructions) else 63
