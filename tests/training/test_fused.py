"""The faster ways compute what the plain ones do: outputs and gradients, against torch's operators and float64."""

import pytest
import torch

from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import NETWORKS, specification
from googlenet.training.fused import install
from googlenet.training.pooling import can_pool

needs_compiler = pytest.mark.skipif(not can_pool(), reason="there is no C++ compiler")


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("pools", [False, pytest.param(True, marks=needs_compiler)])
def test_every_network_of_the_zoo_keeps_outputs_and_gradients(name: str, pools: bool):
    network = Network(specification(name, classes=5, width=0.1))
    initialise(network, seed=3)
    network = network.to(memory_format=torch.channels_last)
    size = network.specification.input[1]
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(4)) * 50
    found = []
    for faster in (False, True, False):  # and back again
        install(network, joined=faster, pools=faster and pools)
        network.train()
        torch.manual_seed(0)
        network.zero_grad()
        outputs = network(x)
        sum(logits.logsumexp(1).sum() for logits in outputs.values()).backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
        outputs["evaluation"] = network.eval()(x)
        found.append(([value.detach() for value in outputs.values()], gradients, list(network.state_dict())))
    plain, quick, again = found
    assert plain[2] == quick[2]
    for one, other in zip(plain[0] + plain[1], quick[0] + quick[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()) + 1e-8)
    assert all(torch.equal(one, other) for one, other in zip(plain[0] + plain[1], again[0] + again[1], strict=True))


def test_something_is_really_joined():
    network = Network(specification("googlenet"))
    before = {type(module).__name__ for module in network.modules()}
    install(network, joined=True, pools=False)
    assert {type(module).__name__ for module in network.modules()} - before == {"_JoinedBlock"}
    assert sum(type(module).__name__ == "_JoinedBlock" for module in network.modules()) == 9
