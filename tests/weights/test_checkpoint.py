import json
import logging
import struct
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from googlenet.errors import InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint, describe, read, read_beside, save
from googlenet.weights.classes import Class, numbered_classes
from googlenet.weights.creation import build


def checkpoint(name="googlenet-tiny", seed=0):
    network = Network(specification(name))
    initialise(network, seed=seed)
    classes = numbered_classes(network.specification.classifier.classes)
    return Checkpoint(
        network.specification, classes, network.state_dict(), {"source": "a test", "metrics": {"top1": 0.5}}
    )


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "tiny.safetensors", checkpoint())
    return tmp_path / "tiny.safetensors"


def test_everything_comes_back(path):
    ours, again = checkpoint(), read(path)
    assert (again.specification, again.classes, again.provenance) == (ours.specification, ours.classes, ours.provenance)
    assert again.weights.keys() == ours.weights.keys()
    assert all(torch.equal(again.weights[name], ours.weights[name]) for name in ours.weights)


def test_all_but_the_weights_is_read_alone(path):
    ours, again = checkpoint(), describe(path)
    assert (again.specification, again.classes, again.provenance) == (ours.specification, ours.classes, ours.provenance)


def test_what_stands_beside_a_network_is_passed_over(path, tmp_path):
    more = {"boxes.weights": torch.arange(6.0).reshape(2, 3)}
    save(tmp_path / "both.safetensors", checkpoint(), beside=more)
    assert read(tmp_path / "both.safetensors").weights.keys() == read(path).weights.keys()
    assert describe(tmp_path / "both.safetensors") == describe(path)
    found = read_beside(tmp_path / "both.safetensors")
    assert found.keys() == more.keys()
    assert torch.equal(found["boxes.weights"], more["boxes.weights"])
    assert read_beside(path) == {}


def test_batch_statistics_are_kept(tmp_path):
    network = Network(specification("googlenet-cifar", width=0.25))
    initialise(network)
    network.train()(torch.randn(4, 3, 32, 32))
    save(tmp_path / "bn", Checkpoint(network.specification, numbered_classes(10), network.state_dict()))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(build(read(tmp_path / "bn")).eval()(x), network.eval()(x))


def test_the_same_classes_keep_every_classifier(path, caplog):
    network = build(read(path), classes=numbered_classes(10))
    assert torch.equal(network.classifier.weight, checkpoint().weights["classifier.weight"])
    assert torch.equal(
        network.get_parameter("auxiliary_4d.classifier.bias"), checkpoint().weights["auxiliary_4d.classifier.bias"]
    )
    assert not caplog.records


@pytest.mark.parametrize("classes", [numbered_classes(5), tuple(reversed(numbered_classes(10)))])
def test_other_classes_get_fresh_classifiers_and_it_says_so(path, caplog, classes):
    with caplog.at_level(logging.WARNING):
        network = build(read(path), classes=classes, seed=1)
    assert network.specification.classifier.classes == len(classes)
    old = checkpoint().weights
    for name, value in network.state_dict().items():
        loaded = value.shape == old[name].shape and torch.equal(value, old[name])
        assert loaded == ("classifier" not in name) or value.abs().max() == 0, name
    assert f"{len(classes)} classes: fresh auxiliary_4a.classifier, auxiliary_4d.classifier, classifier" in caplog.text


def test_heads_can_be_left_out(path):
    assert not [name for name in build(read(path), auxiliary=False).state_dict() if "auxiliary" in name]


def rewrite(path, change):
    """Write the file anew with its header changed."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def rename(header):
    header["conv1.9x9.weight"] = header.pop("conv1.3x3.weight")


def reshape(header):
    header["conv1.3x3.weight"]["shape"] = [3, 32, 3, 3]


def metadata(**changes):
    return lambda header: header["__metadata__"].update(changes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (rename, r"conv1\.3x3\.weight missing for googlenet-tiny"),
        (reshape, r"conv1\.3x3\.weight has shape \[3, 32, 3, 3\], the specification says \[32, 3, 3, 3\]"),
        (metadata(format="other"), "not a checkpoint of this package"),
        (metadata(specification="{"), "specification: not JSON"),
        (metadata(classes="[[1, 2]]"), "the classes cannot be read"),
        (metadata(classes='[["a", "a"]]'), "1 classes are named for 10 outputs"),
        (metadata(classes=json.dumps([["a", "a"]] * 10)), "class id 'a' is there twice"),
        (metadata(provenance="3"), "the provenance cannot be read"),
        (metadata(provenance='{"a":' * 500 + "1" + "}" * 500), "the provenance cannot be read"),
        (lambda header: header["conv1.3x3.weight"].update(data_offsets=[0, 2**60]), "not a whole safetensors file"),
    ],
)
def test_what_differs_is_named(path, change, complaint):
    rewrite(path, change)
    with pytest.raises(InputError, match=complaint) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 7, 8, 100, 5000, -1])
def test_a_torn_file_is_named(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"tiny\.safetensors: not a whole safetensors file"):
        read(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\3\4" + b"0" * 99, "zip"),
        (b"\x0a\x09GoogleNet" + b"0" * 99, "caffemodel"),
        (b"\x0a\x20\x0a" + b"0" * 99, "graph"),
    ],
)
def test_files_of_other_programs_are_to_be_imported(tmp_path, content, kind):
    path = tmp_path / "my net.weights"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: weights in the form of another program ({kind}); "
        f"import it: googlenet import '{path}' -o '{tmp_path}/my net.safetensors'"
    )
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(1)}))
    with pytest.raises(InputError, match=r"import it: googlenet import .*other.safetensors -o .*other-imported.safe"):
        read(path)


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    program = "import sys; from googlenet.weights.checkpoint import *; save(sys.argv[2], read(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, path, tmp_path / "again"], check=True)
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("conv1.3x3.weight"), checkpoint().weights["conv1.3x3.weight"])


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a file"):
        read(tmp_path)


def test_a_weight_that_is_not_finite_is_named(tmp_path, caplog):
    ours = checkpoint()
    ours.weights["inception_3a.1x1.bias"][0] = float("nan")
    save(tmp_path / "nan", ours)
    caplog.clear()
    read(tmp_path / "nan")
    assert "inception_3a.1x1.bias holds values that are not finite" in caplog.text


def test_a_checkpoint_that_contradicts_itself_is_not_written(tmp_path):
    ours = checkpoint()
    with pytest.raises(InputError, match="11 classes are named for 10 outputs"):
        save(tmp_path / "bad", Checkpoint(ours.specification, (*ours.classes, Class("x", "x")), ours.weights))
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[[", "Expecting value"), ('[["a", "a"], ["b"]]', r"class 1 is no pair .* \['b'\]"), ("7", "class 0 is no pair")],
)
def test_classes_that_cannot_be_read_have_a_reason(tmp_path, text, reason):
    save(tmp_path / "x.safetensors", checkpoint())
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        metadata = {**file.metadata(), "classes": text}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    safetensors.torch.save_file(tensors, tmp_path / "y.safetensors", metadata)
    with pytest.raises(InputError, match=f"y.safetensors: .*{reason}"):
        read(tmp_path / "y.safetensors")
