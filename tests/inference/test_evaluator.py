"""Both forms against the plain module, which is itself tested against Caffe's outputs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from googlenet import native
from googlenet.errors import InputError
from googlenet.inference.evaluator import Evaluator, optimise
from googlenet.network.graph import expand
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import (
    AveragePool,
    Classifier,
    Convolution,
    ConvolutionStyle,
    Inception,
    LocalResponseNorm,
    MaxPool,
    Specification,
)
from googlenet.network.zoo import NETWORKS, specification

needs_kernels = pytest.mark.skipif(native.library() is None, reason="built without kernels")
FORMS = ["eager", pytest.param("native", marks=needs_kernels)]


def _network(given: Specification) -> Network:
    network = Network(given)
    initialise(network)
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval()


def _input(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 50


def _assert_close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("googlenet-wide", "googlenet-naive")])
def test_logits_and_every_layer(name: str, form: str) -> None:
    network = _network(specification(name))
    evaluator = optimise(network, form=form)
    assert evaluator.form == form
    x = _input(2, *network.specification.input)
    with torch.no_grad():
        expected = network(x)
    assert expected.std() > 0
    _assert_close(evaluator(x), expected, 5e-6)
    names = [node.name for node in expand(network.specification, auxiliary=False)][:-1]
    ours, plain = evaluator.features(x, names), network.features(x, names)
    assert list(ours) == names
    for layer in names:
        _assert_close(ours[layer], plain[layer], 2e-5)


@needs_kernels
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=6, max_size=6),
    st.sampled_from([3, 5]),
    st.tuples(st.integers(9, 33), st.integers(9, 33), st.integers(1, 3)),
    st.booleans(),
    st.sampled_from([0, 3, 4]),
)
def test_odd_sizes_and_channels(
    channels: list[int], kernel: int, shape: tuple[int, int, int], same: bool, size: int
) -> None:
    """Nothing here is a multiple of a vector; reductions and projections may be missing, maps be smaller than tiles."""
    n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj = channels
    stem = Convolution("conv1", 17 + size, kernel, stride=2, reduce=n1x1)
    module = Inception("module", n1x1, n3x3_reduce - 1, n3x3, n5x5_reduce - 1, n5x5, pool_proj - 1, kernel)
    norm = [LocalResponseNorm("norm", size=size, alpha=1e-3, beta=0.5)] if size else []
    rounding = "same" if same else "ceil"
    rows = (stem, *norm, MaxPool("pool1", 3, 2, rounding=rounding), module, AveragePool("pool2", 2, rounding="same"))
    height, width, images = shape
    style = ConvolutionStyle(padding="same" if same else "symmetric")
    network = _network(Specification("odd", rows, Classifier(7), input=(3, height, width), convolution=style))
    x = _input(images, 3, height, width)
    with torch.no_grad():
        _assert_close(optimise(network, form="native")(x), network(x))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("images", [0, 1, 8, 9, 23])
def test_any_number_of_images(images: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("googlenet.inference.evaluator.PIXELS", 8 * 32 * 32)
    network = _network(specification("googlenet-tiny"))
    evaluator = optimise(network, form=form)
    x = _input(images, *network.specification.input)
    with torch.no_grad():
        expected = network(x)
    assert evaluator(x).shape == expected.shape
    if images:
        _assert_close(evaluator(x), expected)


@needs_kernels
def test_not_a_number_is_seen_in_the_end() -> None:
    network = _network(specification("googlenet-tiny"))
    x = _input(1, *network.specification.input)
    x[0, 0, 9, 9] = torch.nan
    assert optimise(network, form="native")(x).isnan().all()


@needs_kernels
def test_threads_may_share_an_evaluator() -> None:
    network = _network(specification("googlenet-tiny"))
    evaluator = optimise(network, form="native")
    inputs = [_input(2, *network.specification.input) * factor for factor in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(evaluator, inputs))
    for x, logits in zip(inputs, found, strict=True):
        with torch.no_grad():
            _assert_close(logits, network(x))


@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_copy_for_evaluation_alone(form: str) -> None:
    network = _network(specification("googlenet-tiny"))
    x = _input(1, *network.specification.input)
    evaluator = optimise(network, form=form).train()
    before = evaluator(x)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert not evaluator.training
    assert torch.equal(evaluator(x), before)
    assert not before.requires_grad
    assert network.inception_3a.get_submodule("3x3").weight.is_contiguous()


@needs_kernels
def test_the_form_is_measured_once_for_a_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path_factory.mktemp("cache")))
    network = _network(specification("googlenet-tiny"))
    first = optimise(network, batch=2)
    monkeypatch.setattr(Evaluator, "forward", lambda self, x: pytest.fail("measured again"))
    assert optimise(network, batch=2).form == first.form


def test_what_is_not_there_is_refused() -> None:
    network = _network(specification("googlenet-tiny"))
    with pytest.raises(InputError, match="no form 'magic' here; use eager"):
        optimise(network, form="magic")
    with pytest.raises(InputError, match="no form 'native' here; use eager"):
        optimise(network.double(), form="native")


@needs_kernels
def test_bvlc_probabilities_on_photographs(shared) -> None:  # type: ignore[no-untyped-def]
    """Real weights and pictures: to 1e-5 of the plain module's probabilities."""
    cv2 = pytest.importorskip("cv2")
    network = Network(specification("googlenet"), auxiliary=False).eval()
    with np.load(shared / "weights" / "bvlc_googlenet.npz") as arrays:
        for node in expand(network.specification, auxiliary=False):
            if node.weight:
                layer = {"conv1/7x7": "conv1/7x7_s2", "classifier": "loss3/classifier"}.get(node.name, node.name)
                module = network.get_submodule(node.key)
                weight = arrays[f"{layer}.weight"].astype(np.float32)
                weight = weight[:, ::-1].copy() if node.name == "conv1/7x7" else weight  # stored for B, G, R
                module.weight.data.copy_(torch.from_numpy(weight))
                module.bias.data.copy_(torch.from_numpy(arrays[f"{layer}.bias"].astype(np.float32)))
    pictures = sorted((shared / "data" / "imagenet-val-100").rglob("*.JPEG"))[:16]
    assert len(pictures) == 16
    pixels = [cv2.resize(cv2.imread(str(path))[..., ::-1], (224, 224)) for path in pictures]
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) - torch.tensor([123.0, 117.0, 104.0]).view(3, 1, 1)
    with torch.no_grad():
        expected = network(x).softmax(1)
    assert expected.max(1).values.mean() > 0.5  # these are answers, not noise
    assert (optimise(network, form="native")(x).softmax(1) - expected).abs().max() <= 1e-5
