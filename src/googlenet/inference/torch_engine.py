"""Torch's own operations: everywhere, at once, in float32 and bfloat16."""

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from googlenet.inference.engine import Engine
from googlenet.inference.ranges import Range
from googlenet.network.module import Network
from googlenet.network.specification import Pixels

__all__ = ["TorchEngine"]


class TorchEngine(Engine):
    """The plain module, channels last."""

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
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._network = network if precision == "float32" else copy.deepcopy(network).to(self._dtype)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        with _exact(x.device.type):
            return self._network(self._laid_out(x)).float()

    @torch.inference_mode()
    def features(self, x: Tensor, at: Sequence[str]) -> dict[str, Tensor]:
        with _exact(x.device.type):
            found = self._network.features(self._laid_out(x), at)
            return {name: value.float() for name, value in found.items()}

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.to(self._dtype, memory_format=torch.channels_last)


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
