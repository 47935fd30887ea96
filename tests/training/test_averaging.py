"""Means of weights: hand-worked sums, the published rule for the ramp, and batch statistics computed independently."""

import pytest
import torch
from torch import Tensor, nn

from googlenet.training.averaging import Average, recompute_batch_statistics


def network_at(value: float) -> nn.Linear:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def averaged(kind: str, values: list[float], **options: float) -> float:
    network = network_at(values[0])
    average = Average(network, kind, **options)  # type: ignore[arg-type]
    for step, value in enumerate(values[1:], start=1):
        with torch.no_grad():
            network.weight.fill_(value)
        average.update(step)
    return float(average.tensors["weight"][0, 0])


def test_the_arithmetic_mean_of_1_to_n():
    assert averaged("polyak", [99.0, *map(float, range(1, 11))]) == pytest.approx(5.5)


def test_the_burn_in_is_left_out():
    assert averaged("polyak", [99.0, 50.0, 60.0, 1.0, 2.0, 3.0], begin=2) == pytest.approx(2.0)


def test_there_is_no_mean_before_the_burn_in_ends_and_none_at_all_without_averaging():
    network = network_at(1.0)
    average = Average(network, "polyak", begin=1)
    average.update(1)
    assert not average.ready
    average.update(2)
    assert average.ready
    nothing = Average(network, "none")
    nothing.update(1)
    assert not nothing.ready
    assert nothing.tensors == {}


def test_the_exponential_mean_starts_short():
    # it keeps 1/10, then 2/11, of itself: 0.1 * 10 + 0.9 * 0 = 1, then 2/11 * 1 + 9/11 * 0
    assert averaged("exponential", [10.0, 0.0, 0.0]) == pytest.approx(2 / 11)
    # and never more than the decay
    assert averaged("exponential", [10.0, 0.0, 0.0], decay=0.15) == pytest.approx(10 * 0.1 * 0.15)


@pytest.mark.parametrize(("kind", "count"), [("exponential", 3), ("polyak", 0)])
def test_a_mean_that_goes_on_has_as_many_updates_as_it_had(kind: str, count: int):
    """The burn-in is Polyak's alone: an exponential mean that forgot its updates would begin to follow each step."""
    average = Average(network_at(1.0), kind, begin=5)  # type: ignore[arg-type]
    average.load(dict(average.tensors), 3, step=3)
    assert average.count == count


@pytest.mark.parametrize("kind", ["polyak", "exponential"])
def test_constant_weights_average_to_themselves_exactly(kind: str):
    assert averaged(kind, [0.1] * 30) == float(torch.tensor(0.1))


def test_swapping_in_and_out_restores_every_bit():
    network = network_at(1.0)
    average = Average(network, "polyak")
    average.update(1)
    with torch.no_grad():
        network.weight.fill_(3.0)
    average.update(2)
    with average.swapped_in():
        assert network.weight.tolist() == [[2.0, 2.0]]
    assert network.weight.tolist() == [[3.0, 3.0]]
    assert average.tensors["weight"].tolist() == [[2.0, 2.0]]
    average.update(3)
    assert float(average.tensors["weight"][0, 0]) == pytest.approx(7 / 3)


def test_a_restored_mean_goes_on():
    network = network_at(1.0)
    average = Average(network, "polyak")
    average.update(1)
    later = Average(network_at(3.0), "polyak")
    later.load(average.tensors, average.count, 1)
    later.update(2)
    assert later.tensors["weight"].tolist() == [[2.0, 2.0]]


def test_means_of_short_types_are_float32():
    average = Average(network_at(1.0).bfloat16(), "exponential")
    assert average.tensors["weight"].dtype == torch.float32


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.dropout(x))


def test_batch_statistics_are_the_mean_over_batches_without_dropout():
    torch.manual_seed(0)
    network = Normed().eval()
    network.norm.running_mean.fill_(77.0)
    batches = [torch.randn(4, 3, 5, 5) * 2 + 1 for _ in range(3)]
    recompute_batch_statistics(network, batches)
    means = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches]).mean(dim=0)
    variances = torch.stack([batch.var(dim=(0, 2, 3)) for batch in batches]).mean(dim=0)
    torch.testing.assert_close(network.norm.running_mean, means)
    torch.testing.assert_close(network.norm.running_var, variances)
    assert network.norm.momentum == 0.1
    assert not network.training
    assert not network.dropout.training


def test_a_network_without_batch_normalisation_reads_no_image():
    def refuse():  # type: ignore[no-untyped-def]
        raise AssertionError
        yield

    recompute_batch_statistics(nn.Linear(2, 2), refuse())
