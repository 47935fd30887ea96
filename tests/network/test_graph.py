"""Sizes known from Caffe and TensorFlow, and from Table 1."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from googlenet.network.graph import expand, features_of, pool_padding, pool_size, same_padding
from googlenet.network.specification import AveragePool, Classifier, MaxPool
from googlenet.network.zoo import specification
from googlenet.paper import TABLE_1


def rows(network, **options):
    return {node.row: node.output for node in expand(network, auxiliary=False, **options)}


def test_every_row_of_table_1_has_the_printed_output():
    ours = rows(specification("googlenet"))
    assert {name: ours[name] for name in TABLE_1} == {name: row.output for name, row in TABLE_1.items()}


def test_the_depth_is_22_layers_with_parameters():
    main = [node for node in expand(specification("googlenet"), auxiliary=False) if node.weight]
    assert sum(row.depth for row in TABLE_1.values()) == 22
    assert len(main) == 58  # 57 convolutions and the classifier


@pytest.mark.parametrize(
    ("size", "grids"),  # conv1 floors with padding 3, pools ceil (Caffe)
    [(64, (32, 16, 8, 4, 2)), (224, (112, 56, 28, 14, 7)), (227, (114, 57, 28, 14, 7)), (299, (150, 75, 37, 18, 9))],
)
def test_grids_of_other_inputs(size, grids):
    nodes = expand(specification("googlenet"), size=(size, size), auxiliary=False) if size >= 224 else None
    if nodes is None:
        with pytest.raises(ValueError, match="pool5: the grid shrinks below 1"):
            expand(specification("googlenet"), size=(size, size), auxiliary=False)
        return
    found = {node.row: node.output[1] for node in nodes}
    assert tuple(found[name] for name in ("conv1", "pool1", "pool2", "pool3", "pool4")) == grids


def test_the_heads_see_a_grid_of_four():
    heads = {node.name: node.output for node in expand(specification("googlenet")) if node.auxiliary}
    assert heads["auxiliary_4a/pool"] == (512, 4, 4)
    assert heads["auxiliary_4d/pool"] == (528, 4, 4)
    assert heads["auxiliary_4a/conv"] == (128, 4, 4)


def test_features_are_what_the_last_layer_reads():
    assert features_of(expand(specification("googlenet"))) == "pool5"
    hidden = replace(specification("googlenet"), classifier=Classifier(10, hidden=(32, 16)))
    assert features_of(expand(hidden, auxiliary=False)) == "classifier/fc2"


def test_concatenation_keeps_the_papers_order():
    (concat,) = (node for node in expand(specification("googlenet")) if node.name == "inception_3a")
    assert concat.inputs == tuple(f"inception_3a/{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj"))


@pytest.mark.parametrize(
    ("pool", "size", "expected", "padding"),
    [
        (MaxPool("p", 3, 2), 112, 56, (0, 1)),
        (MaxPool("p", 3, 2), 57, 28, (0, 0)),
        (MaxPool("p", 3, 2, rounding="floor"), 112, 55, (0, 0)),
        (MaxPool("p", 3, 2, padding=1, rounding="floor"), 57, 29, (1, 1)),
        (MaxPool("p", 3, 2, rounding="same"), 112, 56, (0, 1)),
        (MaxPool("p", 3, 2, rounding="same"), 57, 29, (1, 1)),
        (MaxPool("p", 3, 1, padding=1), 28, 28, (1, 1)),
        (MaxPool("p", 2, 2, padding=1), 3, 2, (1, 0)),  # Caffe drops a window that starts in the padding
        (AveragePool("p", 5, 3), 14, 4, (0, 0)),
        (AveragePool("p", 7), 7, 1, (0, 0)),
    ],
)
def test_pool_rounding(pool, size, expected, padding):
    assert pool_size(size, pool) == expected
    assert pool_padding(size, pool) == padding


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 50),
    padding=st.integers(0, 4),
    rounding=st.sampled_from(["ceil", "floor"]),
)
def test_pools_are_of_torchs_size(size, kernel, stride, padding, rounding):
    pool = MaxPool("pool", kernel, stride, min(padding, kernel // 2), rounding)
    if pool_size(size, pool) < 1:
        return
    x = torch.zeros(1, 1, size, 1)
    window = ((kernel, 1), (stride, 1), (pool.padding, 0))
    assert functional.max_pool2d(x, *window, ceil_mode=rounding == "ceil").shape[2] == pool_size(size, pool)


def test_same_padding_puts_the_odd_pixel_after():
    assert same_padding(224, 7, 2) == (2, 3)
    assert same_padding(56, 3, 1) == (1, 1)
    assert same_padding(7, 1, 1) == (0, 0)


def test_googles_network_has_508_channels_after_4a():
    assert rows(specification("googlenet-google"))["inception_4a"] == (508, 14, 14)


def test_naive_modules_pass_the_pool_through():
    ours = rows(specification("googlenet-naive"))
    widths = [ours[name][0] for name in ours if name.startswith("inception")]
    assert widths == [416, 832, 1280, 1728, 2176, 2640, 3344, 4048, 4944]
