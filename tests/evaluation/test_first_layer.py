"""Filters as pictures: what a pixel, in R, G, B from 0 to 255, adds to the first convolution's output."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import googlenet
from googlenet.evaluation.first_layer import first_filters
from googlenet.network.specification import MaxPool, Pixels

BGR = Pixels(order="BGR", white=1.0, mean=(0.4, 0.5, 0.6), scale=(0.5, 0.25, 0.2))


@pytest.mark.parametrize("name", ["googlenet", "googlenet-separable", "googlenet-torchvision", "googlenet-cifar"])
def test_a_filter_is_what_one_brighter_pixel_adds(name):
    described = replace(googlenet.specification(name, width=0.125, size=(64, 64)), pixels=BGR)
    network = googlenet.Network(described, auxiliary=False).eval()
    googlenet.network.initialization.initialise(network, seed=0)
    row = network.conv1
    layers = [row.depthwise, row.pointwise] if hasattr(row, "depthwise") else list(row.children())
    for layer in layers:
        layer.relu, layer.batch_norm = False, None
    filters = first_filters(network)
    side = filters.shape[1]
    assert filters.shape == (layers[-1].weight.shape[0], side, side, 3)
    before = np.full((1, 64, 64, 3), 100, np.uint8)
    with torch.no_grad():
        flat = network.conv1(googlenet.normalise(before, BGR))
        for channel in range(3):
            after = before.copy()
            after[0, 30, 34, channel] += 50
            added = (network.conv1(googlenet.normalise(after, BGR)) - flat)[0] / 50
            stride = layers[0].stride
            # Output (y, x) reads the pixel (30, 34) at (30 - stride * y + side // 2, 34 - stride * x + side // 2).
            for y, x in ((30 // stride, 34 // stride), (30 // stride + 1, 34 // stride)):
                place = 30 - stride * y + side // 2, 34 - stride * x + side // 2
                np.testing.assert_allclose(filters[:, *place, channel], added[:, y, x], rtol=1e-3, atol=1e-6)


def test_there_are_none_where_the_first_convolution_does_not_look_at_pixels():
    tiny = googlenet.specification("googlenet-tiny")
    described = replace(tiny, rows=(MaxPool("pool0", 3, 1, padding=1), *tiny.rows))
    assert first_filters(googlenet.Network(described)).shape[0] == 0
