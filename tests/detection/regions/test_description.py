"""A region's numbers: what the classifier reads, and means by hand of the quarters of the last map."""

import numpy as np
import pytest
import torch

from googlenet.detection.regions.description import described, layers, width
from googlenet.inference.predictor import Predictor
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import AdaptiveAveragePool, Classifier, Convolution, Specification
from googlenet.network.zoo import NETWORKS, specification


def test_the_papers_network_gives_pool5_and_four_quarters() -> None:
    paper = specification("googlenet")
    assert layers(paper) == ("pool5", "inception_5b")
    assert width(paper) == 5 * 1024


@pytest.mark.parametrize("size", [6, 7])
def test_quarters_share_the_middle_of_an_odd_map(size: int) -> None:
    rows = (Convolution("conv1", 2, 1, stride=1), AdaptiveAveragePool("pool", 1))
    given = Specification("two", rows, Classifier(3), input=(3, size, size))
    at = torch.arange(2.0 * size * size).view(1, 2, size, size) / 8
    read, last = layers(given)
    found = described({read: at.mean((2, 3), keepdim=True), last: at}, given)
    half = -(-size // 2)
    near, far = slice(0, half), slice(size - half, size)
    quarters = [at[0, :, y, x].mean((1, 2)) for y in (near, far) for x in (near, far)]
    expected = torch.cat([at.mean((2, 3))[0], torch.stack(quarters, 1).flatten()])
    np.testing.assert_allclose(found[0], expected.numpy(), rtol=1e-3)
    assert found.dtype == np.float16


def test_the_left_is_told_from_the_right() -> None:
    network = Network(specification("googlenet-tiny")).eval()
    initialise(network, seed=1)
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    pictures[0, :, :16] = pictures[1, :, 16:] = 255
    predictor = Predictor(network, device="cpu")
    found = described(predictor.features(pictures, layers(network.specification)), network.specification)
    quarters = found[:, len(found[0]) // 5 :]
    upper_left, upper_right = quarters.reshape(2, -1, 4)[:, :, 0], quarters.reshape(2, -1, 4)[:, :, 1]
    assert np.linalg.norm(upper_left[0] - upper_left[1]) > 0.1 * np.linalg.norm(upper_left)
    assert np.linalg.norm(upper_right[0] - upper_right[1]) > 0.1 * np.linalg.norm(upper_right)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_its_width_is_known_of_every_network_of_the_zoo(name: str) -> None:
    given = specification(name, width=0.1, classes=5)
    network = Network(given, auxiliary=False).eval()
    initialise(network)
    x = torch.zeros(1, *given.input)
    x[:, :, 3] = 1e30  # beyond what float16 holds
    found = described(network.features(x, layers(given)), given)
    assert found.shape == (1, width(given))
    assert not np.isinf(found).any()
