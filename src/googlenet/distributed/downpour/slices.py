"""Which weights lie on which shard: all in one row, in the optimizer's order, cut into equal parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from googlenet.distributed.shard import Span
from googlenet.errors import InputError
from googlenet.training.optimizer import SGD

__all__ = ["Slices"]


@dataclass(frozen=True)
class Slices:
    """A row of tensors in `count` slices, each float32 [n] on the CPU; plain data that can be sent."""

    names: tuple[str, ...]
    kinds: tuple[Span, ...]
    """Of each name: how many numbers, and how they move."""
    count: int

    @classmethod
    def of(cls, optimizer: SGD, count: int) -> "Slices":
        """Cut what an optimizer moves; raises `InputError` for more slices than numbers."""
        kinds = [
            Span(parameter.numel(), group["lr_mult"], group["weight_decay"])
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]
        if count > (total := sum(kind.length for kind in kinds)):
            raise InputError(f"shards {count}: the network has {total:,} weights to learn; give fewer")
        return cls(tuple(optimizer.parameters), tuple(kinds), count)

    @property
    def lengths(self) -> list[int]:
        """How long each slice is."""
        total = sum(kind.length for kind in self.kinds)
        return [total // self.count + (number < total % self.count) for number in range(self.count)]

    def spans(self, number: int) -> list[Span]:
        """Return how the numbers of a slice move."""
        begin, end = list(pairwise(accumulate(self.lengths, initial=0)))[number]
        places = pairwise(accumulate((kind.length for kind in self.kinds), initial=0))
        return [
            Span(min(last, end) - max(first, begin), kind.rate, kind.decay)
            for (first, last), kind in zip(places, self.kinds, strict=True)
            if max(first, begin) < min(last, end)
        ]

    def cut(self, tensors: Mapping[str, Tensor | None]) -> list[Tensor]:
        """Return copies of the slices of tensors by name; None stands for zeros."""
        parts = []
        for name, kind in zip(self.names, self.kinds, strict=True):
            tensor = tensors[name]
            parts.append(torch.zeros(kind.length) if tensor is None else tensor.detach().reshape(-1).float())
        device = next((part.device for part in parts if part.device.type != "cpu"), None)
        row = torch.cat([part.to(device) if device else part for part in parts]).cpu()
        return list(row.split(self.lengths))

    @torch.no_grad()
    def join(self, slices: Sequence[Tensor], into: Mapping[str, Tensor]) -> None:
        """Copy slices to the tensors of those names."""
        parts = torch.cat(list(slices)).split([kind.length for kind in self.kinds])
        for name, part in zip(self.names, parts, strict=True):
            into[name].copy_(part.view(into[name].shape))
