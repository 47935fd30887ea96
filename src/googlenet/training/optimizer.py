"""Stochastic gradient descent with momentum in Caffe's form, which the paper's networks were reproduced with.

Caffe keeps the learning rate inside the velocity, torch applies it afterwards:

    Caffe:  v = momentum * v + rate * (g + decay * w),    w = w - v
    torch:  v = momentum * v + (g + decay * w),           w = w - rate * v

The two are the same while the rate is; when it changes, Caffe's velocity keeps the rate that it was gathered at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

__all__ = ["SGD", "clip", "rate_factors"]


class SGD:
    """Moves parameters along their gradients; `velocity` holds the state by the parameters' names.

    `factors` multiplies the rate of single parameters, by name (default 1); `decayed` names those that weight decay
    pulls on. With `nesterov` the step is momentum * v + rate * (g + decay * w), v being the new velocity.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        factors: Mapping[str, float] | None = None,
        decayed: Iterable[str] = (),
    ) -> None:
        self.parameters = dict(parameters)
        self.velocity = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self._momentum, self._nesterov = momentum, nesterov
        self._groups: dict[tuple[float, float, str], _Group] = {}
        decayed = set(decayed)
        for name, parameter in self.parameters.items():
            alone = name if parameter.device.type == "cpu" else ""  # stays in its cache from one operation to the next
            key = ((factors or {}).get(name, 1.0), weight_decay if name in decayed else 0.0, alone)
            group = self._groups.setdefault(key, _Group())
            group.parameters.append(parameter)
            group.velocity.append(self.velocity[name])

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every parameter by its gradient, which all must have, at the rate `rate`."""
        for (factor, decay, _), group in self._groups.items():
            gradients: list[Tensor] = [parameter.grad for parameter in group.parameters]  # type: ignore[misc]
            torch._foreach_mul_(group.velocity, self._momentum)
            if decay:
                torch._foreach_add_(group.velocity, group.parameters, alpha=rate * factor * decay)
            torch._foreach_add_(group.velocity, gradients, alpha=rate * factor)
            if self._nesterov:
                if decay:
                    torch._foreach_mul_(group.parameters, 1 - rate * factor * decay)
                torch._foreach_add_(group.parameters, group.velocity, alpha=-self._momentum)
                torch._foreach_add_(group.parameters, gradients, alpha=-rate * factor)
            else:
                torch._foreach_add_(group.parameters, group.velocity, alpha=-1)

    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Take over a saved state, in place."""
        for name, value in self.velocity.items():
            value.copy_(velocity[name])


def rate_factors(names: Iterable[str], fresh: Iterable[str] = (), fresh_factor: float = 1.0) -> dict[str, float]:
    """Return each parameter's factor on the rate: 2 for biases, as in Caffe's files; layers in `fresh` times theirs."""
    layers = set(fresh)
    return {
        name: (2.0 if name.endswith(".bias") else 1.0) * (fresh_factor if name.rpartition(".")[0] in layers else 1.0)
        for name in names
    }


def clip(parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
    """Return the Euclidean norm of all gradients together; shorten them to `longest` where it is larger (0: never)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if longest:
        torch._foreach_mul_(gradients, (longest / norm).clamp(max=1.0))
    return norm


@dataclass
class _Group:
    """Parameters that share factor and decay, moved by one call."""

    parameters: list[Tensor] = field(default_factory=list)
    velocity: list[Tensor] = field(default_factory=list)
