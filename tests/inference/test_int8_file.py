"""Eight bits: ranges found on half of the images, judged on the others, kept beside the weights and checked."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from googlenet.errors import InputError
from googlenet.inference import int8_file
from googlenet.inference.predictor import Predictor
from googlenet.inference.quantization import BINS, _Counts, calibrate, sources
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification

ENGINES = [name for name in ("openvino", "onnxruntime") if find_spec(name)]
pytestmark = pytest.mark.skipif(len(ENGINES) < 2, reason="without the extra engines")


@pytest.fixture(scope="module")
def network() -> Network:
    network = Network(specification("googlenet-tiny"), auxiliary=False)
    initialise(network)
    return network.eval()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(60):
        small = random.integers(0, 256, (3, 3, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:02}.png"), cv2.resize(small, (32, 32), interpolation=cv2.INTER_CUBIC))
    return folder


def _int8(network: Network, folder: Path, *more: Any) -> int8_file.Int8:
    return int8_file.int8(network, network.specification.pixels, folder / "tiny.safetensors", *more)


def test_found_once_kept_and_checked(network: Network, images: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(int8_file, "CHANGED", 1.0)  # random weights hardly prefer a class
    with pytest.raises(InputError, match=r"there is no .*tiny.int8-openvino.json.*give --calibrate FOLDER, with 50"):
        _int8(network, tmp_path)
    made = _int8(network, tmp_path, "auto", images)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["tiny.int8-onnxruntime.json", "tiny.int8-openvino.json"]
    record = json.loads(files[1].read_bytes())
    assert record["judged"] == 30
    monkeypatch.setattr(int8_file, "calibrate", None)  # never again
    assert _int8(network, tmp_path, "auto", images) == _int8(network, tmp_path) == made
    crops = np.stack([cv2.imread(str(file)) for file in sorted(images.iterdir())[:4]])
    exact = Predictor(network, device="cpu", engine="torch").features(crops, ["inception_3a", "classifier"])
    for engine in ENGINES:
        found = _int8(network, tmp_path, engine)
        predictor = Predictor(network, None, "cpu", "int8", engine, ranges=found.ranges)
        for name, values in predictor.features(crops, list(exact)).items():
            error = (values - exact[name]).square().mean().sqrt() / exact[name].std()
            assert 1e-4 < error < 0.2, (engine, name)
    other = Network(network.specification, auxiliary=False).eval()
    with pytest.raises(InputError, match=r"openvino.json: made for other weights"):
        _int8(other, tmp_path, "openvino")
    for damage in (
        {"ranges": {}},
        {"ranges": record["ranges"] | {"conv1": [0, float("inf")]}},
        {"seconds": "1"},
        {"seconds": 10**400},
    ):
        files[1].write_text(json.dumps(record | damage))
        with pytest.raises(InputError, match=r"openvino.json: damaged"):
            _int8(network, tmp_path, "openvino")
    files[1].write_bytes(b"[" * 100_000)
    with pytest.raises(InputError, match=r"openvino.json: cannot be read"):
        _int8(network, tmp_path, "openvino")


def test_an_engine_that_changes_too_much_is_refused(
    network: Network, images: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """A network whose ranges are a hundredth of what they should be answers otherwise."""

    def spoiled(*arguments: Any) -> dict[str, Any]:
        return {name: type(found)(found.low / 100, found.high / 100) for name, found in calibrate(*arguments).items()}

    monkeypatch.setattr(int8_file, "calibrate", spoiled)
    distinct = Network(network.specification, auxiliary=False).eval()
    distinct.load_state_dict(network.state_dict())
    classifier: Any = distinct.get_submodule("classifier")
    crops = np.stack([cv2.imread(str(file)) for file in sorted(images.iterdir())])
    with torch.no_grad():  # answers that differ from image to image
        classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
        classifier.bias.zero_()
        answers = Predictor(distinct, device="cpu", engine="torch")(crops)
        classifier.bias.copy_(-answers.mean(0))
    assert len((answers - answers.mean(0)).argmax(1).unique()) > 3
    with pytest.raises(InputError, match=r"openvino in int8 changes the best class of \d+ of 30 images that did not"):
        _int8(distinct, tmp_path, "openvino", images)
    assert not list(tmp_path.iterdir())
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.png").write_bytes((images / "00.png").read_bytes())
    with pytest.raises(InputError, match="1 images are too few"):
        _int8(distinct, tmp_path, "openvino", tmp_path / "few")


def test_a_range_is_that_of_least_error_and_bins_widen() -> None:
    def counted(*parts: Tensor) -> _Counts:
        counts = _Counts()
        for part in parts:
            counts.add(part)
        return counts

    random = torch.Generator().manual_seed(0)
    usual = torch.rand(100_000, generator=random)
    assert counted(usual).range().high == pytest.approx(1.0, rel=0.02)
    assert counted(usual, torch.tensor([3.0])).range().high < 3.0  # one outlier is clipped
    widened = counted(usual / 8, usual, torch.zeros(7))
    assert widened.counts.sum() == pytest.approx(200_000, abs=10)
    assert len(widened.counts) == BINS
    signed = counted(usual - 0.5).range()
    assert (signed.low, signed.zero) == (-signed.high, 128)
    with pytest.raises(InputError, match="not finite"):
        counted(torch.tensor([torch.nan]))


def test_branches_share_the_range_of_their_map_and_what_surrounds_a_normalisation_is_exact() -> None:
    found = sources(specification("googlenet"))
    assert found["inception_3b/5x5"] == found["pool3"] == found["inception_4a/pool"] == "inception_3b"
    assert found["inception_4a/3x3_reduce"] == "inception_4a/3x3_reduce"
    assert not {"input", "conv1/7x7", "conv1", "pool1", "conv2/3x3", "pool5", "classifier"} & found.keys()
