"""Stochastic gradient descent with momentum in Caffe's form, which the paper's networks were reproduced with.

Caffe keeps the learning rate inside the velocity, torch applies it afterwards:

    Caffe:  v = momentum * v + rate * (g + decay * w),    w = w - v
    torch:  v = momentum * v + (g + decay * w),           w = w - rate * v

The two are the same while the rate is; when it changes, Caffe's velocity keeps the rate that it was gathered at.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from googlenet.errors import InputError

__all__ = ["SGD", "clip", "parameter_groups"]


class SGD(Optimizer):
    """Momentum in Caffe's form, as a torch optimizer: schedulers, `GradScaler`, closures, `state_dict` work as usual.

    `params` are parameters, pairs of name and parameter, or groups, as for every torch optimizer. A group may have its
    own `lr`, `momentum`, `weight_decay`, `nesterov`, and `lr_mult` (default 1), a factor on its rate that schedulers
    leave alone; `parameter_groups` makes the groups of Caffe's GoogLeNet. With `nesterov` the step is
    momentum * v + rate * (g + decay * w), v being the new velocity. A parameter without a gradient stays as it is. Each
    parameter's state is its `velocity`. Raises `InputError` for a value out of range.

        optimizer = googlenet.SGD(googlenet.parameter_groups(network, weight_decay=2e-4), lr=0.01, momentum=0.9)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.01,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        lr_mult: float = 1.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "lr_mult": lr_mult,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take in more parameters, as `torch.optim.Optimizer.add_param_group`."""
        given = self.defaults | param_group
        for name in ("lr", "momentum", "weight_decay", "lr_mult"):
            limit, words = (1.0, ", below 1") if name == "momentum" else (float("inf"), "")
            if not 0 <= given[name] < limit:
                raise InputError(f"{name} {given[name]}: give a number of at least 0{words}")
        _add_param_group(self, param_group)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient; return what `closure`, which may compute them, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            velocity = [self._velocity(parameter) for parameter in parameters]
            move = _move_together if _is_faster_together(parameters) else _move_each
            move(parameters, velocity, group)
        return loss

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by name, in the order of their groups; by number where they were given without names."""
        found = [parameter for group in self.param_groups for parameter in group["params"]]
        names = [name for group in self.param_groups for name in group.get("param_names", ())]
        return dict(zip(names or map(str, range(len(found))), found, strict=True))

    @property
    def velocity(self) -> dict[str, Tensor]:
        """Each parameter's velocity by the parameter's name: zeros before its first step."""
        return {name: self._velocity(parameter) for name, parameter in self.parameters.items()}

    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Take over a saved `velocity`, in place."""
        for name, value in self.velocity.items():
            value.copy_(velocity[name])

    def _velocity(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter)
        return state["velocity"]


def parameter_groups(
    network: nn.Module, *, weight_decay: float = 2e-4, fresh: Iterable[str] = (), fresh_mult: float = 1.0
) -> list[dict[str, Any]]:
    """Return a network's parameters in the groups of Caffe's GoogLeNet, with their names, for `SGD`.

    Biases move twice as fast as weights; biases and normalisation, whatever has a single axis, are not decayed. The
    layers named in `fresh`, such as new classifiers beside pretrained weights, move `fresh_mult` times as fast. What
    needs no gradient is left out; raises `InputError` where nothing is left.
    """
    layers = set(fresh)
    groups: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            layer, _, kind = name.rpartition(".")
            mult = (2.0 if kind == "bias" else 1.0) * (fresh_mult if layer in layers else 1.0)
            groups.setdefault((mult, weight_decay if parameter.ndim > 1 else 0.0), []).append((name, parameter))
    if not groups:
        raise InputError("every parameter of the network is frozen: nothing is left to train; freeze fewer rows")
    return [{"params": named, "lr_mult": mult, "weight_decay": decay} for (mult, decay), named in groups.items()]


def clip(
    parameters: Iterable[nn.Parameter], longest: float, whole: Callable[[Tensor], Tensor] = lambda own: own
) -> Tensor:
    """Return the Euclidean norm of all gradients together; shorten them to `longest` where it is larger (0: never).

    `whole` returns the norm that counts from that of the gradients here, where others have more of them.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = whole(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
    if longest:
        torch._foreach_mul_(gradients, (longest / norm).clamp(max=1.0))
    return norm


def _is_faster_together(parameters: list[Tensor]) -> bool:
    """Whether one call for all is faster: on a processor each alone is, which its cache holds meanwhile."""
    return bool(parameters) and parameters[0].device.type != "cpu"


def _move_each(parameters: list[Tensor], velocities: list[Tensor], group: Mapping[str, Any]) -> None:
    rate, momentum, decay = float(group["lr"]) * group["lr_mult"], group["momentum"], group["weight_decay"]
    for parameter, velocity in zip(parameters, velocities, strict=True):
        gradient = parameter.grad
        assert gradient is not None
        velocity.mul_(momentum)
        if decay:
            velocity.add_(parameter, alpha=rate * decay)
        velocity.add_(gradient, alpha=rate)
        if group["nesterov"]:
            if decay:
                parameter.mul_(1 - rate * decay)
            parameter.add_(velocity, alpha=-momentum)
            parameter.add_(gradient, alpha=-rate)
        else:
            parameter.sub_(velocity)


def _move_together(parameters: list[Tensor], velocities: list[Tensor], group: Mapping[str, Any]) -> None:
    """The same for all at once."""
    rate, momentum, decay = float(group["lr"]) * group["lr_mult"], group["momentum"], group["weight_decay"]
    gradients: list[Tensor] = [parameter.grad for parameter in parameters]  # type: ignore[misc]
    torch._foreach_mul_(velocities, momentum)
    if decay:
        torch._foreach_add_(velocities, parameters, alpha=rate * decay)
    torch._foreach_add_(velocities, gradients, alpha=rate)
    if group["nesterov"]:
        if decay:
            torch._foreach_mul_(parameters, 1 - rate * decay)
        torch._foreach_add_(parameters, velocities, alpha=-momentum)
        torch._foreach_add_(parameters, gradients, alpha=-rate)
    else:
        torch._foreach_add_(parameters, velocities, alpha=-1)


_add_param_group: Callable[[Optimizer, dict[str, Any]], None] = getattr(
    Optimizer.add_param_group, "__wrapped__", Optimizer.add_param_group
)
"""torch's own, without the decorator that keeps its compiler out of it by importing it, which takes seconds."""
