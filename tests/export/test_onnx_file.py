"""An exported file stands alone: another engine, told by its metadata alone, gives our answers in our names."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from googlenet.__main__ import main
from googlenet.errors import InputError
from googlenet.export import onnx_file
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.network.zoo import specification
from googlenet.prediction.model import Model
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import Class

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

CLASSES = (Class("n02012849", "crane"), Class("n03126707", "crane"), Class("löwe", "Löwe"))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    network = Network(specification("googlenet-tiny", classes=3))
    initialise(network, seed=4)
    return Checkpoint(network.specification, CLASSES, network.state_dict(), {"source": "a test"})


def test_a_reader_of_the_metadata_alone_gives_our_answers(checkpoint, tmp_path):
    written = onnx_file.export_onnx(checkpoint, tmp_path / "tiny.onnx")
    assert written.bytes == (tmp_path / "tiny.onnx").stat().st_size
    assert written.checked_with == f"onnxruntime {runtime.__version__}"
    assert written.logit_difference <= 1e-5
    assert written.probability_difference <= 1e-5

    session = runtime.InferenceSession(tmp_path / "tiny.onnx", providers=["CPUExecutionProvider"])
    entries = session.get_modelmeta().custom_metadata_map
    pixels, classes = json.loads(entries["pixels"]), json.loads(entries["classes"])
    assert Specification.from_json(entries["specification"]) == checkpoint.specification
    assert json.loads(entries["provenance"]) == {"source": "a test"}
    (given,) = session.get_inputs()
    assert given.shape == ["N", *checkpoint.specification.input]

    photos = np.random.default_rng(0).integers(0, 256, (5, 90, 90, 3), np.uint8)
    side = given.shape[2]
    assert pixels["resize"]["filter"] in ("bilinear", "bicubic")
    rows = []
    for photo in photos:  # prepared by hand, as the entry says
        size = pixels["resize"]["size"]
        kind = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[pixels["resize"]["filter"]]
        assert pixels["resize"]["antialias"]
        resized = np.asarray(Image.fromarray(photo).resize((size, size), kind), np.float32)
        start = (size - side) // 2
        crop = resized[start : start + side, start : start + side] * (pixels["white"] / 255)
        crop = crop if pixels["order"] == "RGB" else crop[:, :, ::-1]
        rows.append(((crop - pixels["mean"]) / pixels["scale"]).transpose(2, 0, 1))
    (probabilities,) = session.run(["probabilities"], {"input": np.stack(rows).astype(np.float32)})
    for answer, row in zip(Model(checkpoint).predict(list(photos), top=1), probabilities, strict=True):
        best = int(row.argmax())
        assert classes[best] == [answer.best.id, answer.best.name]
        assert row[best] == pytest.approx(answer.best.probability, abs=1e-5)


def test_opencv_reads_the_file(checkpoint, tmp_path):
    onnx_file.export_onnx(checkpoint, tmp_path / "tiny.onnx")
    engine = cv2.dnn.readNetFromONNX(str(tmp_path / "tiny.onnx"))
    x = np.random.default_rng(1).normal(0, 50, (1, *checkpoint.specification.input)).astype(np.float32)
    engine.setInput(x)
    with torch.inference_mode():
        expected = Model(checkpoint).network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(engine.forward("logits"), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_an_engine_that_computes_otherwise_stops_it(checkpoint, tmp_path, monkeypatch):
    session = runtime.InferenceSession

    class Wrong(session):  # type: ignore[misc, valid-type]
        def run(self, *arguments):
            logits, probabilities = super().run(*arguments)
            logits[0, 0] += 1e-3 * np.abs(logits).max()
            return logits, probabilities

    monkeypatch.setattr(runtime, "InferenceSession", Wrong)
    with pytest.raises(InputError, match=r"computes other answers from the graph \(a logit differs by 1\.0e-03"):
        onnx_file.export_onnx(checkpoint, tmp_path / "tiny.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused(checkpoint, tmp_path):
    weights = dict(checkpoint.weights)
    weights["classifier.bias"] = torch.full((3,), float("nan"))
    broken = Checkpoint(checkpoint.specification, CLASSES, weights)
    with pytest.raises(InputError, match="answers are not finite"):
        onnx_file.export_onnx(broken, tmp_path / "tiny.onnx")


@pytest.mark.parametrize(
    ("missing", "status", "said"),
    [
        ("onnx", 2, "writing ONNX needs the package onnx; install it with pip install onnx onnxruntime"),
        ("onnxruntime", 0, "not compared with another engine, since onnxruntime is missing"),
    ],
)
def test_what_is_not_installed_is_said(checkpoint, tmp_path, monkeypatch, capsys, missing, status, said):
    save(tmp_path / "tiny.safetensors", checkpoint)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "googlenet.inference.onnx_graph", raising=False)
    command = ["export", str(tmp_path / "tiny.safetensors"), "--onnx", str(tmp_path / "tiny.onnx")]
    assert main(command) == status
    assert said in capsys.readouterr().err
    assert (tmp_path / "tiny.onnx").exists() == (status == 0)
