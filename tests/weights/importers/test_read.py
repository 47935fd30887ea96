"""The one way in: every kind of file is known by its content, whatever its name, and nothing else is taken for one."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from writers import caffe_arrays, caffemodel, field, google_arrays, graph, torchvision_arrays

from googlenet.errors import InputError
from googlenet.network import zoo
from googlenet.network.specification import Specification
from googlenet.weights import importers
from googlenet.weights.checkpoint import read, save
from googlenet.weights.classes import google, ilsvrc


def write_caffe(path: Path, old: bool = False) -> None:
    path.write_bytes(caffemodel(caffe_arrays(zoo.specification("googlenet")), old=old))


def write_caffe_without_name(path: Path) -> None:
    content = caffemodel(caffe_arrays(zoo.specification("googlenet")))
    path.write_bytes(content.removeprefix(field(1, b"GoogleNet")))


def write_graph(path: Path) -> None:
    path.write_bytes(graph(google_arrays(zoo.specification("googlenet-google"))))


def write_zipped_graph(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("LICENSE", "text")
        archive.writestr("tensorflow_inception_graph.pb", graph(google_arrays(zoo.specification("googlenet-google"))))


def write_npz(path: Path) -> None:
    arrays = google_arrays(zoo.specification("googlenet-google"))
    arrays = {name: array if array.ndim < 4 else array.transpose(3, 0, 1, 2) for name, array in arrays.items()}
    with path.open("wb") as file:
        np.savez(file, **(arrays | {"softmax2_w": arrays["softmax2_w"].T}))


def tensors() -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(array.copy())
        for name, array in torchvision_arrays(zoo.specification("googlenet-torchvision")).items()
    }


def write_safetensors(path: Path) -> None:
    from safetensors.torch import save

    path.write_bytes(save(tensors()))


KINDS: dict[str, Callable[[Path], None]] = {
    "caffemodel (layer)": write_caffe,
    "caffemodel (layers)": lambda path: write_caffe(path, old=True),
    "caffemodel (layer), no name": write_caffe_without_name,
    "TensorFlow GraphDef": write_graph,
    "TensorFlow GraphDef, zipped": write_zipped_graph,
    "npz": write_npz,
    "torch .pth (ZIP)": lambda path: torch.save(tensors(), path),
    "torch .pth (before 1.6)": lambda path: torch.save(tensors(), path, _use_new_zipfile_serialization=False),
    "safetensors": write_safetensors,
}


def test_the_same_import_gives_the_same_bytes(tmp_path: Path, small: Specification) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        KINDS[next(iter(KINDS))](folder / "weights.bin")
        os.utime(folder / "weights.bin", (1e9, 1e9 if folder.name == "one" else 1.5e9))
        save(folder / "out", importers.import_weights(folder / "weights.bin")[0])
    assert "date" not in read(tmp_path / "one" / "out").provenance
    assert (tmp_path / "one" / "out").read_bytes() == (tmp_path / "two" / "out").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_known_by_content(tmp_path: Path, small: Specification, kind: str) -> None:
    path = tmp_path / "weights.bin"
    KINDS[kind](path)
    checkpoint, report = importers.import_weights(path)
    assert checkpoint.provenance["format"] == kind.partition(",")[0]
    assert checkpoint.provenance["source"] == "weights.bin"
    assert checkpoint.provenance["bytes"] == path.stat().st_size
    assert len(str(checkpoint.provenance["sha256"])) == 64
    assert report.left == ()
    assert checkpoint.classes == (google() if kind.startswith(("TensorFlow", "npz")) else ilsvrc())
    assert checkpoint.specification.name.startswith("googlenet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'name: "GoogleNet"\nlayer {', "not weights in a form that is known here"),
        (b"<!DOCTYPE html><title>404</title>", "not weights in a form that is known here"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "not weights in a form that is known here"),
        (b"a", "not weights in a form that is known here"),
        (b"\x89HDF\r\n\x1a\n", "HDF5, which is not read here; give the .caffemodel"),
        (b"", "empty; fetch the file again"),
        (b"PK\x03\x04", "damaged: the archive cannot be read"),
        ((2**60).to_bytes(8, "little") + b"{}", "a header of 1,152,921,504,606,846,976 bytes"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        importers.import_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_archives_with_other_graphs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graphs.zip"
    for names, size in ((("a.pb", "b.pb"), 10), (("a.pb",), 2**28)):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, bytes(size))
        with pytest.raises(InputError, match="not an archive with one graph of a GoogLeNet"):
            importers.import_weights(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file"):
        importers.import_weights(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        importers.import_weights(tmp_path / "absent")
