"""Behaviour known from Caffe's definition: ramps through pools, branch order, heads, and padding."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from googlenet.errors import InputError
from googlenet.network.graph import expand
from googlenet.network.initialization import initialise
from googlenet.network.module import Network, Pooling
from googlenet.network.specification import AdaptiveAveragePool, AveragePool, Convolution, MaxPool
from googlenet.network.zoo import specification


@pytest.fixture(scope="module")
def tiny():
    network = Network(specification("googlenet-tiny"))
    initialise(network, seed=1)
    return network.eval()


def pictures(count=2, seed=0):
    return 50 * torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


RAMP = torch.arange(14.0).repeat(14, 1)[None, None]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (MaxPool("p", 3, 2), [2, 4, 6, 8, 10, 12, 13]),
        (MaxPool("p", 3, 2, padding=1, rounding="floor"), [1, 3, 5, 7, 9, 11, 13]),
        (MaxPool("p", 3, 2, rounding="same"), [2, 4, 6, 8, 10, 12, 13]),
        (MaxPool("p", 3, 2, rounding="floor"), [2, 4, 6, 8, 10, 12]),
        (AveragePool("p", 5, 3), [2, 5, 8, 11]),
        (AveragePool("p", 5, 3, rounding="same"), [1.5, 4, 7, 10, 12]),
        (AdaptiveAveragePool("p", 4), [1.5, 4.5, 8.5, 11.5]),
    ],
)
def test_pools_on_a_ramp(pool, expected):
    pooled = Pooling(pool)(RAMP)[0, 0, 0]
    assert torch.allclose(pooled, torch.tensor(expected, dtype=torch.float32), atol=1e-5)


def test_same_pools_of_odd_sizes_are_centred_and_padding_never_wins():
    x = -torch.arange(1.0, 8.0).repeat(7, 1)[None, None]
    assert Pooling(MaxPool("p", 3, 2, rounding="same"))(x)[0, 0, 0].tolist() == [-1, -2, -4, -6]


def test_inference_gives_logits_alone_and_training_every_head_by_name(tiny):
    assert tiny(pictures()).shape == (2, 10)
    tiny.train()
    outputs = tiny(pictures())
    tiny.eval()
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "logits": (2, 10),
        "auxiliary_4a": (2, 10),
        "auxiliary_4d": (2, 10),
    }


def test_inference_does_not_depend_on_the_heads_and_is_repeatable(tiny):
    without = Network(tiny.specification, auxiliary=False).eval()
    without.load_state_dict({name: value for name, value in tiny.state_dict().items() if "auxiliary" not in name})
    first = tiny(pictures())
    assert torch.equal(first, tiny(pictures()))
    assert torch.equal(first, without(pictures()))


def test_each_heads_gradient_reaches_only_what_lies_before_it():
    network = Network(specification("googlenet-tiny")).train()
    initialise(network)
    network(pictures())["auxiliary_4a"].sum().backward()
    reached = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert reached == {"conv1", "conv2", "inception_3a", "inception_3b", "inception_4a", "auxiliary_4a"}


def test_counts_of_layers():
    nodes = [node for node in expand(specification("googlenet")) if node.weight]
    assert sum(len(node.weight) == 4 for node in nodes) == 59
    assert sum(len(node.weight) == 2 for node in nodes) == 5
    with torch.device("meta"):
        assert len(list(Network(specification("googlenet")).parameters())) == 128
        assert len(list(Network(specification("googlenet"), auxiliary=False).parameters())) == 116


def test_zero_weights_give_equal_logits():
    network = Network(specification("googlenet-tiny")).eval()
    initialise(network)
    torch.nn.init.zeros_(network.classifier.weight)
    torch.nn.init.zeros_(network.classifier.bias)
    loss = functional.cross_entropy(network(pictures()), torch.tensor([1, 2]))
    assert loss.item() == pytest.approx(2.302585, abs=1e-6)  # ln 10


@pytest.mark.parametrize(
    ("branch", "start", "end"), [("1x1", 0, 64), ("3x3", 64, 192), ("5x5", 192, 224), ("pool_proj", 224, 256)]
)
def test_branches_are_concatenated_in_the_papers_order(branch, start, end):
    module = Network(specification("googlenet"), auxiliary=False).inception_3a
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.ones_(module.get_submodule(branch).bias)
    (channels,) = module(torch.zeros(1, 192, 4, 4)).sum(dim=(2, 3)).nonzero(as_tuple=True)[1:]
    assert channels.tolist() == list(range(start, end))


def test_relu_follows_every_convolution_and_no_classifier(tiny):
    for node in expand(tiny.specification):
        if node.weight and len(node.weight) == 4:
            assert tiny.get_submodule(node.key).relu
    assert tiny.features(pictures(), ["inception_5b"])["inception_5b"].min() >= 0
    assert tiny(pictures()).min() < 0


def test_convolutions_pad_as_tensorflow_does_where_the_specification_says_so():
    network = specification("googlenet-google")
    unit = Network(replace(network, rows=network.rows[:1], auxiliary=(), input=(3, 8, 8))).conv1.get_submodule("7x7")
    torch.nn.init.zeros_(unit.weight)
    torch.nn.init.zeros_(unit.bias)
    with torch.no_grad():
        unit.weight[0, 0, 2, 2] = 1.0  # with 2 before and 3 after, this tap lies on pixel (2y, 2x)
    x = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(1, 3, 1, 1)
    assert torch.equal(unit(x)[0, 0], x[0, 0, ::2, ::2])


def test_features_are_rows_and_layers_by_the_papers_names(tiny):
    x = pictures()
    found = tiny.features(x, ["inception_3a", "inception_3a/3x3_reduce", "pool5", "classifier"])
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {
        "inception_3a": (64, 8, 8),
        "inception_3a/3x3_reduce": (24, 8, 8),
        "pool5": (256, 1, 1),
        "classifier": (10,),
    }
    assert torch.equal(found["classifier"], tiny(x))
    assert torch.equal(
        tiny.inception_3a.get_submodule("3x3_reduce")(tiny.features(x, ["pool2"])["pool2"]),
        found["inception_3a/3x3_reduce"],
    )


@pytest.mark.parametrize("name", ["inception_9z", "inception_3a/7x7", "", "auxiliary_4a", "head_rows"])
def test_an_unknown_layer_is_named(tiny, name):
    with pytest.raises(InputError, match="is no layer of googlenet-tiny; its rows are conv1, pool1"):
        tiny.features(pictures(), [name])


def test_a_row_that_torch_needs_for_itself_is_refused():
    network = specification("googlenet-tiny")
    with pytest.raises(InputError, match="row 'train': torch's modules need this name"):
        Network(replace(network, rows=(Convolution("train", 8, 3), *network.rows[1:])))


def test_features_in_threads_are_those_of_each_picture(tiny):
    names = ["inception_3a/3x3", "pool5"]
    inputs = [pictures(1, seed) for seed in range(16)]
    expected = [tiny.features(x, names) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: tiny.features(x, names), inputs))
    for ours, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in names)


def test_features_have_a_gradient_by_choice(tiny):
    names = ["input", "inception_4a", "classifier"]
    x = pictures().double().requires_grad_()
    tiny = copy.deepcopy(tiny).double()
    assert not any(value.requires_grad for value in tiny.features(x, names[1:]).values())
    found = tiny.features(x, names, gradient=True)
    total = found["classifier"][:, 3].sum()
    at_input, at_row = torch.autograd.grad(total, [found["input"], found["inception_4a"]])
    assert at_row.shape == found["inception_4a"].shape
    step = torch.zeros_like(x)
    step[0, 1, 10, 12] = 1e-4
    with torch.no_grad():
        difference = (tiny(x + step) - tiny(x - step))[:, 3].sum() / 2e-4
    assert at_input[0, 1, 10, 12].item() == pytest.approx(difference.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((1, 3, 48, 48), r"\[1, 3, 48, 48\]; it takes \[N, 3, 32, 32\]: .*create\(..., size=\(48, 48\)\)"),
        ((1, 4, 32, 32), r"an input of shape \[1, 4, 32, 32\]"),
        ((3, 32, 32), "an input of shape"),
        ((1, 3, 1, 1), "an input of shape"),
    ],
)
def test_an_input_of_another_shape_is_refused(tiny, shape, complaint):
    with pytest.raises(InputError, match=complaint):
        tiny(torch.zeros(shape))
    with pytest.raises(InputError, match=complaint):
        tiny.features(torch.zeros(shape), ["pool5"])


def test_another_size_that_fits_is_taken():
    network = Network(specification("googlenet"), auxiliary=False).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 227, 227)).shape == (1, 1000)
