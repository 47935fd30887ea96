import numpy as np
import pytest
import torch

from googlenet.errors import InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.stem import collapse, separate
from googlenet.network.zoo import specification


def first_layer(network, weights):
    module = Network(network).eval()
    module.load_state_dict(weights)
    x = 50 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    return module.features(x, ["conv1"])["conv1"]


@pytest.fixture(scope="module")
def separable():
    network = Network(specification("googlenet-separable"))
    initialise(network, "gaussian", seed=5)
    torch.nn.init.normal_(network.get_parameter("conv1.depthwise.bias"))
    return network.specification, network.state_dict()


def test_collapsing_changes_nothing(separable):
    dense = collapse(*separable)
    assert dense[0].rows == specification("googlenet").rows
    before, after = first_layer(*separable), first_layer(*dense)
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max().item())


def test_and_back(separable):
    dense = collapse(*separable)
    again = separate(*dense)
    assert again[0].rows == separable[0].rows
    before, after = first_layer(*dense), first_layer(*again)
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max().item())


def test_a_kernel_of_higher_rank_is_refused():
    network = Network(specification("googlenet"))
    initialise(network)
    with pytest.raises(InputError, match="conv1 has rank 49 in an input channel, above 8"):
        separate(network.specification, network.state_dict())


def test_the_published_kernel_has_rank_eight(shared):
    with np.load(shared / "weights" / "google_inception_v1.npz") as arrays:
        kernel, bias = arrays["conv2d0_w"].transpose(0, 3, 1, 2), arrays["conv2d0_b"]
    weights = {"conv1.7x7.weight": torch.from_numpy(kernel.copy()), "conv1.7x7.bias": torch.from_numpy(bias.copy())}
    found, separated = separate(specification("googlenet-google"), weights)
    assert found.rows[0].multiplier == 8
    dense = collapse(found, separated)[1]["conv1.7x7.weight"]
    assert torch.allclose(dense, weights["conv1.7x7.weight"], atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", "googlenet-bn"])
def test_only_a_separable_stem_collapses(name):
    with pytest.raises(InputError, match="conv1, is not separable"):
        collapse(specification(name), {})
