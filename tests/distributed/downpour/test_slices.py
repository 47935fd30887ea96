"""Slices of a row of tensors: equal parts, wherever the cuts fall, in every layout."""

import pytest
import torch
from torch import nn

from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.shard import Span
from googlenet.errors import InputError
from googlenet.training.optimizer import SGD, parameter_groups


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 1)).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("count", [1, 2, 3, 65])
def test_what_is_cut_and_joined_is_what_it_was(count: int) -> None:
    model = network()
    optimizer = SGD(parameter_groups(model), momentum=0.9)
    slices = Slices.of(optimizer, count)
    found = slices.cut(optimizer.parameters)
    assert sum(slices.lengths) == 54 + 3 + 6 + 2
    assert max(slices.lengths) - min(slices.lengths) <= 1
    assert [len(one) for one in found] == slices.lengths
    before = {name: parameter.detach().clone() for name, parameter in optimizer.parameters.items()}
    slices.join([one + 1 for one in found], optimizer.parameters)
    for name, parameter in optimizer.parameters.items():
        assert torch.equal(parameter, before[name] + 1)


def test_biases_keep_their_rate_and_weights_their_decay_where_cuts_fall_within_them() -> None:
    slices = Slices.of(SGD(parameter_groups(network(), weight_decay=0.25)), 2)  # weights 54 and 6, then biases 3 and 2
    assert slices.spans(0) == [Span(33, 1.0, 0.25)]
    assert slices.spans(1) == [Span(21, 1.0, 0.25), Span(6, 1.0, 0.25), Span(3, 2.0, 0.0), Span(2, 2.0, 0.0)]


def test_a_tensor_that_is_missing_is_zeros() -> None:
    optimizer = SGD(parameter_groups(network()))
    slices = Slices.of(optimizer, 2)
    row = torch.cat(slices.cut(dict.fromkeys(optimizer.parameters)))
    assert torch.equal(row, torch.zeros(65))


def test_more_shards_than_weights_are_refused() -> None:
    with pytest.raises(InputError, match="shards 66: the network has 65 weights"):
        Slices.of(SGD(parameter_groups(network())), 66)
