"""Evidence and Grad-CAM against the logit itself, against hooks, and where they can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import googlenet
from googlenet.errors import InputError
from googlenet.evaluation.attribution import attribute, find_module, inception_modules
from googlenet.inference.predictor import Predictor
from googlenet.network.specification import Classifier, Inception, LocalResponseNorm

SMALL = {
    "googlenet-tiny": {},
    "googlenet-cifar": {"width": 0.25},
    "googlenet": {"width": 0.125, "size": (64, 96)},
    "googlenet-bn": {"width": 0.125, "size": (64, 64)},
    "googlenet-google": {"width": 0.125, "size": (64, 64)},
    "googlenet-naive": {"width": 0.125, "size": (64, 64)},
}


def made(name, **more):
    """A network with weights of some size, biases too, so that logits are not near 0."""
    network = googlenet.create(name, classes=7, seed=3, **more).eval()
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.rand(parameter.shape, generator=random) * 0.2)
        network.classifier.weight.mul_(20)
    return network


def crop_for(network, seed=0):
    _, height, width = network.specification.input
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(network, crop):
    return googlenet.normalise(crop[None], network.specification.pixels)


@pytest.mark.parametrize("name", SMALL)
def test_evidence_and_bias_add_up_to_the_logit_at_the_last_module(name):
    network = made(name, **SMALL[name])
    crop = crop_for(network)
    with torch.no_grad():
        logits = network(normalised(network, crop))[0]
    for index in (0, 6):
        *others, last = attribute(Predictor(network), crop, index).values()
        assert last.module == "inception_5b"
        assert last.is_exact
        assert not any(one.is_exact for one in others)
        assert list(last.evidence) == ["1x1", "3x3", "5x5", "pool"]
        together = sum(last.evidence.values()) + network.classifier.bias[index].item()
        assert together == pytest.approx(logits[index].item(), rel=1e-4)
        assert last.logit == pytest.approx(logits[index].item(), rel=1e-4)
        assert last.rest == pytest.approx(network.classifier.bias[index].item(), abs=1e-4 * abs(last.logit))


def test_each_branch_has_the_part_of_the_classifier_that_reads_it():
    """By hand: the mean of each channel times its weight, over the channels that Table 1 gives the branch."""
    network = made("googlenet", width=0.125, size=(64, 64))
    crop = crop_for(network)
    (row,) = (row for row in network.specification.rows if row.name == "inception_5b")
    means = network.features(normalised(network, crop), ["pool5"])["pool5"].flatten()
    parts = (means * network.classifier.weight[2].detach()).split([row.n1x1, row.n3x3, row.n5x5, row.pool_proj])
    evidence = attribute(Predictor(network), crop, 2)["inception_5b"].evidence
    assert list(evidence.values()) == pytest.approx([part.sum().item() for part in parts], rel=1e-4, abs=1e-5)


def test_a_branch_that_passes_its_input_through_has_as_many_channels():
    network = made("googlenet-naive", width=0.125, size=(64, 64))
    crop = crop_for(network)
    found = attribute(Predictor(network), crop, 1)["inception_3a"]
    with torch.no_grad():
        features = network.features(normalised(network, crop), ["inception_3a", "inception_3a/pool"])
    channels = features["inception_3a/pool"].shape[1]
    x = features["inception_3a"].clone().requires_grad_()
    end = x
    for name in (*network.row_names[network.row_names.index("inception_3a") + 1 :], "classifier"):
        end = network.get_submodule(name)(end)
    end[0, 1].backward()
    evidence = (x.grad * x).detach()[0, -channels:].sum()
    assert found.evidence["pool"] == pytest.approx(evidence.item(), rel=1e-3, abs=1e-5)


def test_without_biases_and_normalisation_evidence_is_the_logit_at_every_module():
    """ReLU, pools and convolutions only scale with their input: Euler's theorem on homogeneous functions."""
    tiny = googlenet.specification("googlenet-tiny")
    rows = tuple(row for row in tiny.rows if not isinstance(row, LocalResponseNorm))
    network = googlenet.Network(replace(tiny, rows=rows, auxiliary=()))
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                spread = (2 / parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=random) * spread)
            else:
                parameter.zero_()
    found = attribute(Predictor(network), crop_for(network), 4)
    logit = found["inception_5b"].logit
    assert abs(logit) > 0.1
    for one in found.values():
        assert sum(one.evidence.values()) == pytest.approx(logit, rel=1e-3)
        assert one.rest == pytest.approx(0, abs=1e-3 * abs(logit))


@pytest.mark.parametrize("module", ["inception_3a", "inception_4a", "inception_5b"])
def test_grad_cam_is_that_of_hooks_on_the_plain_module(module):
    """Selvaraju et al., equations 1 and 2, by torch's hooks alone."""
    network = made("googlenet-tiny")
    crop, seen = crop_for(network), {}

    def keep(_, __, output):
        output.retain_grad()
        seen["output"] = output

    handle = network.get_submodule(module).register_forward_hook(keep)
    network(normalised(network, crop).requires_grad_())[0, 5].backward()
    handle.remove()
    output, gradient = seen["output"].detach()[0], seen["output"].grad[0]
    alpha = gradient.mean(dim=(1, 2))
    expected = torch.relu((alpha[:, None, None] * output).sum(dim=0))
    found = attribute(Predictor(network), crop, 5)[module].grad_cam
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4 * expected.max().item())


def test_maps_say_where_the_evidence_lies():
    network = made("googlenet-tiny")
    found = attribute(Predictor(network), crop_for(network), 0)
    for one in found.values():
        assert {places.shape for places in one.maps.values()} == {one.grad_cam.shape}
    assert found["inception_3a"].grad_cam.shape == (8, 8)
    assert found["inception_5b"].grad_cam.shape == (4, 4)


def test_a_classifier_that_bends_makes_nothing_exact():
    described = googlenet.specification("googlenet-tiny")
    network = googlenet.Network(replace(described, classifier=Classifier(10, hidden=(16,)), auxiliary=()))
    googlenet.network.initialization.initialise(network, seed=0)
    assert not any(one.is_exact for one in attribute(Predictor(network), crop_for(network), 0).values())


def test_an_unknown_module_is_named_with_those_that_there_are():
    tiny = googlenet.specification("googlenet-tiny")
    assert find_module(tiny, None) == "inception_5b"
    assert find_module(tiny, "inception_4a") == "inception_4a"
    assert inception_modules(tiny) == [row.name for row in tiny.rows if isinstance(row, Inception)]
    for name in ("inception_9z", "conv1", "inception_4a/3x3"):
        with pytest.raises(InputError, match=f"--at {name}: no Inception module of googlenet-tiny; .* inception_5a"):
            find_module(tiny, name)
    with pytest.raises(InputError, match="plain has no Inception module"):
        find_module(googlenet.specification("plain"), None)
