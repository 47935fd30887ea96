import pytest

from googlenet.errors import InputError
from googlenet.network.cost import cost, multiply_adds
from googlenet.network.graph import expand
from googlenet.network.zoo import NETWORKS, describe, scale, specification


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_described_and_named(name):
    assert specification(name).name == name
    assert describe(name).endswith(".")


@pytest.mark.parametrize("name", NETWORKS)
def test_half_the_width_has_multiples_of_eight(name):
    for node in expand(specification(name, width=0.5)):
        if node.weight and "classifier" not in node.name and "depthwise" not in node.name:
            assert node.output[0] % 8 == 0


def test_half_the_width_is_about_a_quarter_of_the_cost():
    assert 0.24 < multiply_adds(specification("googlenet", width=0.5)) / 1_582_671_872 < 0.30


@pytest.mark.parametrize("budget", [0.1e9, 0.75e9, 1.582671872e9, 3e9])
def test_a_budget_gives_the_widest_network_within_it(budget):
    found = specification("googlenet", budget=budget)
    assert multiply_adds(found) <= budget
    width = float(found.name.rpartition("-x")[2])
    wider = next(
        network
        for step in range(1, 200)
        if (network := scale(specification("googlenet"), width + step / 1000)).rows != found.rows
        and multiply_adds(network) > multiply_adds(found)
    )
    assert multiply_adds(wider) > budget


def test_the_budget_of_the_whole_network_gives_its_channels():
    assert specification("googlenet", budget=1_582_671_872).rows == specification("googlenet").rows


def test_plain_has_the_same_depth_and_cost():
    plain, ours = cost(specification("plain")), cost(specification("googlenet"))
    assert abs(plain.multiply_adds / ours.multiply_adds - 1) < 0.01
    assert abs(plain.parameters / ours.parameters - 1) < 0.01
    assert [row.output for row in plain.rows] == [row.output for row in ours.rows]


def test_wide_is_wider():
    assert cost(specification("googlenet-wide")).parameters > cost(specification("googlenet")).parameters


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": "resnet"}, "network 'resnet' is not known; there are googlenet, "),
        ({"name": "googlenet", "width": 0}, "width 0 is not above 0"),
        ({"name": "googlenet", "width": 99}, "width 99 is not above 0 and at most 16"),
        ({"name": "googlenet", "budget": 10}, "budget 10: the narrowest googlenet takes"),
        ({"name": "googlenet", "classes": 0}, "classes must be a whole number of at least 1"),
        ({"name": "googlenet", "width": 0.5, "budget": 1e9}, "give one of them"),
    ],
)
def test_what_cannot_be_had_is_refused(options, complaint):
    with pytest.raises(InputError, match=complaint):
        specification(**options)


@pytest.mark.parametrize("budget", [float("nan"), float("inf"), float("-inf"), -1.0, 0.0])
def test_a_budget_is_a_finite_number_above_nothing(budget):
    with pytest.raises(InputError, match=r"^budget .*: give a number of multiply-adds above 0"):
        specification("googlenet", budget=budget)


@pytest.mark.parametrize("size", [64, (64,), (64.0, 64), (True, 64), "64"])
def test_a_size_is_two_whole_numbers(size):
    with pytest.raises(InputError, match=r"give \(height, width\)"):
        specification("googlenet", size=size)


@pytest.mark.parametrize("classes", [2.0, True, "5", 0, -1])
def test_classes_are_counted(classes):
    with pytest.raises(InputError, match="classes must be a whole number of at least 1, found"):
        specification("googlenet", classes=classes)
