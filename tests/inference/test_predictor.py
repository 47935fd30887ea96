"""Every engine against the plain module, which is itself tested against Caffe's outputs."""

import copy
import pickle
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from googlenet import native
from googlenet.errors import InputError
from googlenet.inference import engine as engines
from googlenet.inference import predictor as predictor_module
from googlenet.inference.engine import Engine
from googlenet.inference.predictor import Predictor
from googlenet.network.cost import multiply_adds
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
    Pixels,
    Specification,
)
from googlenet.network.zoo import NETWORKS, specification

needs_kernels = pytest.mark.skipif(native.library() is None, reason="built without kernels")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="without the extra engines")
ENGINES = [
    "torch",
    pytest.param("native", marks=needs_kernels),
    *(
        pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason="without the extra engines"))
        for name in ("openvino", "onnxruntime")
    ),
]


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


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "width"),
    [("googlenet", 1.0), *((name, 0.25) for name in NETWORKS if name not in ("googlenet-wide", "googlenet-naive"))],
)
def test_logits_and_every_layer(name: str, width: float, engine: str) -> None:
    network = _network(specification(name, width=width))
    predictor = Predictor(network, device="cpu", engine=engine)
    x = _input(2, *network.specification.input)
    with torch.no_grad():
        expected = network(x)
    assert expected.std() > 0
    _assert_close(predictor(x), expected, 5e-6)
    assert predictor.engine == engine
    nodes = expand(network.specification, auxiliary=False)[:-1]
    names = ["input", *dict.fromkeys(name for node in nodes for name in (node.name, node.row))]
    ours, plain = predictor.features(x, names), network.features(x, names)
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
        _assert_close(Predictor(network, device="cpu", engine="native")(x), network(x))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("images", [0, 1, 8, 9, 23])
def test_any_number_of_images(images: int, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("googlenet.inference.engine.CACHED_PIXELS", 8 * 32 * 32)
    network = _network(specification("googlenet-tiny"))
    predictor = Predictor(network, device="cpu", engine=engine, batch_size=11)
    x = _input(images, *network.specification.input)
    with torch.no_grad():
        expected = network(x)
    assert predictor(x).shape == expected.shape
    names = ["conv1", "inception_3a/3x3", "classifier"]
    found, plain = predictor.features(x, names), network.features(x, names)
    for name in names:
        assert found[name].shape == plain[name].shape
    if images:
        _assert_close(predictor(x), expected)


@needs_kernels
def test_not_a_number_is_seen_in_the_end() -> None:
    network = _network(specification("googlenet-tiny"))
    x = _input(1, *network.specification.input)
    x[0, 0, 9, 9] = torch.nan
    assert Predictor(network, device="cpu", engine="native")(x).isnan().all()


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_may_share_a_predictor(engine: str) -> None:
    network = _network(specification("googlenet-tiny"))
    predictor = Predictor(network, device="cpu", engine=engine)
    inputs = [_input(2, *network.specification.input) * factor for factor in range(1, 17)]
    names = ["inception_3a/3x3", "classifier"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: predictor.features(x, names), inputs))
    for x, ours in zip(inputs, found, strict=True):
        expected = network.features(x, names)
        for name in names:
            _assert_close(ours[name], expected[name])


@pytest.mark.parametrize("engine", ENGINES)
def test_it_has_weights_of_its_own(engine: str) -> None:
    network = _network(specification("googlenet-bn"))
    x = _input(1, *network.specification.input)
    predictor = Predictor(network, device="cpu", engine=engine)
    network.train()
    with torch.no_grad():
        for value in network.state_dict().values():
            value.zero_()
    before = predictor(x)
    assert before.std() > 0
    assert torch.equal(predictor(x), before)
    assert not before.is_inference()
    assert network.conv1.get_submodule("7x7").weight.is_contiguous()


@pytest.mark.parametrize("engine", ENGINES)
def test_bytes_are_normalised_and_a_mask_puts_zeros_behind_that(engine: str) -> None:
    network = _network(specification("googlenet-tiny"))
    pixels = Pixels(order="BGR", mean=(104.0, 117.0, 123.0), scale=(2.0, 3.0, 4.0))
    predictor = Predictor(network, pixels, "cpu", engine=engine)
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    mask = np.zeros((3, 32, 32), bool)
    mask[1, :7], mask[2, :, 20:] = True, True
    x = (crops[..., ::-1].astype(np.float32) - [104, 117, 123]) / [2, 3, 4]
    x[mask] = 0
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)
    masked = predictor(crops, mask)
    _assert_close(masked, predictor(x))
    _assert_close(predictor(torch.from_numpy(crops), torch.from_numpy(mask)), masked)
    assert not torch.allclose(predictor(crops), masked, rtol=1e-3)
    np.testing.assert_allclose(predictor.features(crops, ["input"], mask)["input"], x, atol=1e-5)
    crops.flags.writeable = False
    assert torch.equal(predictor(crops[::-1], mask[::-1]), predictor(crops[::-1].copy(), mask[::-1].copy()))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pictures", "mask"),
    [
        (np.zeros((1, 33, 32, 3), np.uint8), None),
        (np.zeros((1, 64, 64, 3), np.uint8), None),
        (np.zeros((1, 32, 32, 1), np.uint8), None),
        (np.zeros((1, 32, 32, 4), np.uint8), None),
        (np.zeros((32, 32, 3), np.uint8), None),
        (np.zeros((1, 3, 32, 32), np.uint8), None),
        (np.zeros((1, 32, 32, 3), np.float32), None),
        (torch.zeros(1, 3, 32, 32, dtype=torch.float64), None),
        (torch.zeros(1, 3, 224, 224), None),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((1, 32, 32), bool)),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 32, 32), np.uint8)),
    ],
)
def test_pictures_of_another_form_are_one_clear_error(engine: str, pictures: Any, mask: Any) -> None:
    predictor = Predictor(_network(specification("googlenet-tiny")), device="cpu", engine=engine)
    predictor(np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"takes pictures as uint8|the mask must be bool") as refused:
        predictor(pictures, mask)
    assert "\n" not in str(refused.value)


def test_features_with_gradient_are_one_graph() -> None:
    network = _network(specification("googlenet-tiny"))
    predictor = Predictor(network, device="cpu", batch_size=4)
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = predictor.features(crops, ["input", "inception_4a", "classifier"], gradient=True)
    at_row, at_input = torch.autograd.grad(found["classifier"][:, 3].sum(), [found["inception_4a"], found["input"]])
    with torch.enable_grad():
        x = predictor.features(crops, ["input"])["input"].requires_grad_()
        (expected,) = torch.autograd.grad(network(x)[:, 3].sum(), x)
    _assert_close(at_input, expected)
    assert at_row.shape == found["inception_4a"].shape
    assert all(parameter.grad is None for parameter in predictor.network.parameters())
    with pytest.raises(InputError, match="of all 5 pictures; give 4 at once"):
        predictor.features(np.zeros((5, 32, 32, 3), np.uint8), ["input"], gradient=True)


@needs_kernels
def test_the_engine_is_measured_once_for_a_machine_when_there_is_much_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path))
    network = _network(specification("googlenet-tiny"))
    monkeypatch.setattr(predictor_module, "WORTH_PREPARING", 5 * multiply_adds(network.specification))
    x = _input(2, *network.specification.input)
    measured = []
    choose = predictor_module.machine.choose
    monkeypatch.setattr(
        predictor_module.machine, "choose", lambda *a, **k: measured.append(choose(*a, **k)) or measured[-1]
    )
    alone = Predictor(network, device="cpu")
    for _ in range(2):
        alone(x)
        assert alone.engine == "torch"
        assert not measured
    for _ in range(2):  # the sixth picture makes it worth the while
        _assert_close(alone(x), network(x).detach())
    assert [choice.ground for choice in measured] == ["measured"]
    assert alone.engine == measured[0].form
    told = Predictor(network, device="cpu")
    told.expect(5)
    told(x)
    assert [choice.ground for choice in measured] == ["measured", "remembered"]
    assert told.engine == measured[0].form


class _Toy(Engine):
    """A second user of the contract: it has int8 and takes bytes."""

    precisions: ClassVar[tuple[str, ...]] = ("int8",)
    takes_bytes: ClassVar[bool] = True

    def __init__(self, network: Network, pixels: Pixels, device: str, precision: str, ranges: Any = None) -> None:
        self.classes, self.given = network.specification.classifier.classes, list[torch.dtype]()

    def __call__(self, x: Tensor) -> Tensor:
        self.given.append(x.dtype)
        return torch.eye(self.classes)[:1].expand(len(x), -1) * 9

    def features(self, x: Tensor, at: Sequence[str]) -> dict[str, Tensor]:
        raise AssertionError


def test_an_engine_registers_with_a_line_and_what_a_precision_changes_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = _network(specification("googlenet-tiny"))
    crops = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    exact = Predictor(network, device="cpu")(crops).softmax(1)
    with pytest.raises(InputError, match="in int8 on cpu: engine native computes in float32 alone"):
        Predictor(network, device="cpu", precision="int8", engine="native")
    monkeypatch.setitem(engines.ENGINES, "toy", "toy_module:_Toy")
    monkeypatch.setattr(predictor_module, "_said", set())
    monkeypatch.setitem(sys.modules, "toy_module", sys.modules[_Toy.__module__])
    predictor = Predictor(network, device="cpu", precision="int8", engine="toy")
    with caplog.at_level("INFO", "googlenet"):
        assert predictor(crops).shape == (40, 10)
    assert predictor.engine == "toy"
    assert predictor._engine.given == [torch.uint8] * 5  # type: ignore[union-attr]
    taken, line = (record.getMessage() for record in caplog.records[:2])
    expected = r"googlenet-tiny computed by toy in int8 on cpu, (1 thread|\d+ threads): as told"
    assert re.fullmatch(expected, taken)
    first = exact[:32]
    toy = torch.softmax(torch.eye(10)[0] * 9, 0)
    changed, difference = int((first.argmax(1) != 0).sum()), float((first - toy).abs().max())
    assert line.startswith(f"int8: {changed} of the first 32 images")
    assert line.endswith(f"up to {difference:.4f}")


def test_bfloat16_is_near_and_says_how_near(caplog: pytest.LogCaptureFixture) -> None:
    network = _network(specification("googlenet-tiny"))
    crops = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    exact = Predictor(network, device="cpu")(crops)
    with caplog.at_level("INFO", "googlenet"):
        found = Predictor(network, device="cpu", precision="bfloat16")(crops)
    assert found.dtype == torch.float32
    _assert_close(found, exact, 0.05)
    assert not torch.allclose(found, exact, rtol=1e-6)
    assert any(record.getMessage().startswith("bfloat16: ") for record in caplog.records)


def test_a_precision_that_is_slower_is_obeyed_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = _network(specification("googlenet-tiny"))
    times = iter([0.0, 3.0, 0.0, 2.0])  # begin and end of bfloat16, then of float32
    usual = "native" if native.library() is not None else "torch"
    with monkeypatch.context() as patch:
        patch.setattr(predictor_module.time, "perf_counter", lambda: next(times))
        Predictor(network, device="cpu", precision="bfloat16", engine="torch")(_input(2, 3, 32, 32))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"bfloat16 takes 1.5 times as long as float32 by {usual} here"
    ]


def test_what_an_engine_does_once_for_a_number_of_pictures_is_not_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seen = [0.0], set[int]()

    def compiling(x: Tensor) -> None:
        now[0] += 1.0 if len(x) in seen else 30.0
        seen.add(len(x))

    monkeypatch.setattr(predictor_module.time, "perf_counter", lambda: now[0])
    assert predictor_module._seconds(compiling, torch.zeros(8, 3, 4, 4)) == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["openvino", "onnx"])
def test_an_engine_that_is_not_installed_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    network = _network(specification("googlenet-tiny"))
    with pytest.raises(InputError, match=r"engine openvino is not installed: pip install onnx openvino"):
        Predictor(network, device="cpu", engine="openvino")
    assert Predictor(network, device="cpu")(_input(1, 3, 32, 32)).shape == (1, 10)


@needs_openvino
def test_bfloat16_by_openvino_needs_units_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them OpenVINO would compute in float32, and not say so."""
    from googlenet.inference import openvino_engine

    network, found = _network(specification("googlenet-tiny")), ["FP32", "BF16"]
    core = SimpleNamespace(get_property=lambda device, name: found)
    monkeypatch.setattr(openvino_engine, "_core", lambda: core)
    assert list(engines.find_engines(network, "cpu", "bfloat16")) == ["torch", "openvino"]
    found.remove("BF16")
    assert list(engines.find_engines(network, "cpu", "bfloat16")) == ["torch"]
    with pytest.raises(InputError, match="on processors with units for it alone"):
        Predictor(network, device="cpu", precision="bfloat16", engine="openvino")


@needs_openvino
def test_any_number_of_sizes_in_bounded_memory() -> None:
    network = _network(specification("googlenet-tiny"))
    predictor = Predictor(network, device="cpu", engine="openvino")
    for images in (1, 2, 3, 4, 5, 1, 6):
        x = _input(images, 3, 32, 32)
        _assert_close(predictor(x), network(x).detach())
    sizes = [key[-1] for key in predictor._engine._compiled]  # type: ignore[union-attr]
    assert sizes == [1, 2, 3, None]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"engine": "magic"}, "engine 'magic' is not known; there is auto, native, torch, openvino, onnxruntime"),
        ({"engine": "native", "precision": "bfloat16"}, "engine native computes in float32 alone"),
        ({"device": "magic"}, "device .magic. is not known; there are auto, cpu"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    ],
)
def test_what_is_not_there_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Predictor(_network(specification("googlenet-tiny")), **({"device": "cpu"} | arguments))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_predictor_can_be_copied_and_pickled(engine: str) -> None:
    network = _network(specification("googlenet-tiny"))
    predictor = Predictor(network, device="cpu", engine=engine)
    x = _input(2, *network.specification.input)
    expected = predictor(x)
    for twin in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        assert torch.equal(twin(x), expected)
        assert twin.engine == engine


def test_its_network_can_be_copied_compiled_and_exported() -> None:
    network = Predictor(_network(specification("googlenet-tiny")), device="cpu").network
    two, five = _input(2, 3, 32, 32), _input(5, 3, 32, 32)
    _assert_close(copy.deepcopy(network)(two), network(two))
    _assert_close(torch.compile(network, backend="eager")(two), network(two))
    exported = torch.export.export(network, (two,), dynamic_shapes=({0: torch.export.Dim("images", max=64)},))
    _assert_close(exported.module()(five), network(five))


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
    assert (Predictor(network, device="cpu", engine="native")(x).softmax(1) - expected).abs().max() <= 1e-5


def test_what_is_no_array_is_named() -> None:
    predictor = Predictor(_network(specification("googlenet-tiny")), device="cpu")
    with pytest.raises(InputError, match=r"^pictures: expected an array or a tensor, found NoneType"):
        predictor(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^the mask: expected an array or a tensor, found int"):
        predictor(np.zeros((1, 32, 32, 3), np.uint8), 3)  # type: ignore[arg-type]
