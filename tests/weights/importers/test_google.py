"""Google's published network: its published answer, the layer statistics of other evaluations, both file formats."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from writers import constant, field, google_arrays, google_name, graph, operation, packed, unpacked

from googlenet.errors import InputError
from googlenet.network import zoo
from googlenet.network.graph import expand
from googlenet.network.module import Network
from googlenet.network.specification import Resize, Specification
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import google
from googlenet.weights.importers.assembly import Report
from googlenet.weights.importers.google import read_graph, read_npz
from googlenet.weights.importers.source import Source

STATISTICS = {  # mean and standard deviation of layer outputs on the photograph, by another evaluation in float32
    "conv1": (64.037, 180.213),
    "pool1": (199.052, 327.536),
    "norm1": (22.525, 17.359),
    "conv2/3x3_reduce": (19.959, 26.509),
    "conv2": (9.818, 22.827),
    "norm2": (5.675, 12.403),
    "pool2": (18.477, 18.864),
    "inception_3a": (36.331, 51.617),
    "inception_3b": (15.822, 41.796),
    "inception_4a": (31.524, 72.900),
    "inception_4b": (33.374, 65.834),
    "inception_4c": (23.031, 52.328),
    "inception_4d": (12.298, 36.314),
    "inception_4e": (6.454, 23.064),
    "inception_5a": (7.620, 21.121),
    "inception_5b": (1.456, 4.787),
    "pool5": (1.456, 2.773),
    "classifier": (0.0252, 3.458),
}

Reader = Callable[[Source], tuple[Checkpoint, Report]]


@pytest.fixture
def narrow(small: Specification) -> Specification:
    return zoo.specification("googlenet-google")


def read(folder: Path, content: bytes, reader: Reader = read_graph) -> tuple[Checkpoint, Report]:
    path = folder / "network"
    path.write_bytes(content)
    return reader(Source.open(path))


def refusal(folder: Path, content: bytes, reader: Reader = read_graph) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content, reader)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'network'}: ")
    assert "\n" not in message
    return message


def npz(arrays: dict[str, np.ndarray], save: Callable[..., None] = np.savez) -> bytes:
    """The original arrays, [out, height, width, in], as Google's older files have them."""
    file = io.BytesIO()
    save(file, **{name: original(name, array) for name, array in arrays.items()})
    return file.getvalue()


def original(name: str, array: np.ndarray) -> np.ndarray:
    if name.startswith("softmax") and name.endswith("_w"):
        array = array[None, None]
    return array.transpose(3, 0, 1, 2) if array.ndim == 4 else array.transpose(1, 0) if array.ndim == 2 else array


def centre_square(path: Path) -> torch.Tensor:
    """The published notebook's way, written without the package: the centre square to 224 by Pillow, minus 117."""
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(square, np.float32).transpose(2, 0, 1)[None] - 117)


def test_published_network_gives_its_published_answer(shared: Path, tmp_path: Path) -> None:
    arrays, path = shared / "weights/google_inception_v1.npz", tmp_path / "tensorflow_inception_graph.pb"
    subprocess.run([sys.executable, shared / "tools/make_graphdef.py", arrays, path], check=True)
    checkpoint, report = read_graph(Source.open(path))
    again, _ = read_npz(Source.open(arrays))
    assert checkpoint.weights.keys() == again.weights.keys()
    assert all(torch.equal(checkpoint.weights[key], again.weights[key]) for key in checkpoint.weights)
    assert len(report.used) == 116
    assert (report.left, report.warnings) == ((), ())
    assert checkpoint.classes == google()
    pixels = checkpoint.specification.pixels
    assert (pixels.order, pixels.white, pixels.mean) == ("RGB", 255.0, (117.0, 117.0, 117.0))
    assert pixels.resize == Resize("centre-square", 224, "bilinear", antialias=True)

    network = Network(checkpoint.specification).eval()
    network.load_state_dict(checkpoint.weights)
    outputs = network.features(centre_square(shared / "weights/google_inception_dog.jpg"), at=STATISTICS)
    for row, (mean, deviation) in STATISTICS.items():
        assert outputs[row].mean().item() == pytest.approx(mean, abs=6e-4), row
        assert outputs[row].std(correction=0).item() == pytest.approx(deviation, rel=1e-3), row
    probabilities = torch.softmax(outputs["classifier"].flatten(), 0)
    assert probabilities[41].item() == pytest.approx(0.999905, abs=1e-5)
    assert set(probabilities.topk(5).indices.tolist()) == {41, 17, 2, 588, 134}
    assert checkpoint.classes[41].name.startswith("dalmatian")


def assert_filled(checkpoint: Checkpoint, arrays: dict[str, np.ndarray]) -> None:
    """Convolutions are as in the file but for the order of axes; the heads' first layers are looked at below."""
    for node in expand(checkpoint.specification):
        if node.weight:
            weight, bias = (arrays[f"{google_name(node.name)}_{part}"] for part in "wb")
            ours = checkpoint.weights[f"{node.key}.weight"].numpy()
            if weight.ndim == 4:
                assert np.array_equal(ours.transpose(2, 3, 1, 0), weight), node.name
            elif not node.name.endswith("/fc"):
                assert np.array_equal(ours.T, weight), node.name
            assert np.array_equal(checkpoint.weights[f"{node.key}.bias"].numpy(), bias), node.name


@pytest.mark.parametrize("form", ["graph", "npz", "compressed npz"])
def test_heads_are_read_where_they_are(tmp_path: Path, narrow: Specification, form: str) -> None:
    arrays = google_arrays(narrow, heads=True)
    if form == "graph":
        checkpoint, report = read(tmp_path, graph(arrays))
    else:
        save = np.savez if form == "npz" else np.savez_compressed
        checkpoint, report = read(tmp_path, npz(arrays, save), read_npz)
    assert_filled(checkpoint, arrays)
    assert len(report.used) == 128
    assert checkpoint.specification.auxiliary == narrow.auxiliary

    # A map flattened as TensorFlow does, [height, width, channels], through the file's matrix as it stands.
    maps = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = maps.permute(0, 2, 3, 1).flatten(1).numpy() @ arrays["nn1_w"] + arrays["nn1_b"]
    weight, bias = (checkpoint.weights[f"auxiliary_4d.fc.{part}"] for part in ("weight", "bias"))
    found = torch.nn.functional.linear(maps.flatten(1), weight, bias).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize("form", ["packed", "unpacked", "the last for all"])
def test_every_form_of_numbers(tmp_path: Path, narrow: Specification, form: str) -> None:
    arrays = google_arrays(narrow)
    if form == "the last for all":
        arrays["conv2d0_w"][...] = 0.25
        numbers = {name: packed(5, array) for name, array in arrays.items()} | {
            "conv2d0_w": packed(5, np.array([0.25]))
        }
    else:
        numbers = {name: {"packed": packed, "unpacked": unpacked}[form](5, array) for name, array in arrays.items()}
    content = b"".join(constant(name, array, numbers[name]) for name, array in arrays.items())
    other = constant("mixed3a/concat_dim", np.zeros(()), field(7, 1), kind=3) + constant(
        "flag", np.zeros(3), field(4, b"\1\0\1"), kind=10
    )
    checkpoint, report = read(tmp_path, operation("input", "Placeholder") + other + content)
    assert_filled(checkpoint, arrays)
    assert report.left == ()


def test_values_that_are_not_finite_are_named(tmp_path: Path, narrow: Specification) -> None:
    arrays = google_arrays(narrow)
    arrays["mixed4c_5x5_w"][0, 0, 0, 0] = np.nan
    _, report = read(tmp_path, graph(arrays))
    assert [warning.split()[0] for warning in report.warnings] == ["mixed4c_5x5_w"]


def test_another_network_is_named(tmp_path: Path, narrow: Specification) -> None:
    other = {"MobilenetV1/Conv2d_0/weights": np.zeros((3, 3, 3, 32))}
    assert "not the weights of googlenet-google" in refusal(tmp_path, graph(other))
    assert "it holds MobilenetV1/Conv2d_0/weights ...)" in refusal(tmp_path, graph(other))
    arrays = google_arrays(narrow)
    arrays["mixed4a_3x3_w"] = arrays["mixed4a_3x3_w"][..., :20]
    assert "mixed4a_3x3_w is 20x16x3x3, not 24x16x3x3" in refusal(tmp_path, graph(arrays))


def test_damaged_graphs_are_named(tmp_path: Path, narrow: Specification) -> None:
    arrays = google_arrays(narrow)
    content, weight = graph(arrays), arrays["conv2d0_w"]
    assert "node conv2d0_w is there twice" in refusal(tmp_path, content + constant("conv2d0_w", weight))
    del arrays["conv2d0_w"]
    for numbers, found in (
        (packed(5, np.append(weight, 0)), "1,177"),
        (b"", "0"),
        (field(4, bytes(4)) * 2000, "2,000"),
    ):
        message = refusal(tmp_path, graph(arrays) + constant("conv2d0_w", weight, numbers))
        assert f"a tensor of 1,176 numbers has {found}" in message
    ragged = constant("conv2d0_w", weight, field(4, bytes(4703)))
    assert "4703 bytes are no whole number of 4-byte floats" in refusal(tmp_path, graph(arrays) + ragged)
    for length in (10, 1000, len(content) // 2, len(content) - 1):
        assert refusal(tmp_path, content[:length])


def repacked(content: bytes, changes: dict[str, bytes], extra: bytes | None = None) -> bytes:
    """An `.npz` with other members in place of some, and one more under a name that is there already."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
        if extra is not None:
            with pytest.warns(UserWarning, match="Duplicate"):
                new.writestr(old.namelist()[0], extra)
    return file.getvalue()


def npy_header(text: str, version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def test_damaged_npz_are_named(tmp_path: Path, narrow: Specification) -> None:
    content = npz(google_arrays(narrow))
    name = "conv2d0_w.npy"

    def changed(member: bytes) -> str:
        return refusal(tmp_path, repacked(content, {name: member}), read_npz)

    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 7, 7, 3), }\n"
    assert "conv2d0_w.npy is not 4,7" in changed(npy_header(head) + bytes(4703))
    assert "conv2d0_w.npy is not 4,7" in changed(npy_header(head) + bytes(4705))
    assert "is 1152921504606846976x3x7x7, not 8x3x7x7" in changed(npy_header(head.replace("(8", f"({2**60}")))
    assert "is of type |O, not <f4" in changed(npy_header(head.replace("<f4", "|O")) + bytes(4704))
    for header in ("", "{" * 9000, "x" * 20000, "__import__('os').abort()", head.replace("8", "9" * 5000), head + "\n"):
        version = b"\3\0" if header.endswith("\n\n") else b"\1\0"
        assert "does not begin as a plain array of numpy's" in changed(npy_header(header, version))
    assert "does not begin as a plain array of numpy's" in changed(b"no array at all")
    assert "is there twice" in refusal(tmp_path, repacked(content, {}, b"again"), read_npz)
    bad = bytearray(content)
    bad[content.index(b"NUMPY") + 1000] ^= 1
    assert "Bad CRC-32" in refusal(tmp_path, bytes(bad), read_npz)
    for length in (10, 1000, len(content) // 2, len(content) - 1):
        assert "damaged: the archive cannot be read" in refusal(tmp_path, content[:length], read_npz)


def test_archives_that_unpack_without_end_are_not_unpacked(tmp_path: Path, narrow: Specification) -> None:
    content = npz(google_arrays(narrow), np.savez_compressed)
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 7, 7, 3), }\n"
    bomb = repacked(content, {"conv2d0_w.npy": npy_header(head) + bytes(300_000_000)})
    assert len(bomb) < 5_000_000
    assert "is not 4," in refusal(tmp_path, bomb, read_npz)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")
    assert "over 10,000 files in the archive" in refusal(tmp_path, many.getvalue(), read_npz)
