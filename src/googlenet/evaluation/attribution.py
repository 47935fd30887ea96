"""What a class's logit rests on at each Inception module: where (Grad-CAM), and in which branch, from one pass back.

Let A be a module's output, [channels, height, width], and g the gradient of the logit there.

- Grad-CAM (Selvaraju et al., 2017): relu of the sum over the channels of mean(g) * A.
- Evidence: g * A, summed over the channels of a branch: what the logit would lose, to first order, without them. Where
  everything behind the module is linear, as behind the last of the paper's modules (section 5: an average pool and one
  linear layer), this is no approximation: the evidence of the four branches and the classifier's bias are the logit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from googlenet.errors import InputError, shown
from googlenet.inference.predictor import LOGITS, Predictor
from googlenet.network.graph import Concatenate, expand
from googlenet.network.specification import AdaptiveAveragePool, AveragePool, Dropout, Inception, Specification

__all__ = ["Attribution", "attribute", "find_module", "inception_modules"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What one class's logit rests on at one module."""

    module: str
    logit: float
    is_exact: bool
    """Whether the evidence and the classifier's bias are the logit; elsewhere it is the gradient times the output."""
    grad_cam: NDArray[np.float32]
    """[height, width] of the module's grid, 0 and more."""
    maps: Mapping[str, NDArray[np.float32]]
    """The evidence of each branch by place, [height, width]: 1x1, 3x3, 5x5, pool."""

    @property
    def evidence(self) -> dict[str, float]:
        """What each branch adds to the logit."""
        return {branch: float(places.sum(dtype=np.float64)) for branch, places in self.maps.items()}

    @property
    def rest(self) -> float:
        """What the branches leave of the logit: the classifier's bias, and where it is not exact also what bends."""
        return self.logit - sum(self.evidence.values())


def inception_modules(network: Specification) -> list[str]:
    """Return the names of the Inception modules from below to above; raises `InputError` where there is none."""
    names = [row.name for row in network.rows if isinstance(row, Inception)]
    if not names:
        raise InputError(f"{network.name} has no Inception module, and so no branches whose evidence could be shown")
    return names


def find_module(network: Specification, name: str | None) -> str:
    """Return the Inception module of that name, or the last where none is named; `InputError` for any other name."""
    names = inception_modules(network)
    if name is not None and name not in names:
        there = ", ".join(names)
        raise InputError(f"--at {shown(name)}: no Inception module of {network.name}; there are {there}")
    return names[-1] if name is None else name


def attribute(predictor: Predictor, crop: NDArray[np.uint8], index: int) -> dict[str, Attribution]:
    """Return what the logit of class `index` rests on at each Inception module, by name, from below to above.

    `crop` is uint8 [height, width, 3], as the network takes it.
    """
    network = predictor.specification
    modules = inception_modules(network)
    found = predictor.features(crop[None], [*modules, LOGITS], gradient=True)
    logit = found[LOGITS][0, index]
    gradients = torch.autograd.grad(logit, [found[name] for name in modules])
    result = {}
    for name, gradient in zip(modules, gradients, strict=True):
        output, slope = found[name][0].detach().cpu().numpy(), gradient[0].cpu().numpy()
        ends = np.cumsum([channels for _, channels in _branches(network, name)])[:-1]
        parts = np.split((slope * output).astype(np.float64), ends)
        maps = [part.sum(axis=0).astype(np.float32) for part in parts]
        result[name] = Attribution(
            name,
            logit.item(),
            _is_linear_behind(network, name),
            _grad_cam(output, slope),
            dict(zip((branch for branch, _ in _branches(network, name)), maps, strict=True)),
        )
    return result


def _grad_cam(output: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(np.tensordot(gradient.mean(axis=(1, 2)), output, axes=1), 0)


def _branches(network: Specification, module: str) -> Sequence[tuple[str, int]]:
    """Return the branches of a module with how many of its output's channels are theirs, in their order."""
    nodes = {node.name: node for node in expand(network, auxiliary=False)}
    assert isinstance(nodes[module].operation, Concatenate)
    return [(nodes[name].branch, nodes[name].output[0]) for name in nodes[module].inputs]


def _is_linear_behind(network: Specification, module: str) -> bool:
    names = [row.name for row in network.rows]
    behind = network.rows[names.index(module) + 1 :]
    is_linear = all(isinstance(row, AveragePool | AdaptiveAveragePool | Dropout) for row in behind)
    return is_linear and not network.classifier.hidden
