"""Counts worked out from the channel tables by exact integer arithmetic, and torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from googlenet.network.cost import cost
from googlenet.network.module import Network
from googlenet.network.zoo import NETWORKS, specification

TOTALS = {  # parameters, with heads, multiply-adds, with heads
    "googlenet": (6_998_552, 13_378_280, 1_582_671_872, 1_591_044_096),
    "googlenet-separable": (6_991_880, 13_371_608, 1_498_677_248, 1_507_049_472),
    "googlenet-torchvision": (6_624_904, 13_004_888, 1_498_376_192, 1_506_748_416),
    "googlenet-google": (7_066_380, 13_461_996, 1_584_881_536, 1_593_261_952),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    ours = cost(specification(name))
    counts = (ours.parameters, ours.parameters_with_auxiliary, ours.multiply_adds, ours.multiply_adds_with_auxiliary)
    assert counts == TOTALS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_counts_the_same_on_the_built_module(name):
    network = specification(name)
    ours = cost(network)
    with torch.device("meta"):
        module = Network(network)
        with FlopCounterMode(display=False) as counter:
            module.eval()(torch.empty(1, *network.input))
        assert counter.get_total_flops() == 2 * ours.multiply_adds
        with FlopCounterMode(display=False) as counter:
            module.train()(torch.empty(2, *network.input))
        assert counter.get_total_flops() == 4 * ours.multiply_adds_with_auxiliary
    assert sum(parameter.numel() for parameter in module.parameters()) == ours.parameters_with_auxiliary


MODULES = {  # parameters, multiply-adds
    "inception_3a": (163_696, 128_049_152),
    "inception_3b": (388_736, 304_267_264),
    "inception_4a": (376_176, 73_608_192),
    "inception_4b": (449_160, 87_908_352),
    "inception_4c": (510_104, 99_850_240),
    "inception_4d": (605_376, 118_515_712),
    "inception_4e": (868_352, 169_996_288),
    "inception_5a": (1_043_456, 51_079_168),
    "inception_5b": (1_444_080, 70_697_984),
}


def test_every_row():
    rows = {row.name: (row.parameters, row.multiply_adds) for row in cost(specification("googlenet")).rows}
    assert {name: rows[name] for name in MODULES} == MODULES
    assert rows["conv1"] == (9_472, 118_013_952)
    assert rows["conv2"] == (4_160 + 110_784, 359_661_568)
    assert rows["classifier"] == (1_025_000, 1_024_000)


def test_every_branch_of_4a():
    (row,) = (row for row in cost(specification("googlenet")).rows if row.name == "inception_4a")
    found = {branch.name: branch.multiply_adds for branch in row.branches}
    assert found == {
        "1x1": 18_063_360,
        "3x3_reduce": 9_031_680,
        "3x3": 35_223_552,
        "5x5_reduce": 1_505_280,
        "5x5": 3_763_200,
        "pool": 0,
        "pool_proj": 6_021_120,
    }
    assert sum(branch.parameters for branch in row.branches) == row.parameters


def test_the_heads():
    heads = {head.name: (head.parameters, head.multiply_adds) for head in cost(specification("googlenet")).heads}
    assert heads == {"auxiliary_4a": (3_188_840, 4_169_728), "auxiliary_4d": (3_190_888, 4_202_496)}


def test_the_separable_stem_is_table_1s():
    (row, *_) = cost(specification("googlenet-separable")).rows
    assert row.multiply_adds == 34_019_328
    assert row.parameters - 24 - 64 == 2_712


def test_the_released_channels_reproduce_the_printed_operations():
    """Rounded to 10^6, the ops column is the released network with the separable stem, in all rows."""
    separable = {row.name: row for row in cost(specification("googlenet-separable")).rows}
    released = {row.name: row for row in cost(specification("googlenet-google")).rows}
    for name, row in released.items():
        if row.paper_multiply_adds:
            ours = separable[name] if name == "conv1" else row
            assert round(ours.multiply_adds / 1e6) * 10**6 == row.paper_multiply_adds, name


def test_the_naive_modules():
    rows = [row for row in cost(specification("googlenet-naive")).rows if row.name.startswith("inception")]
    assert sum(row.multiply_adds for row in rows) == 12_085_441_536
    assert (
        sum(row.parameters for row in rows)
        - sum(sum(b.output[0] for b in row.branches if b.parameters) for row in rows)
        == 92_451_840
    )


def test_parameters_with_other_classes():
    for classes, main, both in ((10, 5_983_802, 10_334_030), (100, 6_076_052, 10_610_780)):
        ours = cost(specification("googlenet", classes=classes))
        assert (ours.parameters, ours.parameters_with_auxiliary) == (main, both)


ACTIVATIONS = {
    "inception_3a": 2_558_976,
    "inception_3b": 4_315_136,
    "inception_4a": 1_266_944,
    "inception_4b": 1_310_848,
    "inception_4c": 1_323_392,
    "inception_4d": 1_367_296,
    "inception_4e": 1_869_056,
    "inception_5a": 526_848,
    "inception_5b": 611_520,
}


def test_activation_memory():
    ours = cost(specification("googlenet"))
    rows = {row.name: row.activation_bytes for row in ours.rows}
    assert ours.activation_bytes == 27_342_336
    assert {name: rows[name] for name in ACTIVATIONS} == ACTIVATIONS


def test_training_memory_is_every_blob_twice_and_what_backward_needs():
    ours = cost(specification("googlenet"))
    blobs = ours.activation_bytes + sum(head.activation_bytes for head in ours.heads)
    scale = 4 * 802_816  # of the two local response normalisations
    maxima = 8 * sum(
        channels * grid * grid
        for channels, grid in (
            *((64, 56), (192, 28), (480, 14), (832, 7)),  # between the stages
            *((192, 28), (256, 28), (480, 14), (3 * 512, 14), (528, 14), (2 * 832, 7)),  # in the modules
        )
    )
    masks = 1024 + 2 * 1024
    once = 4 * (3 * 224 * 224 + 1000)  # the input and the softmax have no gradient of their own
    assert ours.training_activation_bytes == 2 * blobs - once + scale + maxima + masks
    assert ours.training_bytes(32) == 12 * 13_378_280 + 32 * ours.training_activation_bytes
