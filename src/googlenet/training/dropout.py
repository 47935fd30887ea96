"""Dropout whose masks are a function of (seed, step, image, layer): the same wherever an image stands in a batch.

So a batch in parts, or shared out over machines, trains as the whole batch would. Networks for people's own loops have
torch's `nn.Dropout`; `TrainingNetwork` has this one.
"""

import math

import torch
from torch import Tensor, nn

from googlenet.randomness import words

__all__ = ["IndexedDropout"]


class IndexedDropout(nn.Dropout):
    """A layer with dropout of masks that `draw` made, for an input of `shape` an image; none in evaluation."""

    def __init__(self, rate: float, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(rate)
        self._name, self._shape = name, shape
        self.mask: Tensor | None = None
        """[N, *shape]: 0, or 1 / (1 - rate)."""

    def draw(self, seed: int, step: int, indices: Tensor, device: torch.device | str) -> None:
        """Make the masks of the images with these `indices`, int64 [N], in step `step` of a run."""
        numbers = words(seed, f"dropout {self._name}", step, indices.numpy(), math.prod(self._shape))
        kept = torch.from_numpy(numbers >= round(self.p * 2**32))
        self.mask = kept.to(device, torch.float32).div_(1 - self.p).view(-1, *self._shape)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        if self.mask is None:
            raise RuntimeError(f"{self._name}: no masks were drawn for this batch")
        return x * self.mask.view(x.shape).to(x.dtype)
