"""Files made to harm: for each reader of weights those that declare, repeat or hide what would take all time or memory.

Built for whatever networks the zoo holds at the time, so that tests use narrow ones and the benchmark real ones.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from writers import (
    blob,
    caffe_arrays,
    caffemodel,
    constant,
    field,
    google_arrays,
    graph,
    layer,
    packed,
    torchvision_arrays,
    unpacked,
    varint,
)

from googlenet.network import zoo
from googlenet.network.specification import AveragePool, Classifier, Convolution, Specification
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import ilsvrc

Attacks = dict[str, Callable[[], bytes]]

HARMLESS = ("values that are not finite", "two tensors in one storage")
"""What is read all the same: the first with a warning that names the layer."""


def attacks() -> dict[str, Attacks]:
    """Return, for each reader, hostile files by what is wrong with them."""
    return {
        "caffemodel": _caffe(),
        "GraphDef": _graph(),
        "npz": _npz(),
        ".pth, ZIP": _pth(zipped=True),
        ".pth, before 1.6": _pth(zipped=False),
        "safetensors": _safetensors(),
        "checkpoint": _checkpoint(),
    }


def _caffe() -> Attacks:
    def whole(change: Callable[[dict[str, np.ndarray]], None] = lambda arrays: None) -> bytes:
        arrays = caffe_arrays(zoo.specification("googlenet"))
        change(arrays)
        return caffemodel(arrays)

    def conv1(*blobs: bytes) -> bytes:
        return layer("conv1/7x7_s2", "Convolution", blobs)

    def nested() -> bytes:
        message = b""
        for _ in range(2000):
            message = field(100, field(7, message))
        return message

    return {
        "half of the file": lambda: _half(whole()),
        "a layer of 2^60 bytes": lambda: b"\xa2\x06" + varint(2**60) + bytes(100),
        "a blob of 2^60 numbers": lambda: conv1(field(7, field(1, varint(2**60) * 4)) + packed(5, np.zeros(9))),
        "a blob of a million dimensions": lambda: conv1(field(7, field(1, varint(2**60) * 1_000_000))),
        "20 million fields of two bytes": lambda: b"\x12\x00" * 20_000_000,
        "20 million fields in a blob": lambda: conv1(b"\x08\x01" * 20_000_000),
        "10 million numbers one by one": lambda: conv1(unpacked(5, np.zeros(10_000_000))),
        "10 million numbers of two fields": lambda: conv1(b"\x2d\0\0\0\0\x35\0\0\0\0" * 5_000_000),
        "30,000 layers": lambda: b"".join(layer(f"{n}", "ReLU", [blob(np.zeros(1))]) for n in range(30_000)),
        "10 million groups in one another": lambda: field(1, b"net") + b"\x0b" * 10_000_000,
        "2,000 messages in one another": nested,
        "every layer twice": lambda: whole() * 2,
        "another network": lambda: caffemodel({"conv1.weight": np.zeros((96, 3, 11, 11)), "conv1.bias": np.zeros(96)}),
        "values that are not finite": lambda: whole(lambda arrays: arrays["inception_4c/5x5.weight"].fill(np.nan)),
    }


def _graph() -> Attacks:
    def whole(name: str = "", value: float = 0.0) -> bytes:
        arrays = google_arrays(zoo.specification("googlenet-google"))
        if name:
            arrays[name].fill(value)
        return graph(arrays)

    def huge(numbers: bytes) -> bytes:
        shape = b"".join(field(2, field(1, 2**15)) for _ in range(4))
        value = field(8, field(1, 1) + field(2, shape) + numbers)
        attribute = field(5, field(1, b"value") + field(2, value))
        arrays = google_arrays(zoo.specification("googlenet-google"))
        del arrays["conv2d0_w"]
        return field(1, field(1, b"conv2d0_w") + field(2, b"Const") + attribute) + graph(arrays)

    return {
        "half of the file": lambda: _half(whole()),
        "a node of 2^60 bytes": lambda: b"\x0a" + varint(2**60) + b"\x0a\x00",
        "a tensor of 2^60 numbers": lambda: huge(packed(4, np.zeros(9))),
        "a tensor of 2^60 times one number": lambda: huge(packed(5, np.zeros(1))),
        "20 million fields of two bytes": lambda: b"\x0a\x00\x0a\x00" * 10_000_000,
        "30,000 nodes": lambda: b"".join(constant(f"{number}", np.zeros(1)) for number in range(30_000)),
        "every node twice": lambda: whole() * 2,
        "another network": lambda: graph({"MobilenetV1/Conv2d_0/weights": np.zeros((3, 3, 3, 32))}),
        "values that are not finite": lambda: whole("mixed4c_5x5_w", np.inf),
    }


def _npz() -> Attacks:
    def whole(changes: dict[str, Any], save: Callable[..., None] = np.savez) -> bytes:
        arrays = google_arrays(zoo.specification("googlenet-google"))
        turned = {name: array.transpose(3, 0, 1, 2) if array.ndim == 4 else array.T for name, array in arrays.items()}
        return _bytes(lambda file: save(file, **(turned | changes)))

    def with_member(name: str, member: bytes, others: bytes = b"") -> bytes:
        with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, member)
            if others:
                with zipfile.ZipFile(io.BytesIO(others)) as old:
                    for other in old.namelist():
                        if other != name:
                            archive.writestr(other, old.read(other))
        return file.getvalue()

    def empty_members() -> bytes:
        with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
            for number in range(100_000):
                archive.writestr(f"{number}.npy", b"")
        return file.getvalue()

    def at_one_place() -> bytes:
        """A thousand members that are the same bytes of the file."""
        once = with_member("a.npy", bytes(10_000_000))
        start, end = once.index(b"PK\1\2"), once.index(b"PK\5\6")
        entries = [bytearray(once[start:end]) for _ in range(1000)]
        for number, entry in enumerate(entries):
            entry[46:47] = f"{number:04}".encode()
            struct.pack_into("<H", entry, 28, len("0000.npy"))
        directory = b"".join(entries)
        tail = bytearray(once[end:])
        struct.pack_into("<HHII", tail, 8, 1000, 1000, len(directory), start)
        return once[:start] + directory + tail

    return {
        "half of the file": lambda: _half(whole({})),
        "a gigabyte of zeros in one": lambda: whole({"conv2d0_w": np.zeros(2**28, np.float32)}, np.savez_compressed),
        "a gigabyte behind the array": lambda: with_member(
            "conv2d0_b.npy", _npy((_first_channels(),)) + bytes(2**30), whole({})
        ),
        "an array of 2^60 numbers": lambda: with_member("conv2d0_w.npy", _npy((2**60,)), whole({})),
        "a header of 4 gigabytes": lambda: with_member("a.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff" + b"{" * 10_000_000),
        "100,000 members": empty_members,
        "1,000 members at one place": at_one_place,
        "an array of objects": lambda: whole({"conv2d0_b": np.array([{}] * 64)}),
        "another network": lambda: _bytes(lambda file: np.savez(file, conv1_1_W=np.zeros((3, 3)))),
        "values that are not finite": lambda: whole({"conv2d0_b": np.full(_first_channels(), np.nan, np.float32)}),
    }


def _pth(zipped: bool) -> Attacks:
    def saved(value: Any) -> bytes:
        return _bytes(lambda file: torch.save(value, file, _use_new_zipfile_serialization=zipped))

    def whole(name: str = "", value: float = 0.0) -> bytes:
        tensors = _tensors()
        if name:
            tensors[name].fill_(value)
        return saved(tensors)

    def raw(pickled: bytes) -> bytes:
        """The file with its pickle in place of the state dict's."""
        if zipped:
            with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
                archive.writestr("archive/data.pkl", pickled)
            return file.getvalue()
        empty = saved([])
        return empty[: empty.index(b"\x80\2]", 20)] + pickled

    def declared() -> bytes:
        content, huge = saved({"a": torch.arange(77.0)}), b"\x8a\x08" + (2**60).to_bytes(8, "little")
        if not zipped:
            return content.replace(b"K\x4d", huge, 1)
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file := io.BytesIO(), "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name).replace(b"K\x4d", huge, 1))
        return file.getvalue()

    def shared_storage() -> bytes:
        tensors = _tensors()
        both = torch.stack([tensors["conv1.bn.weight"], tensors["conv1.bn.bias"]])
        tensors["conv1.bn.weight"], tensors["conv1.bn.bias"] = both[0], both[1]
        return saved(tensors)

    found: Attacks = {
        "half of the file": lambda: _half(whole()),
        "a storage of 2^60 numbers": declared,
        "a call of os.system": lambda: raw(b"\x80\2cposix\nsystem\nX\4\0\0\0true\x85R."),
        "a bytearray of 100 gigabytes": lambda: raw(b"\x80\2c__builtin__\nbytearray\n\x8a\x06\0\0\0\0\x19\0\x85R."),
        "10 million steps": lambda: raw(b"\x80\2" + b"N" * 10_000_000 + b"."),
        "10 million lists in one another": lambda: raw(b"\x80\2" + b"]" * 10_000_000 + b"."),
        "a key that takes forever": lambda: raw(b"\x80\2}K\1\x85q\0" + b"h\0\x86q\0" * 60 + b"K\1s."),
        "another network": lambda: saved({"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.weight": torch.zeros(64)}),
        "two tensors in one storage": shared_storage,
        "values that are not finite": lambda: whole("inception4c.branch3.1.bn.bias", torch.inf),
    }
    if zipped:

        def compressed() -> bytes:
            with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("archive/data.pkl", bytes(2**30))
            return file.getvalue()

        found["a gigabyte of zeros in one"] = compressed
    return found


def _safetensors() -> Attacks:
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}

    def filled() -> bytes:
        tensors = _tensors()
        tensors["conv1.bn.running_var"].fill_(torch.nan)
        return safetensors_bytes(tensors)

    return {
        "half of the file": lambda: _half(safetensors_bytes(_tensors())),
        "a header of 2^60 bytes": lambda: (2**60).to_bytes(8, "little") + b"{}",
        "900,000 tensors": lambda: _header({str(number): empty for number in range(900_000)}),
        "60,000 tensors": lambda: _header({str(number): empty for number in range(60_000)}),
        "a tensor of 2^60 numbers": lambda: _header({"a": tensor | {"shape": [2**60]}}, bytes(8)),
        "tensors at one place": lambda: _header({"a": tensor, "b": tensor}, bytes(8)),
        "a tensor twice": lambda: _raw_header(b'{"a": %s, "a": %s}' % ((json.dumps(tensor).encode(),) * 2), bytes(8)),
        "4 million lists in one another": lambda: _raw_header(b'{"a":' + b"[" * 4_000_000),
        "another network": lambda: safetensors_bytes({"conv1.weight": torch.zeros(64, 3, 7, 7)}),
        "values that are not finite": filled,
    }


def _checkpoint() -> Attacks:
    specification = replace(zoo.specification("googlenet"), auxiliary=())
    weights = {key: torch.zeros(shape) for key, shape in expected_tensors(specification).items()}
    rows = [{"kind": "dropout", "name": f"d{number}", "rate": 0.5} for number in range(20_000)]
    heads = [{"name": f"h{number}", "after": f"d{19_999 - number}"} for number in range(20_000)]
    wide = [{"kind": "convolution", "name": f"c{number}", "channels": 65536, "kernel": 65535} for number in range(9)]
    small = {"version": 1, "name": "a", "classifier": {"classes": 2}}

    def whole(weights: dict[str, torch.Tensor] = weights) -> bytes:
        with TemporaryDirectory() as folder:
            checkpoint.save(Path(folder, "a"), Checkpoint(specification, ilsvrc(), weights))
            return Path(folder, "a").read_bytes()

    def described(**metadata: str) -> bytes:
        texts = {"format": checkpoint.FORMAT, "classes": "[]", "provenance": "{}"} | metadata
        return _header({"__metadata__": texts})

    def alike() -> bytes:
        """50,000 classes on one channel, of which the last two have the same id."""
        rows = (Convolution("conv1", 1, 1), AveragePool("pool5", 8))
        network = Specification("a", rows, Classifier(50_000), input=(3, 8, 8))
        names = json.dumps([[str(min(number, 49_998)), ""] for number in range(50_000)])
        texts = {"format": checkpoint.FORMAT, "classes": names, "specification": network.to_json()}
        tensors = {key: torch.zeros(shape) for key, shape in expected_tensors(network).items()}
        return safetensors_bytes(tensors, texts)

    safetensors = _safetensors()
    return {
        "half of the file": lambda: _half(whole()),
        "a header of 2^60 bytes": safetensors["a header of 2^60 bytes"],
        "900,000 tensors": safetensors["900,000 tensors"],
        "tensors at one place": safetensors["tensors at one place"],
        "a tensor twice": safetensors["a tensor twice"],
        "another network": lambda: safetensors_bytes({"conv1.weight": torch.zeros(64, 3, 7, 7)}),
        "another network's tensors": lambda: described(specification=specification.to_json()),
        "a million lists as a specification": lambda: described(specification="[" * 1_000_000),
        "900 lists as a version": lambda: described(specification=json.dumps(small | {"version": _nested(900)})),
        "900 lists as a name": lambda: described(specification=json.dumps(small | {"name": _nested(900)})),
        "a name of a million letters": lambda: described(specification=json.dumps(small | {"name": "a" * 1_000_000})),
        "20,000 rows": lambda: described(specification=json.dumps(small | {"rows": rows})),
        "20,000 rows and heads": lambda: described(
            specification=json.dumps(small | {"rows": rows, "auxiliary": heads})
        ),
        "layers of 65,536 channels": lambda: described(specification=json.dumps(small | {"rows": wide})),
        "50,000 classes, the last two alike": alike,
        "values that are not finite": lambda: whole(
            weights | {"inception_4c.5x5.bias": weights["inception_4c.5x5.bias"] / 0}
        ),
    }


def _tensors() -> dict[str, torch.Tensor]:
    arrays = torchvision_arrays(zoo.specification("googlenet-torchvision"))
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _first_channels() -> int:
    return expected_tensors(zoo.specification("googlenet-google"))["conv1.7x7.bias"][0]


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _bytes(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _npy(shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _header(header: dict[str, Any], data: bytes = b"") -> bytes:
    return _raw_header(json.dumps(header).encode(), data)


def _raw_header(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data
