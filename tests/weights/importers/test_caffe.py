"""Caffe's files: BVLC's network against Caffe's own outputs, every form that Caffe writes, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from writers import blob, caffe_arrays, caffemodel, field, layer, packed, unpacked, varint

from googlenet.errors import InputError
from googlenet.network.module import Network
from googlenet.network.specification import Resize, Specification
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class, ilsvrc
from googlenet.weights.importers.assembly import Report
from googlenet.weights.importers.caffe import read_caffe
from googlenet.weights.importers.source import Source

ROWS = {
    "conv1/7x7_s2": "conv1",
    "pool1/norm1": "norm1",
    "conv2/norm2": "norm2",
    "pool2/3x3_s2": "pool2",
    "pool5/7x7_s1": "pool5",
    "loss3/classifier": "classifier",
}


def read(folder: Path, content: bytes, classes: tuple[Class, ...] | None = None) -> tuple[Checkpoint, Report]:
    path = folder / "model.caffemodel"
    path.write_bytes(content)
    return read_caffe(Source.open(path), classes)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'model.caffemodel'}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
def test_bvlc_equals_caffe(shared: Path, tmp_path: Path, old: bool) -> None:
    weights, path = shared / "weights/bvlc_googlenet.npz", tmp_path / "bvlc.caffemodel"
    writer = [sys.executable, shared / "tools/make_caffemodel.py", weights, path, *(["--old"] if old else [])]
    subprocess.run(writer, check=True)
    checkpoint, report = read_caffe(Source.open(path))

    arrays = np.load(weights)
    assert set(report.found) == set(report.used) == set(arrays.files)
    assert (report.left, report.warnings) == ((), ())
    assert len(checkpoint.weights) == 116
    for name in arrays.files:
        key = name.replace("_s2", "").replace("loss3/", "").replace("/", ".")
        expected = arrays[name][:, ::-1] if name == "conv1/7x7_s2.weight" else arrays[name]
        assert np.array_equal(checkpoint.weights[key].numpy(), expected), name
    assert checkpoint.classes == ilsvrc()
    assert checkpoint.specification.auxiliary == ()
    assert checkpoint.specification.pixels.order == "RGB"
    assert checkpoint.specification.pixels.resize == Resize("squash", 256, "bilinear", antialias=False)
    assert checkpoint.provenance["bytes"] == path.stat().st_size

    expected = np.load(shared / "weights/bvlc_googlenet_activations_227.npz")
    network = Network(checkpoint.specification).eval()
    network.load_state_dict(checkpoint.weights)
    image = torch.from_numpy(expected["data"][None, ::-1].copy())
    rows = {
        name: ROWS.get(name, name.removesuffix("/output")) for name in expected.files if name not in ("data", "prob")
    }
    assert len(rows) == 15
    outputs = network.features(image, at=rows.values())
    for name, row in rows.items():
        difference = np.abs(outputs[row][0].numpy().reshape(expected[name].shape) - expected[name]).max()
        assert difference <= 2e-5 * np.abs(expected[name]).max(), name
    probabilities = torch.softmax(outputs["classifier"][0].flatten(), 0).numpy()
    assert np.abs(probabilities - expected["prob"]).max() <= 1e-6


def assert_filled(checkpoint: Checkpoint, arrays: dict[str, np.ndarray]) -> None:
    keys = {"loss1": "auxiliary_4a", "loss2": "auxiliary_4d", "loss3/": "", "conv1/7x7_s2": "conv1/7x7"}
    expected = {}
    for name, array in arrays.items():
        for old, new in keys.items():
            name = name.replace(old, new)
        expected[name.replace("/", ".")] = array[:, ::-1] if name == "conv1/7x7.weight" else array
    assert expected.keys() == checkpoint.weights.keys()
    for key, array in expected.items():
        assert np.array_equal(checkpoint.weights[key].numpy(), array), key


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
def test_heads_are_read_where_they_are(tmp_path: Path, small: Specification, old: bool) -> None:
    arrays = caffe_arrays(small, heads=True)
    checkpoint, report = read(tmp_path, caffemodel(arrays, old=old))
    assert_filled(checkpoint, arrays)
    assert checkpoint.specification.auxiliary == small.auxiliary
    assert len(report.used) == 128
    network = Network(checkpoint.specification)
    network.load_state_dict(checkpoint.weights)


def test_one_head_alone_stays(tmp_path: Path, small: Specification) -> None:
    arrays = {name: array for name, array in caffe_arrays(small, heads=True).items() if "loss2" not in name}
    checkpoint, report = read(tmp_path, caffemodel(arrays))
    assert [head.name for head in checkpoint.specification.auxiliary] == ["auxiliary_4a"]
    assert report.warnings == ()


def test_head_that_does_not_fit_is_left_with_a_warning(tmp_path: Path, small: Specification) -> None:
    arrays = caffe_arrays(small, heads=True)
    del arrays["loss1/fc.weight"], arrays["loss1/fc.bias"]
    arrays["loss2/classifier.weight"] = arrays["loss2/classifier.weight"][:7]
    arrays["loss2/classifier.bias"] = arrays["loss2/classifier.bias"][:7]
    checkpoint, report = read(tmp_path, caffemodel(arrays))
    assert checkpoint.specification.auxiliary == ()
    assert report.warnings == (
        "auxiliary_4a is left out: loss1/fc.weight is missing",
        "auxiliary_4d is left out: loss2/classifier.weight is 7x128, not 1000x128",
    )
    assert {name.split("/")[0] for name in report.left} == {"loss1", "loss2"}


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize(
    "form",
    [
        "packed",
        "unpacked",
        "double",
        "unpacked double",
        "pieces",
        "with diff",
        "raw halves",
        "raw floats",
        "raw doubles",
        "raw, no type",
    ],
)
def test_every_form_of_numbers(tmp_path: Path, small: Specification, old: bool, form: str) -> None:
    def numbers(array: np.ndarray) -> bytes:
        flat = array.ravel()
        return {
            "packed": packed(5, flat),
            "unpacked": unpacked(5, flat),
            "double": packed(8, flat, "<f8"),
            "unpacked double": unpacked(8, flat, "<f8"),
            "pieces": packed(5, flat[:3]) + unpacked(5, flat[3:5]) + packed(5, flat[5:]),
            "raw halves": field(10, 2) + field(12, flat.astype("<f2").tobytes()),
            "raw floats": field(12, flat.tobytes()) + field(10, 1),
            "raw doubles": field(10, 0) + field(12, flat.astype("<f8").tobytes()),
            "raw, no type": field(12, flat.astype("<f8").tobytes()),
            "with diff": packed(6, flat * 2) + packed(5, flat) + packed(9, flat * 3, "<f8"),
        }[form]

    arrays = caffe_arrays(small)
    if form == "raw halves":
        arrays = {name: array.astype(np.float16).astype(np.float32) for name, array in arrays.items()}
    content = [field(1, b"net"), layer("pool2/3x3_s2_pool2/3x3_s2_0_split", "Split", [], old=old)]
    for name in dict.fromkeys(name.rsplit(".", 1)[0] for name in arrays):
        parts = [arrays[f"{name}.{part}"] for part in ("weight", "bias")]
        kind = "Convolution" if parts[0].ndim == 4 else "InnerProduct"
        content.append(layer(name, kind, [blob(part, old=old, data=numbers(part)) for part in parts], old=old))
        content.append(layer(f"relu/{name}", "ReLU", [], old=old))
    checkpoint, report = read(tmp_path, b"".join(content))
    assert_filled(checkpoint, arrays)
    assert report.left == ()


def test_old_dimensions_come_before_shape(tmp_path: Path, small: Specification) -> None:
    arrays = caffe_arrays(small)
    bias = arrays["conv1/7x7_s2.bias"]
    wrong = field(7, field(1, b"".join(varint(size) for size in (2, 3))))
    content = caffemodel({name: array for name, array in arrays.items() if not name.startswith("conv1")})
    blobs = [blob(arrays["conv1/7x7_s2.weight"], old=True) + wrong, blob(bias)]
    checkpoint, _ = read(tmp_path, layer("conv1/7x7_s2", "Convolution", blobs) + content)
    assert_filled(checkpoint, arrays)


def fine_tuned(small: Specification, names: dict[str, str], count: int = 5) -> dict[str, np.ndarray]:
    """Weights with `count` classes, and the classifiers renamed."""
    renamed = {}
    for name, array in caffe_arrays(small, heads=True).items():
        stem, _, part = name.rpartition(".")
        renamed[f"{names.get(stem, stem)}.{part}"] = array[:count] if stem.endswith("/classifier") else array
    return renamed


def test_fine_tuned_networks_are_read_with_their_classes(tmp_path: Path, small: Specification) -> None:
    names = {f"loss{number}/classifier": f"loss{number}/classifier_flowers" for number in (1, 2, 3)}
    arrays = fine_tuned(small, names)
    checkpoint, report = read(tmp_path, caffemodel(arrays))
    assert checkpoint.specification.classifier.classes == 5
    assert checkpoint.classes == tuple(Class(str(index), str(index)) for index in range(5))
    assert len(checkpoint.specification.auxiliary) == 2
    assert np.array_equal(checkpoint.weights["classifier.weight"].numpy(), arrays["loss3/classifier_flowers.weight"])
    assert np.array_equal(
        checkpoint.weights["auxiliary_4d.classifier.bias"].numpy(), arrays["loss2/classifier_flowers.bias"]
    )
    assert report.left == ()

    names["loss3/classifier"] = "my-fc8"
    flowers = tuple(Class(name, name) for name in ("daisy", "dandelion", "rose", "sunflower", "tulip"))
    checkpoint, _ = read(tmp_path, caffemodel(fine_tuned(small, names)), flowers)
    assert checkpoint.classes == flowers
    with pytest.raises(InputError, match="the network has 5 outputs, the list of classes names 4"):
        read(tmp_path, caffemodel(fine_tuned(small, names)), flowers[:4])


@pytest.mark.parametrize("name", ["categories_loss{}/classifier", "loss{}_fc", "my/loss{}", "flowers-loss{}-5"])
def test_classifiers_are_found_by_their_loss(tmp_path: Path, small: Specification, name: str) -> None:
    arrays = fine_tuned(small, {f"loss{number}/classifier": name.format(number) for number in (1, 2, 3)})
    checkpoint, report = read(tmp_path, caffemodel(arrays))
    assert report.left == ()
    assert len(checkpoint.specification.auxiliary) == 2
    for ours, number in (("auxiliary_4a.classifier", 1), ("auxiliary_4d.classifier", 2), ("classifier", 3)):
        assert np.array_equal(checkpoint.weights[f"{ours}.weight"].numpy(), arrays[f"{name.format(number)}.weight"])


def test_whole_numbers_are_named(tmp_path: Path, small: Specification) -> None:
    shape = field(7, field(1, b"\x08"))
    for kind, found in ((field(10, 3), "type 3"), (field(10, b"\0" * 8), "bytes")):
        content = layer("conv1/7x7_s2", "Convolution", [shape + kind + field(12, b"\0" * 32)])
        assert f"a blob holds whole numbers ({found})" in refusal(tmp_path, content)


def test_the_classifier_can_be_said(tmp_path: Path, small: Specification) -> None:
    arrays = fine_tuned(small, {"loss3/classifier": "a"})
    arrays |= {"b.weight": arrays["a.weight"] + 1, "b.bias": arrays["a.bias"]}
    (tmp_path / "two").write_bytes(caffemodel(arrays))
    checkpoint, report = read_caffe(Source.open(tmp_path / "two"), classifier="b")
    assert np.array_equal(checkpoint.weights["classifier.weight"].numpy(), arrays["b.weight"])
    assert report.left == ("a.bias", "a.weight")
    with pytest.raises(InputError, match="there is no layer c with weights; of other names there are a, b"):
        read_caffe(Source.open(tmp_path / "two"), classifier="c")


def test_two_classifiers_are_ambiguous(tmp_path: Path, small: Specification) -> None:
    arrays = fine_tuned(small, {"loss3/classifier": "a"})
    arrays |= {"b.weight": arrays["a.weight"], "b.bias": arrays["a.bias"]}
    assert "which layer is the classifier? loss3/classifier is missing, and there are a, b" in refusal(
        tmp_path, caffemodel(arrays)
    )


def test_values_that_are_not_finite_are_named(tmp_path: Path, small: Specification) -> None:
    arrays = caffe_arrays(small)
    arrays["inception_4c/5x5.weight"][0, 0, 0, 0] = np.nan
    arrays["conv1/7x7_s2.bias"][3] = np.inf
    checkpoint, report = read(tmp_path, caffemodel(arrays))
    assert sorted(warning.split()[0] for warning in report.warnings) == ["conv1/7x7_s2.bias", "inception_4c/5x5.weight"]
    assert checkpoint.weights["inception_4c.5x5.weight"][0, 0, 0, 0].isnan()


def test_another_network_is_named(tmp_path: Path, small: Specification) -> None:
    alexnet = {"conv1.weight": np.zeros((96, 3, 11, 11)), "conv1.bias": np.zeros(96)}
    message = refusal(tmp_path, caffemodel(alexnet))
    assert "not the weights of googlenet" in message
    assert "for want of conv1/7x7_s2.weight and 115 more (it holds conv1.weight, conv1.bias ...)" in message

    arrays = caffe_arrays(small)
    arrays["inception_4a/3x3.weight"] = arrays["inception_4a/3x3.weight"][:20]
    assert "inception_4a/3x3.weight is 20x16x3x3, not 24x16x3x3 as in googlenet" in refusal(
        tmp_path, caffemodel(arrays)
    )

    arrays = caffe_arrays(small)
    del arrays["inception_4a/3x3.weight"], arrays["inception_4a/3x3.bias"]
    assert "for want of inception_4a/3x3.weight and 1 more" in refusal(tmp_path, caffemodel(arrays))

    normalised = layer("conv1/7x7_s2/bn", "BatchNorm", [blob(np.zeros(64))])
    assert "layer conv1/7x7_s2/bn normalises batches" in refusal(tmp_path, normalised + caffemodel(caffe_arrays(small)))


def test_damage_is_named(tmp_path: Path, small: Specification) -> None:
    arrays = caffe_arrays(small)
    content = caffemodel(arrays)
    bias = arrays["conv1/7x7_s2.bias"]

    def first_layer(*blobs: bytes) -> bytes:
        return layer("conv1/7x7_s2", "Convolution", blobs)

    assert "layer conv1/7x7_s2 is there twice" in refusal(tmp_path, content + first_layer(blob(bias)))
    assert "no arrays at all" in refusal(tmp_path, field(1, b"GoogleNet"))
    short = refusal(tmp_path, first_layer(blob(bias, data=packed(5, bias[:-1]))))
    assert "damaged: conv1/7x7_s2.weight is 8 but has 7 numbers" in short
    many = field(7, field(1, varint(2**60) * 33))
    assert "an array of 33 dimensions" in refusal(tmp_path, first_layer(many))
    huge = field(7, field(1, varint(2**60) * 4)) + packed(5, bias)
    assert "but has 8 numbers" in refusal(tmp_path, first_layer(huge))
    assert "of the wrong kind" in refusal(tmp_path, first_layer(field(5, 3)))
    assert "of the wrong kind" in refusal(tmp_path, first_layer(unpacked(5, bias, "<f8")))
    for length in (10, 1000, len(content) // 2, len(content) - 1):
        assert refusal(tmp_path, content[:length])
