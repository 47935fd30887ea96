"""Caffe's form of momentum: against numbers worked by hand, and against torch where the two forms agree.

And a torch optimizer like any other: groups, state, schedulers, scaled gradients.
"""

import copy
import io
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from googlenet.errors import InputError
from googlenet.training import optimizer as optimizer_module
from googlenet.training.optimizer import SGD, clip, parameter_groups


def moved(gradients: list[float], rates: list[float], **options: object) -> list[float]:
    """Return a single weight, first 1, after each step."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = SGD([weight], **({"momentum": 0.5} | options))  # type: ignore[arg-type]
    values = []
    for gradient, rate in zip(gradients, rates, strict=True):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        values.append(weight.item())
    return values


def test_the_velocity_keeps_the_rate_at_which_it_was_gathered():
    # v = 0.1 * 1 = 0.1; then, at a tenth of the rate, v = 0.05 + 0.01 * 1 = 0.06 (torch would move by 0.015);
    # then v = 0.03 + 0.01 * 2 = 0.05
    assert moved([1.0, 1.0, 2.0], [0.1, 0.01, 0.01]) == pytest.approx([0.9, 0.84, 0.79], abs=1e-15)


def test_weight_decay_goes_through_the_velocity():
    # g + decay * w = 1 + 0.5 * 1 = 1.5, v = 0.15, w = 0.85; then 0 + 0.5 * 0.85 = 0.425, v = 0.075 + 0.0425 = 0.1175
    assert moved([1.0, 0.0], [0.1, 0.1], weight_decay=0.5) == pytest.approx([0.85, 0.7325], abs=1e-15)


def test_nesterov_looks_ahead_along_the_new_velocity():
    # Caffe: (1 + momentum) * v_new - momentum * v_old: v = 0.1, step 0.15; then v = 0.15, step 0.225 - 0.05 = 0.175
    assert moved([1.0, 1.0], [0.1, 0.1], nesterov=True) == pytest.approx([0.85, 0.675], abs=1e-15)


def test_a_factor_multiplies_the_rate_of_its_group():
    assert moved([1.0, 1.0], [0.1, 0.1], lr_mult=2.0) == pytest.approx(moved([1.0, 1.0], [0.2, 0.2]), abs=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_it_is_torchs_while_the_rate_is_constant(nesterov: bool):
    generator = torch.Generator().manual_seed(1)
    ours = nn.Parameter(torch.randn(7, 3, generator=generator, dtype=torch.float64))
    theirs = nn.Parameter(ours.detach().clone())
    optimizer = SGD([ours], lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
    reference = torch.optim.SGD([theirs], lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
    for _ in range(20):
        gradient = torch.randn(7, 3, generator=generator, dtype=torch.float64)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


# The groups of Caffe's GoogLeNet.


def small() -> nn.Sequential:
    """Two layers and a normalisation, with known weights."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network


def test_biases_move_twice_as_fast_and_only_what_has_several_axes_is_decayed():
    network = small()
    optimizer = SGD(parameter_groups(network, weight_decay=1.0), lr=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    after = {name: float(value.detach().flatten()[0]) for name, value in network.named_parameters()}
    weights, others = 1 - 0.1 * (1 + 1), 1 - 0.1 * 1
    assert after == pytest.approx(
        {"0.weight": weights, "3.weight": weights, "1.weight": others}
        | dict.fromkeys(("0.bias", "1.bias", "3.bias"), 1 - 2 * 0.1)
    )


def test_fresh_classifiers_have_their_own_factor_and_frozen_layers_are_left_out():
    network = small()
    network[0].requires_grad_(False)
    groups = parameter_groups(network, weight_decay=0.1, fresh=["3"], fresh_mult=10.0)
    found = {name: (g["lr_mult"], g["weight_decay"]) for g in groups for name, _ in g["params"]}
    assert found == {"1.weight": (1, 0), "1.bias": (2, 0), "3.weight": (10, 0.1), "3.bias": (20, 0)}
    with pytest.raises(InputError, match="every parameter of the network is frozen"):
        parameter_groups(network.requires_grad_(False))


# A torch optimizer.


def train(
    network: nn.Module, optimizer: torch.optim.Optimizer, steps: range, after: Callable[[], object] = int
) -> list[float]:
    """Fit a few fixed numbers; return the losses."""
    losses = []
    for step in steps:
        x = torch.randn(4, 1, 1, 1, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss = (network(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        after()
        losses.append(loss.item())
    return losses


def test_a_saved_state_goes_on():
    whole, half = small(), small()
    expected = train(whole, SGD(parameter_groups(whole)), range(6))
    before = SGD(parameter_groups(half))
    first = train(half, before, range(3))
    file = io.BytesIO()
    torch.save({"network": half.state_dict(), "optimizer": before.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    other = small()
    other.load_state_dict(saved["network"])
    after = SGD(parameter_groups(other), lr=1.0)  # the rate comes with the state too
    after.load_state_dict(saved["optimizer"])
    assert first + train(other, after, range(3, 6)) == expected
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), other.parameters(), strict=True))


def test_velocity_by_name_is_the_state():
    network = small()
    optimizer = SGD(parameter_groups(network))
    assert optimizer.parameters.keys() == dict(network.named_parameters()).keys()
    assert not any(value.any() for value in optimizer.velocity.values())
    train(network, optimizer, range(2))
    velocity = {name: value.clone() for name, value in optimizer.velocity.items()}
    other = SGD(parameter_groups(small()))
    other.load_velocity(velocity)
    held = [value["velocity"] for value in other.state_dict()["state"].values()]
    assert all(torch.equal(a, b) for a, b in zip(held, velocity.values(), strict=True))
    assert list(SGD(small().parameters()).velocity) == ["0", "1", "2", "3", "4", "5"]


def test_it_is_copied_with_its_network():
    network = small()
    optimizer = SGD(parameter_groups(network))
    train(network, optimizer, range(2))
    network2, optimizer2 = copy.deepcopy((network, optimizer))
    assert train(network2, optimizer2, range(2, 4)) == train(network, optimizer, range(2, 4))


def test_schedulers_drive_the_rate_and_leave_the_factors_alone():
    network = small()
    optimizer = SGD(parameter_groups(network), lr=0.1)
    paper = lr_scheduler.StepLR(optimizer, 8, gamma=0.96)
    train(network, optimizer, range(17), paper.step)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1 * 0.96**2] * 3)
    assert [group["lr_mult"] for group in optimizer.param_groups] == [1, 2, 1]
    lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=4)  # which moves the momentum too
    assert {group["momentum"] for group in optimizer.param_groups} == {0.95}


def test_scaled_gradients_are_brought_back_and_overflows_skip_the_step():
    plain, scaled = small(), small()
    expected = train(plain, SGD(parameter_groups(plain)), range(1))
    optimizer, scaler = SGD(parameter_groups(scaled)), torch.amp.GradScaler("cpu", init_scale=1024.0)
    x = torch.randn(4, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    loss = (scaled(x) ** 2).mean()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert [loss.item()] == expected
    after = [parameter.detach().clone() for parameter in scaled.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), after, strict=True))  # 1024 is a power of two
    optimizer.zero_grad()
    scaler.scale((scaled(x) ** 2).mean() * float("inf")).backward()
    scaler.step(optimizer)
    assert all(torch.equal(a, b) for a, b in zip(scaled.parameters(), after, strict=True))


def test_a_closure_may_compute_the_gradients():
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = 3 * weight.sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 3.0
    assert weight.item() == pytest.approx(0.7)


def test_what_has_no_gradient_stays_and_what_comes_later_is_moved():
    one, two = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = SGD([one], lr=0.1, weight_decay=0.5)
    optimizer.add_param_group({"params": [two], "lr": 0.2})
    two.grad = torch.ones(1)
    optimizer.step()
    assert (one.item(), two.item()) == pytest.approx((1.0, 1 - 0.2 * 1.5))


def test_parameters_are_moved_alike_alone_and_all_at_once(monkeypatch: pytest.MonkeyPatch):
    alone, together = small(), small()
    expected = train(alone, SGD(parameter_groups(alone), nesterov=True), range(3))
    monkeypatch.setattr(optimizer_module, "_is_faster_together", bool)  # as on an accelerator
    assert train(together, SGD(parameter_groups(together), nesterov=True), range(3)) == expected
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), together.parameters(), strict=True))


@pytest.mark.parametrize("option", [{"lr": -0.1}, {"momentum": 1.0}, {"weight_decay": float("nan")}, {"lr_mult": -1.0}])
def test_impossible_options_are_refused(option: dict[str, float]):
    with pytest.raises(InputError, match=f"{next(iter(option))} .*: give a number of at least 0"):
        SGD([nn.Parameter(torch.ones(1))], **option)  # type: ignore[arg-type]


def test_making_one_does_not_load_torchs_compiler():
    code = (
        "import sys, torch; from googlenet.training.optimizer import SGD;"
        "SGD([torch.nn.Parameter(torch.ones(1))]); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Clipping.


def test_long_gradients_are_shortened_and_short_ones_left():
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    parameters[0].grad, parameters[1].grad = torch.tensor([2.0]), torch.tensor([1.0, 2.0])
    assert float(clip(parameters, 6.0)) == 3.0
    assert parameters[1].grad.tolist() == [1.0, 2.0]
    assert float(clip(parameters, 1.5)) == 3.0
    assert parameters[0].grad.tolist() == [1.0]
    assert parameters[1].grad.tolist() == [0.5, 1.0]
    assert float(clip(parameters, 0.0)) == 1.5
