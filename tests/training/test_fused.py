"""The faster ways compute what the plain ones do: outputs and gradients, against torch's operators and float64."""

import copy

import pytest
import torch

from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.pooling import can_pool
from googlenet.network.zoo import NETWORKS, specification
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork

needs_kernels = pytest.mark.skipif(not can_pool(), reason="there are no compiled kernels")


def with_weights(name: str) -> Network:
    network = Network(specification(name, classes=5, width=0.1))
    initialise(network, seed=3)
    return network.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("pools", [False, pytest.param(True, marks=needs_kernels)])
def test_every_network_of_the_zoo_keeps_outputs_and_gradients(name: str, pools: bool):
    plain = with_weights(name)
    fused = TrainingNetwork(plain, joined=True, pools=pools)
    size = plain.specification.input[1]
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(4)) * 50
    found = []
    for network in (plain, fused):
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        network.zero_grad()
        outputs = network(x)
        sum(logits.logsumexp(1).sum() for logits in outputs.values()).backward()
        gradients = [parameter.grad.clone() for parameter in plain.parameters()]
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
        outputs["evaluation"] = network.eval()(x)
        found.append([value.detach() for value in (*outputs.values(), *gradients)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()) + 1e-8)


def test_the_weights_are_those_of_the_network_itself():
    plain = with_weights("googlenet-cifar")
    fused = TrainingNetwork(plain, joined=True)
    assert list(fused.state_dict()) == list(plain.state_dict())
    for kind in ("named_parameters", "named_buffers"):
        for (name, one), (same, other) in zip(getattr(plain, kind)(), getattr(fused, kind)(), strict=True):
            assert name == same
            assert one is other
    plain.load_state_dict({name: torch.full_like(value, 2) for name, value in plain.state_dict().items()})
    assert all(bool((value == 2).all()) for value in fused.state_dict().values())
    random = torch.random.get_rng_state()
    TrainingNetwork(plain)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_copy_is_a_network_of_its_own():
    fused = TrainingNetwork(with_weights("googlenet-tiny"), joined=True).eval()
    copied = copy.deepcopy(fused)
    x = torch.ones(1, 3, 32, 32)
    before = fused(x)
    for parameter in copied.parameters():
        parameter.data.zero_()
    assert torch.equal(fused(x), before)
    assert not copied(x).any()


def test_something_is_really_joined_and_rectified_later():
    plain = Network(specification("googlenet"))
    fused = TrainingNetwork(plain, joined=True, pools=can_pool())
    kinds = [type(module).__name__ for module in fused.modules()]
    assert kinds.count("JoinedBlock") == 9
    assert "JoinedBlock" not in {type(module).__name__ for module in plain.modules()}
    relus = {name for name, module in fused.named_modules() if getattr(module, "relu", True) is False}
    rectified = [name for name, module in fused.named_modules() if getattr(module, "rectified", False)]
    if can_pool():  # conv1 before a pool, conv2 before a normalisation; the ReLU within conv2 stays
        assert relus - {name for name in relus if name.endswith("classifier")} == {"conv1.7x7", "conv2.3x3"}
        assert rectified == ["pool1", "norm2"]
    else:
        assert rectified == []
    assert all(module.relu for name, module in plain.named_modules() if name in ("conv1.7x7", "conv2.3x3"))


def test_frozen_rows_are_in_evaluation_from_the_first_step_on():
    plain = with_weights("googlenet-cifar")
    fused = TrainingNetwork(plain, frozen=plain.row_names[:2])
    frozen = [fused.get_submodule(name) for name in plain.row_names[:2]]
    for _ in range(2):
        assert fused.training
        assert not any(module.training for row in frozen for module in row.modules())
        assert fused.get_submodule(plain.row_names[2]).training
        fused.eval()
        fused.train()


@needs_kernels
def test_compilers_exporters_and_copies_take_the_whole_network() -> None:
    network = with_weights("googlenet-tiny")
    execution = Execution(normalisation="fused", joined=True, own_pools=True)
    training = execution.fuse(execution.place(network)).eval()
    x = torch.randn(2, *network.specification.input, generator=torch.Generator().manual_seed(1)) * 50
    expected = training(x)
    expected.square().sum().backward()
    gradient = network.get_submodule("conv1.3x3").weight.grad.clone()
    network.zero_grad()
    compiled = torch.compile(training, backend="aot_eager", fullgraph=True)(x)
    torch.testing.assert_close(compiled, expected)
    compiled.square().sum().backward()
    torch.testing.assert_close(network.get_submodule("conv1.3x3").weight.grad, gradient)
    torch.testing.assert_close(torch.export.export(training, (x,)).module()(x), expected)
    assert torch.equal(copy.deepcopy(training)(x), expected)
