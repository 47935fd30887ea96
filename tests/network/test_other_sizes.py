"""Networks for pictures of another size: against torch's own functions put together by hand, and what is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import googlenet
from googlenet.errors import InputError
from googlenet.network.module import Network
from googlenet.network.specification import AdaptiveAveragePool, AveragePool, Classifier, Convolution, Specification
from googlenet.network.zoo import NETWORKS, resized, specification
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import numbered_classes


def by_hand(weights: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """Caffe's GoogLeNet in torch's functions; the average is over the whole grid, and of the heads over 4 x 4 parts."""

    def convolve(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        return F.relu(F.conv2d(x, weight, weights[f"{name}.bias"], stride, weight.shape[-1] // 2))

    def inception(x: Tensor, name: str) -> Tensor:
        return torch.cat(
            [
                convolve(x, f"{name}.1x1"),
                convolve(convolve(x, f"{name}.3x3_reduce"), f"{name}.3x3"),
                convolve(convolve(x, f"{name}.5x5_reduce"), f"{name}.5x5"),
                convolve(F.max_pool2d(x, 3, 1, 1), f"{name}.pool_proj"),
            ],
            dim=1,
        )

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x.flatten(1), weights[f"{name}.weight"], weights[f"{name}.bias"])

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    found = {}
    x = F.local_response_norm(pool(convolve(x, "conv1.7x7", 2)), 5)
    x = pool(F.local_response_norm(convolve(convolve(x, "conv2.3x3_reduce"), "conv2.3x3"), 5))
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        x = inception(pool(x) if module in ("4a", "5a") else x, f"inception_{module}")
        if module in ("4a", "4d"):
            head = f"auxiliary_{module}"
            hidden = linear(convolve(F.adaptive_avg_pool2d(x, 4), f"{head}.conv"), f"{head}.fc")
            found[head] = linear(F.relu(hidden), f"{head}.classifier")
    return {"logits": linear(x.mean(dim=(2, 3)), "classifier"), **found}


def without_dropout(network: Network) -> Network:
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    network = googlenet.create("googlenet", width=0.25, classes=10, seed=4)
    path = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    save(path, Checkpoint(network.specification, numbered_classes(10), network.state_dict()))
    return path


@pytest.mark.parametrize("size", [(320, 256), (96, 160), (225, 33)])
def test_pretrained_weights_fit_another_size_and_give_torchs_values(weights_file, caplog, size):
    network = without_dropout(googlenet.create(pretrained=weights_file, size=size))
    assert not caplog.records
    assert network.specification.input == (3, *size)
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 100
    expected = by_hand(network.state_dict(), x)
    found = network.train()(x)
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.allclose(found[name], expected[name], rtol=1e-4, atol=1e-4 * float(expected[name].abs().max())), (
            name
        )
    assert torch.allclose(network.eval()(x), expected["logits"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_shapes_of_its_weights(name):
    own = specification(name)
    other = specification(name, size=(own.input[1] + 40, own.input[2] + 8))
    shapes = [{key: value.shape for key, value in _meta(network).state_dict().items()} for network in (own, other)]
    assert shapes[0] == shapes[1]
    x = torch.empty(2, *other.input, device="meta")
    assert _meta(other).eval()(x).shape == (2, own.classifier.classes)


def _meta(network: Specification) -> Network:
    with torch.device("meta"):
        return Network(network)


def test_the_same_size_is_the_same_network_and_pictures_grow_with_it():
    whole = specification("googlenet")
    assert resized(whole, (224, 224)) is whole
    other = resized(whole, (320, 448))
    assert other.name == "googlenet-320x448"
    assert other.pixels.resize.size == 512  # 256 for 224
    assert Specification.from_json(other.to_json()) == other


def test_layers_that_depend_on_the_size_start_fresh_and_it_says_so(tmp_path, caplog):
    grid = Specification("grid", (Convolution("conv1", 8, 3),), Classifier(2, hidden=(4,)), input=(3, 8, 8))
    network = googlenet.create(grid)
    save(tmp_path / "grid", Checkpoint(grid, numbered_classes(2), network.state_dict()))
    other = googlenet.create(pretrained=tmp_path / "grid", size=(9, 8))
    assert "pictures of (9, 8): fresh classifier.fc, all else is loaded" in caplog.text
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]) == (not name.startswith("classifier.fc.weight")), name


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"size": (0, 224)}, "input must be between 1 and 65536, found 0"),
        ({"size": (224,)}, r"size \(224,\): give \(height, width\)"),
        ({"size": (224.0, 224)}, r"give \(height, width\), two whole numbers"),
        ({"size": (32768, 32768)}, "which is too many"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(options, complaint):
    with pytest.raises(InputError, match=complaint):
        googlenet.create("googlenet", **options)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        (
            (1, 3, 40, 32),
            r"shape \[1, 3, 40, 32\]; it takes \[N, 3, 32, 32\]: .* googlenet.create\(..., size=\(40, 32\)\)",
        ),
        ((2, 3, 64, 64), r"shape \[2, 3, 64, 64\]; .* size=\(64, 64\)"),
        ((2, 3, 4, 4), r"shape \[2, 3, 4, 4\]; .* size=\(4, 4\)"),
        ((1, 1, 32, 32), r"shape \[1, 1, 32, 32\]; it takes \[N, 3, 32, 32\], pictures of 3 channels"),
        ((1, 4, 32, 32), r"shape \[1, 4, 32, 32\]; .* pictures of 3 channels"),
        ((3, 32, 32), r"shape \[3, 32, 32\]; it takes \[N, 3, 32, 32\]"),
    ],
)
def test_a_batch_of_another_shape_is_one_clear_error(training, shape, complaint):
    network = googlenet.create("googlenet-tiny").train(training)
    with pytest.raises(InputError, match=complaint):
        network(torch.zeros(shape))


def test_what_fits_as_it_is_is_computed():
    pooled = googlenet.create("googlenet-torchvision", width=0.125, classes=3).eval()
    assert pooled(torch.zeros(1, 3, 96, 130)).shape == (1, 3)
    narrow = googlenet.create("googlenet", width=0.125, classes=3)
    assert narrow.eval()(torch.zeros(1, 3, 223, 224)).shape == (1, 3)  # the same grids
    assert narrow.train()(torch.zeros(1, 3, 223, 224)).keys() == {"logits", "auxiliary_4a", "auxiliary_4d"}


def test_a_pool_that_is_over_a_part_stays_one():
    rows = (Convolution("conv1", 8, 3), AveragePool("pool1", 4, 2), AveragePool("pool2", 3, 3))
    other = resized(Specification("two", rows, Classifier(2), input=(3, 8, 9)), (16, 16))
    assert other.rows[1:] == (rows[1], AdaptiveAveragePool("pool2", 1))
