"""What the weights are before training: Caffe's rule, or the deviations that Google's own files carried."""

from math import prod, sqrt
from typing import Literal

import numpy as np
import torch

from googlenet.network.graph import Linear, Node, expand
from googlenet.network.module import Network
from googlenet.randomness import generator

__all__ = ["GAUSSIAN_DEVIATIONS", "Initialization", "initialise"]

Initialization = Literal["xavier", "gaussian"]

GAUSSIAN_DEVIATIONS = {
    "7x7": 0.1,
    "depthwise": 1.0,
    "pointwise": 0.1,
    "1x1": 0.03,
    "3x3_reduce": 0.09,
    "3x3": 0.03,
    "5x5_reduce": 0.2,
    "5x5": 0.03,
    "pool_proj": 0.1,
    "conv": 0.08,
    "fc": 0.02,
    "auxiliary classifier": 1 / 1024,
    "conv2/3x3_reduce": 0.1,
}
"""Standard deviation by the last part of a layer's name; BVLC/caffe models/bvlc_googlenet/deploy.prototxt, and for the
depthwise stem tensorflow/models research/slim/nets/inception_v2.py. Layers that it does not name follow `xavier`."""

BIAS = 0.2
"""Of every layer but the classifiers, which start at 0."""


def initialise(network: Network, rule: Initialization = "xavier", seed: int = 0) -> None:
    """Fill `network` in place with weights that depend on `rule`, `seed` and each layer's name and shape alone.

    `xavier` is Caffe's: uniform within sqrt(3 / fan_in), not Glorot's mean of both fans. `gaussian` uses
    `GAUSSIAN_DEVIATIONS`. Batch normalisation starts as the identity. A layer is filled alike with the heads and
    without them, whatever rows lie before it, on every device and processor.
    """
    with torch.no_grad():
        for node in expand(network.specification):
            if node.weight is None or (node.auxiliary and node.row not in network.head_rows):
                continue
            network.get_parameter(f"{node.key}.weight").copy_(torch.from_numpy(_weight(node, rule, seed)))
            if node.bias:
                network.get_parameter(f"{node.key}.bias").fill_(0.0 if _is_classifier(node) else BIAS)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_parameters()


def _weight(node: Node, rule: Initialization, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    shape = node.weight or ()
    random = generator(seed, f"initialisation of {node.name}")
    deviation = _deviation(node) if rule == "gaussian" else None
    if deviation is not None:
        return random.standard_normal(shape, np.float32) * np.float32(deviation)
    bound = np.float32(sqrt(3 / prod(shape[1:])))
    return (2 * random.random(shape, np.float32) - 1) * bound


def _deviation(node: Node) -> float | None:
    if _is_classifier(node):
        return GAUSSIAN_DEVIATIONS["auxiliary classifier"] if node.auxiliary else None
    last = "fc" if isinstance(node.operation, Linear) else node.name.rsplit("/", 1)[-1]
    return GAUSSIAN_DEVIATIONS.get(node.name, GAUSSIAN_DEVIATIONS.get(last))


def _is_classifier(node: Node) -> bool:
    return isinstance(node.operation, Linear) and not node.operation.relu
