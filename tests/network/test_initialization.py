from dataclasses import replace
from math import sqrt

import pytest
import torch

from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification


@pytest.fixture(scope="module")
def network():
    return Network(specification("googlenet"))


def test_xavier_is_caffes(network):
    initialise(network, "xavier", seed=3)
    for key, fan_in in (("conv1.7x7", 147), ("inception_3a.5x5", 400), ("auxiliary_4a.fc", 2048), ("classifier", 1024)):
        weight = network.get_parameter(f"{key}.weight")
        assert weight.abs().max() <= sqrt(3 / fan_in)
        assert weight.std().item() == pytest.approx(1 / sqrt(fan_in), rel=0.03)


@pytest.mark.parametrize(
    ("key", "deviation"),  # BVLC/caffe models/bvlc_googlenet/deploy.prototxt
    [
        ("conv1.7x7", 0.1),
        ("conv2.3x3_reduce", 0.1),
        ("conv2.3x3", 0.03),
        ("inception_4c.1x1", 0.03),
        ("inception_4c.3x3_reduce", 0.09),
        ("inception_4c.3x3", 0.03),
        ("inception_4c.5x5_reduce", 0.2),
        ("inception_4c.5x5", 0.03),
        ("inception_4c.pool_proj", 0.1),
        ("auxiliary_4a.conv", 0.08),
        ("auxiliary_4a.fc", 0.02),
        ("auxiliary_4a.classifier", 0.0009765625),
        ("classifier", 0.03125),
    ],
)
def test_gaussian_deviations(network, key, deviation):
    initialise(network, "gaussian", seed=3)
    assert network.get_parameter(f"{key}.weight").std().item() == pytest.approx(deviation, rel=0.05)


def test_biases_are_a_fifth_but_for_the_classifiers(network):
    initialise(network)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert torch.all(parameter == (0.0 if "classifier" in name else 0.2)), name


def test_the_initial_loss_with_weak_classifiers_is_that_of_guessing(network):
    """(1 + 0.3 + 0.3) * ln 1000 where the logits are near 0."""
    initialise(network, "gaussian")
    torch.nn.init.zeros_(network.classifier.weight)
    x = torch.zeros(1, 3, 224, 224)
    torch.manual_seed(0)  # dropout
    outputs = network.train()(x)
    loss = sum(
        (1.0 if name == "logits" else 0.3) * torch.nn.functional.cross_entropy(y, torch.tensor([7]))
        for name, y in outputs.items()
    )
    assert loss.item() == pytest.approx(11.0524, abs=0.05)


def test_the_seed_alone_decides():
    networks = [Network(specification("googlenet-tiny")) for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        torch.rand(1)  # torch's own generator plays no part
        initialise(network, seed=seed)
    first, same, other = (torch.cat([p.flatten() for p in network.parameters()]) for network in networks)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("rule", ["xavier", "gaussian"])
@pytest.mark.parametrize("change", ["without heads", "without modules", "other classes", "channels last"])
def test_a_layer_does_not_depend_on_the_others(rule, change):
    whole = specification("googlenet-tiny")
    other = Network(whole, auxiliary=change != "without heads")
    if change == "without modules":
        rows = tuple(row for row in whole.rows if row.name not in ("norm1", "inception_3b"))
        other = Network(replace(whole, rows=rows))
    elif change == "other classes":
        other = Network(replace(whole, classifier=replace(whole.classifier, classes=3)))
    elif change == "channels last":
        other = other.to(memory_format=torch.channels_last)
    network = Network(whole)
    initialise(network, rule, seed=5)
    initialise(other, rule, seed=5)
    expected, found = network.state_dict(), other.state_dict()
    same = [
        name for name in found if found[name].shape == expected[name].shape and torch.equal(found[name], expected[name])
    ]
    fresh = {name for name in found if name not in same}
    assert len(same) > 20
    assert all(found[name].shape != expected[name].shape for name in fresh), fresh


def test_layers_of_one_shape_are_not_alike():
    network = Network(specification("googlenet-tiny"))
    initialise(network)
    weights = [weight.flatten()[:20] for weight in network.parameters() if weight.dim() > 1]
    assert len({tuple(weight.tolist()) for weight in weights}) == len(weights)
