"""torchvision's GoogLeNet: its own outputs to 1e-5, every form of file that torch writes, hostile archives."""

import argparse
import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from writers import torchvision_array, torchvision_arrays, torchvision_image

from googlenet.errors import InputError
from googlenet.network import zoo
from googlenet.network.module import Network
from googlenet.network.specification import Pixels, Resize, Specification
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class, ilsvrc
from googlenet.weights.importers import import_weights
from googlenet.weights.importers.assembly import Report
from googlenet.weights.importers.source import Source
from googlenet.weights.importers.torchvision import read_pth, read_safetensors

FIXTURE = Path(__file__).parents[2] / "fixtures/torchvision_outputs.json"


@pytest.fixture
def narrow(small: Specification) -> Specification:
    return zoo.specification("googlenet-torchvision")


def state_dict(specification: Specification) -> "OrderedDict[str, torch.Tensor]":
    arrays = torchvision_arrays(specification)
    return OrderedDict((name, torch.from_numpy(array.copy())) for name, array in arrays.items())


def saved(value: Any, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def read(folder: Path, content: bytes, classes: tuple[Class, ...] | None = None) -> tuple[Checkpoint, Report]:
    path = folder / "weights"
    path.write_bytes(content)
    reader = read_pth if content[:2] in (b"PK", b"\x80\2") else read_safetensors
    return reader(Source.open(path), classes)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'weights'}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", ["zip", "before 1.6", "safetensors"])
def test_outputs_equal_torchvisions(tmp_path: Path, form: str) -> None:
    expected = json.loads(FIXTURE.read_text())
    tensors = {name: torch.from_numpy(torchvision_array(name, shape)) for name, shape in expected["shapes"].items()}
    content = save(tensors) if form == "safetensors" else saved(OrderedDict(tensors), zipped=form == "zip")
    imported, report = read(tmp_path, content)
    assert set(report.used) == set(expected["shapes"])
    assert len(report.used) == 364
    assert (report.left, report.warnings) == ((), ())
    assert imported.classes == ilsvrc()
    assert imported.specification.pixels == Pixels(
        "RGB", 1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), Resize("short-side", 256, "bilinear", antialias=True)
    )
    if form != "safetensors":
        return  # the same entries, compared below
    network = Network(imported.specification)
    network.load_state_dict(dict(imported.weights))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
            module.eval()
    with torch.no_grad():
        outputs = network(torch.from_numpy(torchvision_image()))
    names = {"logits": "logits", "auxiliary_4a": "aux_logits1", "auxiliary_4d": "aux_logits2"}
    assert outputs.keys() == names.keys()
    for ours, theirs in names.items():
        answer = np.array(expected[theirs])
        assert len(answer) == 50
        assert np.abs(outputs[ours][0, ::20].numpy() - answer).max() <= 1e-5 * np.abs(answer).max(), ours


FORMS = {
    "zip": saved,
    "before 1.6": lambda tensors: saved(tensors, zipped=False),
    "safetensors": save,
    "half": lambda tensors: saved(
        {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    ),
    "parameters": lambda tensors: saved(
        OrderedDict((name, torch.nn.Parameter(value, value.is_floating_point())) for name, value in tensors.items())
    ),
    "parallel": lambda tensors: saved({f"module.{name}": value for name, value in tensors.items()}),
    "training": lambda tensors: saved(
        {"epoch": 3, "best": 0.5, "state_dict": tensors, "optimizer": {"state": {0: [1]}}}
    ),
    "reference training": lambda tensors: saved({"model": tensors, "epoch": 3}, zipped=False),
    "compiled": lambda tensors: saved({f"_orig_mod.{name}": value for name, value in tensors.items()}),
    "compiled within": lambda tensors: saved(
        {name.replace("branch", "_orig_mod.branch"): value for name, value in tensors.items()}
    ),
    "all wrappers": lambda tensors: save({f"_orig_mod.module.model.{name}": value for name, value in tensors.items()}),
    "deep": lambda tensors: saved({"run": {"net": {f"module.{name}": value for name, value in tensors.items()}}}),
    "without counters": lambda tensors: saved({name: tensors[name] for name in tensors if "num_batches" not in name}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file(tmp_path: Path, narrow: Specification, form: str) -> None:
    tensors = state_dict(narrow)
    imported, report = read(tmp_path, FORMS[form](tensors))
    assert report.left == ()
    assert imported.specification.auxiliary == narrow.auxiliary
    assert len(imported.weights) == 364
    tolerance = 1e-3 if form == "half" else 0.0
    for ours, theirs in {
        "conv1.7x7.weight": "conv1.conv.weight",
        "conv2.3x3.batch_norm.running_var": "conv3.bn.running_var",
        "inception_4c.5x5_reduce.weight": "inception4c.branch3.0.conv.weight",
        "inception_5b.pool_proj.batch_norm.bias": "inception5b.branch4.1.bn.bias",
        "auxiliary_4d.fc.weight": "aux2.fc1.weight",
        "classifier.bias": "fc.bias",
    }.items():
        assert torch.allclose(imported.weights[ours], tensors[theirs].float(), tolerance, tolerance), ours
    counter = imported.weights["conv1.7x7.batch_norm.num_batches_tracked"]
    assert counter.dtype == torch.int64
    assert counter.item() == (0 if form == "without counters" else tensors["conv1.bn.num_batches_tracked"])


def test_heads_may_be_absent_and_classes_others(tmp_path: Path, narrow: Specification) -> None:
    tensors = {name: value for name, value in state_dict(narrow).items() if not name.startswith("aux")}
    tensors["fc.weight"], tensors["fc.bias"] = tensors["fc.weight"][:3], tensors["fc.bias"][:3]
    classes = (Class("a", "a"), Class("b", "b"), Class("c", "c"))
    imported, report = read(tmp_path, saved(tensors), classes)
    assert imported.specification.auxiliary == ()
    assert imported.classes == classes
    assert len(report.used) == 344
    with pytest.raises(InputError, match="the network has 3 outputs, the list of classes names 2"):
        read(tmp_path, saved(tensors), classes[:2])


def test_the_first_of_two_networks_is_taken_and_it_says_so(tmp_path: Path, narrow: Specification) -> None:
    tensors = state_dict(narrow)
    other = {f"module.{name}": value * 0 for name, value in tensors.items()}
    for content in (saved({"model": tensors, "ema": {"state": other}}), saved({**tensors, **other})):
        imported, report = read(tmp_path, content)
        assert torch.equal(imported.weights["conv1.7x7.weight"], tensors["conv1.conv.weight"])
        assert report.warnings[0].split("; ")[1] in (
            "there is another one at ema, state, module.*",
            "there is another one at module.*",
        )


@pytest.mark.parametrize("name", ["googlenet", "googlenet-tiny", "googlenet-bn", "plain"])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.module."])
def test_state_dicts_of_this_package_are_known_by_their_shapes(
    tmp_path: Path, small: Specification, name: str, prefix: str
) -> None:
    specification = zoo.specification(name, classes=3)
    ours = Network(specification).state_dict()
    for number, tensor in enumerate(ours.values()):
        tensor.copy_(torch.full_like(tensor, number))
    imported, report = read(tmp_path, saved({"model": {f"{prefix}{key}": value for key, value in ours.items()}}))
    assert (report.left, report.warnings) == ((), ())
    assert imported.specification == specification
    assert all(torch.equal(imported.weights[key], value) for key, value in ours.items())


def test_a_network_of_no_zoo_is_named(tmp_path: Path, small: Specification) -> None:
    ours = Network(zoo.specification("googlenet-tiny", width=2.0)).state_dict()
    assert "a network of this package, and none of its zoo as it comes" in refusal(tmp_path, saved(ours))


def test_a_renamed_classifier_can_be_said(tmp_path: Path, narrow: Specification) -> None:
    tensors = state_dict(narrow)
    for part in ("weight", "bias"):
        tensors[f"fc.1.{part}"] = tensors.pop(f"fc.{part}")[:4]
    assert "for want of fc.weight" in refusal(tmp_path, saved(tensors))
    imported, _ = import_weights(tmp_path / "weights", classifier="fc.1")
    assert torch.equal(imported.weights["classifier.weight"], tensors["fc.1.weight"])
    assert len(imported.classes) == 4


def test_values_that_are_not_finite_are_named(tmp_path: Path, narrow: Specification) -> None:
    tensors = state_dict(narrow)
    tensors["inception3b.branch2.1.bn.running_var"][2] = torch.inf
    _, report = read(tmp_path, saved(tensors))
    assert [warning.split()[0] for warning in report.warnings] == ["inception3b.branch2.1.bn.running_var"]


def test_another_network_is_named(tmp_path: Path, narrow: Specification) -> None:
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.weight": torch.zeros(64)}
    for content in (saved(resnet), saved(resnet, zipped=False), save(resnet)):
        assert "not the weights of googlenet-torchvision" in refusal(tmp_path, content)
    assert "no arrays at all" in refusal(tmp_path, saved([1, 2, 3]))
    tensors = state_dict(narrow)
    tensors["conv1.conv.weight"] = tensors["conv1.conv.weight"][:, :1]
    assert "conv1.conv.weight is 8x1x7x7, not 8x3x7x7" in refusal(tmp_path, saved(tensors))
    tensors["conv1.conv.weight"] = torch.zeros(8, 3, 7, 7, dtype=torch.int32)
    assert "conv1.conv.weight is of type int32" in refusal(tmp_path, saved(tensors))


def test_a_checkpoint_of_this_package_is_no_foreign_file(tmp_path: Path, narrow: Specification) -> None:
    imported, _ = read(tmp_path, saved(state_dict(narrow)))
    path = tmp_path / "own.safetensors"
    checkpoint.save(path, imported)
    with pytest.raises(InputError, match="a checkpoint of this package already"):
        read_safetensors(Source.open(path))


class Command:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, zipped: bool) -> None:
    content = saved({"conv1.conv.weight": Command(tmp_path / "harm")}, zipped)
    assert "holds posix.mkdir and not tensors alone; save the model's state_dict() alone" in refusal(tmp_path, content)
    assert not (tmp_path / "harm").exists()
    assert "holds argparse.Namespace" in refusal(tmp_path, saved({"args": argparse.Namespace(a=1)}, zipped))
    assert "holds __builtin__.bytearray" in refusal(tmp_path, saved({"a": bytearray(4)}, zipped))


def with_pickle(content: bytes, change: Any) -> bytes:
    """A ZIP of torch's with its pickle changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            new.writestr(name, change(member) if name.endswith("data.pkl") else member)
    return file.getvalue()


def test_declared_sizes_are_checked_before_torch_reads(tmp_path: Path) -> None:
    tensor = {"a": torch.arange(77.0)}
    zipped, stream = saved(tensor), saved(tensor, zipped=False)
    huge = b"\x8a\x08" + (2**60).to_bytes(8, "little")  # LONG1
    small = b"K\x4d"  # BININT1 77

    def times(count: int, member: bytes) -> bytes:
        return member.replace(small, huge, count)

    message = refusal(tmp_path, with_pickle(zipped, lambda member: times(1, member)))
    assert "storage 0 is declared with 4,611,686,018,427,387,904 bytes, not the 308 there" in message
    assert "has 77 numbers, not 1,152,921,504,606,846,976" in refusal(tmp_path, times(1, stream))
    one_more = with_pickle(zipped, lambda member: member.replace(small, b"K\x4e"))
    assert "storage 0 is declared with 312 bytes, not the 308 there" in refusal(tmp_path, one_more)
    reach = with_pickle(zipped, lambda member: member.replace(small, b"K\x4c", 1))
    assert "a tensor reaches over its storage of 76 numbers" in refusal(tmp_path, reach)
    assert "a tensor reaches over its storage of 76 numbers" in refusal(tmp_path, stream.replace(small, b"K\x4c", 1))
    assert stream.count((77).to_bytes(8, "little")) == 1
    counted = stream.replace((77).to_bytes(8, "little"), (2**60).to_bytes(8, "little"))
    assert "storage" in refusal(tmp_path, counted)
    assert "has 1,152,921,504,606,846,976 numbers, not 77" in refusal(tmp_path, counted)


def pickles(value: bytes) -> bytes:
    """A file in torch's older form around one raw pickle."""
    head = saved({}, zipped=False)
    start = head.index(b"\x80\2}", len(head) - 60)
    return head[:start] + value + head[start + len(pickle.dumps({}, 2)) :]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"\x80\2" + b"]" * 300_000 + b".", "over 200,000 steps"),
        (b"\x80\2" + b"(" * 1000 + b".", "not a pickled state dict"),
        (
            b"\x80\2}" + b"(".join([b"K\1K\1\x86"] + [b"2\x86"] * 0) + b"K\1s.",
            "a key that is neither text nor a number",
        ),
        (b"\x80\2X" + b"\xff\xff\xff\x7f" + b"a.", "not a pickled state dict"),
        (b"\x80\2cbuiltins\neval\n.", "holds builtins.eval"),
        (b"\x80\2)Q.", "not a pickled state dict"),
        (b"\x80\2h\5.", "not a pickled state dict"),
        (b"\x80\2K\1(K\2K\3u.", "items of something that is no dictionary"),
        (b"\x80\2K\1(K\2e.", "items of something that is no list"),
        (b"\x80\2ccollections\nOrderedDict\nK\1\x85R.", "a call that no state dict makes"),
        (b"\x80\2ctorch._utils\n_rebuild_tensor_v2\n(K\1K\1K\1K\1K\1K\1tR.", "a tensor without a storage"),
        (b"\x80\4\x8c\1a.", "opcode SHORT_BINUNICODE"),
    ],
)
def test_pickles_that_no_state_dict_is(tmp_path: Path, value: bytes, message: str) -> None:
    assert message in refusal(tmp_path, pickles(value))


def test_damaged_files_are_named(tmp_path: Path, narrow: Specification) -> None:
    tensors = state_dict(narrow)
    for content in (saved(tensors), saved(tensors, zipped=False), save(tensors)):
        for length in (20, 1000, len(content) // 2, len(content) - 1):
            assert refusal(tmp_path, content[:length])
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1000))
    assert "the archive is compressed" in refusal(tmp_path, compressed.getvalue())
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "an archive without a state dict" in refusal(tmp_path, empty.getvalue())
