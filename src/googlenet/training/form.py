"""In which form a network is trained on this machine: device, precision, memory layout."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from googlenet.errors import InputError
from googlenet.images.preprocessing import normalise
from googlenet.network.module import Network

__all__ = ["Form", "find_device"]


@dataclass(frozen=True)
class Form:
    """How each batch is computed; recorded in the run, so that a continued run computes in the same way."""

    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True

    def __str__(self) -> str:
        return f"{self.device}, {self.precision}{', channels last' if self.channels_last else ''}"

    def place(self, network: Network) -> Network:
        """Bring a network to the device and into the layout."""
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        return network.to(device=self.device, memory_format=layout)  # type: ignore[call-overload]

    def prepare(self, network: Network, images: Tensor) -> Tensor:
        """Return the network's input for uint8 [N, height, width, 3]: normalised once a batch, on the device."""
        values = normalise(images.to(self.device, non_blocking=True), network.specification.pixels)
        return values.contiguous(memory_format=torch.channels_last) if self.channels_last else values

    def train(self, network: Network, images: Tensor) -> Mapping[str, Tensor]:
        """Return the logits by head; `network` is in training."""
        with self._precision():
            return network(self.prepare(network, images))

    def evaluate(self, network: Network, images: Tensor) -> Tensor:
        """Return the logits [N, classes]; `network` is in evaluation."""
        with self._precision():
            return network(self.prepare(network, images))

    def _precision(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16)


def find_device(wanted: str) -> str:
    """Return the torch device for `--device`; raises `InputError` where this machine or torch has it not."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in available.items() if there)
    if not available[wanted]:
        there = ", ".join(name for name, is_there in available.items() if is_there)
        raise InputError(f"device {wanted}: torch {torch.__version__} finds none on this machine; there is {there}")
    return wanted
