"""Caffe's form of momentum: against numbers worked by hand, and against torch where the two forms agree."""

import pytest
import torch
from torch import nn

from googlenet.training.optimizer import SGD, clip, rate_factors


def moved(gradients: list[float], rates: list[float], *, nesterov: bool = False, decay: float = 0.0) -> list[float]:
    """Return a single weight, first 1, after each step."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = SGD({"w": weight}, momentum=0.5, weight_decay=decay, nesterov=nesterov, decayed=["w"])
    values = []
    for gradient, rate in zip(gradients, rates, strict=True):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step(rate)
        values.append(weight.item())
    return values


def test_the_velocity_keeps_the_rate_at_which_it_was_gathered():
    # v = 0.1 * 1 = 0.1; then, at a tenth of the rate, v = 0.05 + 0.01 * 1 = 0.06 (torch would move by 0.015);
    # then v = 0.03 + 0.01 * 2 = 0.05
    assert moved([1.0, 1.0, 2.0], [0.1, 0.01, 0.01]) == pytest.approx([0.9, 0.84, 0.79], abs=1e-15)


def test_weight_decay_goes_through_the_velocity():
    # g + decay * w = 1 + 0.5 * 1 = 1.5, v = 0.15, w = 0.85; then 0 + 0.5 * 0.85 = 0.425, v = 0.075 + 0.0425 = 0.1175
    assert moved([1.0, 0.0], [0.1, 0.1], decay=0.5) == pytest.approx([0.85, 0.7325], abs=1e-15)


def test_nesterov_looks_ahead_along_the_new_velocity():
    # Caffe: (1 + momentum) * v_new - momentum * v_old: v = 0.1, step 0.15; then v = 0.15, step 0.225 - 0.05 = 0.175
    assert moved([1.0, 1.0], [0.1, 0.1], nesterov=True) == pytest.approx([0.85, 0.675], abs=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_it_is_torchs_while_the_rate_is_constant(nesterov: bool):
    generator = torch.Generator().manual_seed(1)
    ours = nn.Parameter(torch.randn(7, 3, generator=generator, dtype=torch.float64))
    theirs = nn.Parameter(ours.detach().clone())
    optimizer = SGD({"w": ours}, momentum=0.9, weight_decay=0.01, nesterov=nesterov, decayed=["w"])
    reference = torch.optim.SGD([theirs], lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
    for _ in range(20):
        gradient = torch.randn(7, 3, generator=generator, dtype=torch.float64)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(0.05)
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_biases_move_twice_as_fast_and_are_not_decayed():
    parameters = {"conv.weight": nn.Parameter(torch.ones(1)), "conv.bias": nn.Parameter(torch.ones(1))}
    optimizer = SGD(parameters, weight_decay=1.0, factors=rate_factors(parameters), decayed=["conv.weight"])
    for parameter in parameters.values():
        parameter.grad = torch.ones(1)
    optimizer.step(0.1)
    assert float(parameters["conv.weight"].detach()) == pytest.approx(1 - 0.1 * (1 + 1))
    assert float(parameters["conv.bias"]) == pytest.approx(1 - 2 * 0.1)


def test_fresh_classifiers_get_their_own_factor():
    factors = rate_factors(["conv.weight", "conv.bias", "classifier.weight", "classifier.bias"], ["classifier"], 10.0)
    assert factors == {"conv.weight": 1, "conv.bias": 2, "classifier.weight": 10, "classifier.bias": 20}


def test_long_gradients_are_shortened_and_short_ones_left():
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    parameters[0].grad, parameters[1].grad = torch.tensor([2.0]), torch.tensor([1.0, 2.0])
    assert float(clip(parameters, 6.0)) == 3.0
    assert parameters[1].grad.tolist() == [1.0, 2.0]
    assert float(clip(parameters, 1.5)) == 3.0
    assert parameters[0].grad.tolist() == [1.0]
    assert parameters[1].grad.tolist() == [0.5, 1.0]
    assert float(clip(parameters, 0.0)) == 1.5


def test_a_restored_velocity_goes_on():
    def run(stop: int) -> tuple[nn.Parameter, SGD]:
        weight = nn.Parameter(torch.ones(3))
        optimizer = SGD({"w": weight})
        for step in range(stop):
            weight.grad = torch.full((3,), float(step))
            optimizer.step(0.1)
        return weight, optimizer

    whole, _ = run(6)
    half, before = run(3)
    after = SGD({"w": half})
    after.load_velocity(before.velocity)
    for step in range(3, 6):
        half.grad = torch.full((3,), float(step))
        after.step(0.1)
    assert torch.equal(whole, half)
