"""A region in numbers, beside its probabilities: what box regression and support vector machines are fitted to.

They are what the last linear layer of the network reads, and the means of the four quarters of the last map before it:
the paper's network averages over the whole map, and so forgets on which side an object lies. R-CNN's features had
places (6 x 6 of them).
"""

from collections.abc import Mapping
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, cat
from torch.nn.functional import adaptive_avg_pool2d

from googlenet.network.graph import expand, features_of, map_of
from googlenet.network.specification import Specification

__all__ = ["described", "layers", "width"]

QUARTERS = (2, 2)

LARGEST = float(np.finfo(np.float16).max)


@cache
def layers(specification: Specification) -> tuple[str, str]:
    """Return the outputs of a network of which `described` makes a region's numbers."""
    nodes = expand(specification, auxiliary=False)
    return features_of(nodes), map_of(nodes)


def width(specification: Specification) -> int:
    """Return how many numbers a region has: first those that the last linear layer reads."""
    shapes = {node.name: node.output for node in expand(specification, auxiliary=False)}
    read, at = (shapes[name] for name in layers(specification))
    return prod(read) + prod(QUARTERS) * at[0]


def described(outputs: Mapping[str, Tensor], specification: Specification) -> NDArray[np.float16]:
    """Return the numbers of N regions, float16 [N, D], from the network's outputs by name: three digits of each."""
    read, at = (outputs[name] for name in layers(specification))
    found = cat([read.flatten(1), adaptive_avg_pool2d(at, QUARTERS).flatten(1)], 1)
    return found.numpy().clip(-LARGEST, LARGEST).astype(np.float16)
