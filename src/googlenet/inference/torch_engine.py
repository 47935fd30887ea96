"""Torch's own operations: everywhere, in float32 at once, and in bfloat16."""

import copy
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor

from googlenet.inference.engine import Engine, at_once
from googlenet.inference.packed import PackedNetwork, can_pack
from googlenet.inference.ranges import Range
from googlenet.network.module import Network
from googlenet.network.specification import Pixels

__all__ = ["TorchEngine"]


class TorchEngine(Engine):
    """The plain module, channels last; in bfloat16 on a CPU the packed one, a few pictures at a time."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda", "mps")
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    is_immediate: ClassVar[bool] = True

    def __init__(
        self,
        network: Network,
        pixels: Pixels,
        device: str,
        precision: str,
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        self._network, self._dtype, self._together = network, torch.float32, sys.maxsize
        self._turn: AbstractContextManager[object] = nullcontext()
        if precision == "bfloat16":
            self._dtype = torch.bfloat16
            if device == "cpu" and can_pack():
                self._network, self._together = PackedNetwork(network), at_once(network.specification.input)
                self._turn = threading.Lock()
            else:
                self._network = copy.deepcopy(network).to(self._dtype)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        with _exact(x.device.type), self._turn:
            return torch.cat([self._network(part).float() for part in self._parts(x)])

    @torch.inference_mode()
    def features(self, x: Tensor, at: Sequence[str]) -> dict[str, Tensor]:
        with _exact(x.device.type), self._turn:
            parts = [self._network.features(part, at) for part in self._parts(x)]
            return {name: torch.cat([part[name].float() for part in parts]) for name in at}

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        for part in x.split(self._together):
            yield part.to(self._dtype, memory_format=torch.channels_last)


@contextmanager
def _exact(device: str) -> Iterator[None]:
    """Let cuDNN compute float32 in float32 for the length of a block: by itself it rounds factors to ten bits.

    The setting belongs to the process, so that it is put back when the last thread has left.
    """
    if device != "cuda":
        yield
        return
    settings: Any = torch.backends.cudnn
    holder, name, value = (
        (settings.conv, "fp32_precision", "ieee") if hasattr(settings, "conv") else (settings, "allow_tf32", False)
    )
    with _Exact.lock:
        if not _Exact.threads:
            _Exact.before = getattr(holder, name)
            setattr(holder, name, value)
        _Exact.threads += 1
    try:
        yield
    finally:
        with _Exact.lock:
            _Exact.threads -= 1
            if not _Exact.threads:
                setattr(holder, name, _Exact.before)


class _Exact:
    lock, threads, before = threading.Lock(), 0, None
