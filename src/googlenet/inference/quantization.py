"""Eight bits: over which ranges a network's maps move, found on pictures, and what it changes on others.

    ranges = calibrate(network, pixels, crops)                  # {"conv1/7x7": Range(0.0, 812.5), ...}

A map is kept as 256 steps over its range. The range is not the largest value: the one is taken that makes the mean
squared error of rounding and clipping together least, since few large values would make all steps coarse.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from googlenet.errors import InputError
from googlenet.inference.predictor import Predictor
from googlenet.inference.ranges import STEPS, Range
from googlenet.network.graph import Concatenate, Convolve, Node, expand
from googlenet.network.module import Network
from googlenet.network.parts import LocalResponseNorm, MaxPool
from googlenet.network.specification import Pixels, Specification

__all__ = ["BINS", "calibrate", "sources"]

BINS = 2048


def sources(specification: Specification) -> dict[str, str]:
    """Return, for each map that is kept in eight bits, the one whose range it has.

    Branches have the range of the map that they become, a maximum that of what it is taken from: nothing is rounded
    twice. Left in float32: the input, since the first convolution would change answers by itself; the maps before a
    normalisation; all after the last module.
    """
    nodes = expand(specification, auxiliary=False)
    found: dict[str, str] = {}
    for node in nodes:
        match node.operation:
            case Convolve() | Concatenate() | LocalResponseNorm():
                found[node.name] = node.name
            case MaxPool() if node.inputs[0] in found:
                found[node.name] = found[node.inputs[0]]
    for node in nodes:
        if isinstance(node.operation, Concatenate):
            found |= dict.fromkeys(node.inputs, node.name)
    return {name: _root(found, name) for name in found if name not in _before_normalisation(nodes)}


def _root(found: Mapping[str, str], name: str) -> str:
    while found[name] != name:
        name = found[name]
    return name


def _before_normalisation(nodes: Sequence[Node]) -> set[str]:
    """The maps between a convolution and the normalisation that alone reads them."""
    by_name = {node.name: node for node in nodes}
    left: set[str] = set()
    for node in nodes:
        if isinstance(node.operation, LocalResponseNorm):
            name = node.inputs[0]
            while name in by_name and isinstance(by_name[name].operation, MaxPool):
                left.add(name)
                name = by_name[name].inputs[0]
            left.add(name)
    return left


def calibrate(network: Network, pixels: Pixels, batches: Iterable[np.ndarray]) -> dict[str, Range]:
    """Return the range of each map that is kept in eight bits, from crops uint8 [N, height, width, 3] in batches.

    Memory does not grow with their number.
    """
    predictor = Predictor(network, pixels, "cpu")
    names = sorted(set(sources(network.specification).values()))
    counts = {name: _Counts() for name in names}
    for crops in batches:
        for name, values in predictor.features(crops, names).items():
            counts[name].add(values)
    found = {name: count.range() for name, count in counts.items()}
    return {name: found[source] for name, source in sources(network.specification).items()}


class _Counts:
    """How often each size of value came, in bins that widen as larger ones come; zeros are not counted."""

    def __init__(self) -> None:
        self.limit = 0.0
        self.counts = np.zeros(BINS)
        self.is_signed = False

    def add(self, values: Tensor) -> None:
        sizes = values.abs()
        largest = float(sizes.max())
        if not math.isfinite(largest):
            raise InputError("calibration found values that are not finite; mend the weights")
        if not largest:
            return
        self.is_signed |= bool(values.min() < 0)
        self.limit = self.limit or largest
        while self.limit < largest:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2)])
            self.limit *= 2
        self.counts += torch.histc(sizes, BINS, 0, self.limit).numpy()
        self.counts[0] -= int((sizes == 0).sum())

    def range(self) -> Range:
        """Return the range of the least mean squared error."""
        if not self.limit:
            return Range(0.0, 1.0)
        centres = (np.arange(BINS) + 0.5) * self.limit / BINS
        steps = STEPS // 2 if self.is_signed else STEPS

        def error(limit: float) -> float:
            beyond = np.maximum(centres - limit, 0)
            return float((self.counts * np.where(beyond > 0, beyond**2, (limit / steps) ** 2 / 12)).sum())

        best = min(self.limit * np.linspace(0.05, 1.0, 96), key=error)
        return Range(-best if self.is_signed else 0.0, float(best))
