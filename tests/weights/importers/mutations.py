"""Whole small files for every reader of weights, and the same gone wrong: what fuzzing works on."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from writers import caffe_arrays, caffemodel, google_arrays, graph, torchvision_arrays

from googlenet.network import zoo
from googlenet.network.specification import Specification
from googlenet.weights import checkpoint, importers
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import numbered_classes

NAMES = ("googlenet", "googlenet-google", "googlenet-torchvision")


@contextmanager
def narrow_zoo() -> Iterator[None]:
    """Make the importers expect networks of an eighth of the width, under the same names."""
    full = dict(zoo.NETWORKS)
    try:
        for name in NAMES:
            narrow = zoo.specification(name, width=0.125)
            zoo.NETWORKS[name] = lambda narrow=narrow: narrow  # type: ignore[misc]
        yield
    finally:
        zoo.NETWORKS.update(full)


@dataclass(frozen=True)
class Sample:
    """A whole file, or the part of one that faults go into, the places in it that are not weights, and who reads it."""

    content: bytes = field(repr=False)
    structure: tuple[int, ...] = field(repr=False)
    read: Callable[[Path], Any]
    whole: Callable[[bytes], bytes] = bytes
    """Puts the part into its file, with the checksums and lengths that belong to it."""


def samples() -> dict[str, Sample]:
    """One small file of each kind, each read without a fault; to be called within `narrow_zoo`."""
    caffe, google, torchvision = (zoo.specification(name, classes=10) for name in NAMES)
    writers: dict[str, Callable[[int], bytes]] = {
        "caffemodel, layer": lambda seed: caffemodel(caffe_arrays(caffe, heads=True, seed=seed)),
        "caffemodel, layers": lambda seed: caffemodel(caffe_arrays(caffe, seed=seed), old=True),
        "GraphDef": lambda seed: graph(google_arrays(google, seed=seed)),
        "npz": lambda seed: _npz(google_arrays(google, heads=True, seed=seed), np.savez),
        "npz, compressed": lambda seed: _npz(google_arrays(google, seed=seed), np.savez_compressed),
        ".pth, ZIP": lambda seed: _pth(_tensors(torchvision, seed), zipped=True),
        ".pth, before 1.6": lambda seed: _pth(_tensors(torchvision, seed), zipped=False),
        "safetensors": lambda seed: safetensors_bytes(_tensors(torchvision, seed)),
        "checkpoint": lambda seed: _checkpoint(replace(caffe, auxiliary=()), seed),
    }
    found = {
        kind: Sample(write(0), _structure(write(0), write(1)), importers.import_weights)
        for kind, write in writers.items()
    }
    found["checkpoint"] = replace(found["checkpoint"], read=checkpoint.read)
    for kind, (outer, part, whole) in _parts(found).items():
        found[kind] = Sample(part, tuple(range(min(len(part), 100_000))), found[outer].read, whole)
    return found


def _parts(samples: dict[str, Sample]) -> dict[str, tuple[str, bytes, Callable[[bytes], bytes]]]:
    """Return what lies behind a checksum or a length, where random faults in the file would not get."""
    npz, pth = (_members(samples[kind].content) for kind in ("npz", ".pth, ZIP"))
    array = "conv2d0_w.npy"
    pickle = next(name for name in pth if name.endswith("data.pkl"))
    content = samples["checkpoint"].content
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    texts = header["__metadata__"]

    def described(part: bytes) -> bytes:
        changed = texts | {"specification": part.decode(errors="replace")}
        written = json.dumps(header | {"__metadata__": changed}).encode()
        return len(written).to_bytes(8, "little") + written + content[8 + length :]

    return {
        "npz, one array": ("npz", npz[array][:200], lambda part: _zip(npz | {array: part + npz[array][200:]})),
        ".pth, its pickle": (".pth, ZIP", pth[pickle], lambda part: _zip(pth | {pickle: part})),
        "checkpoint, its specification": ("checkpoint", texts["specification"].encode(), described),
    }


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def mutated(sample: Sample, random: Random) -> bytes:
    """Return the file with one to four faults, most of them where its structure is."""
    content = bytearray(sample.content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.choice(sample.structure) if random.random() < 0.8 else random.randrange(len(content))
        at = min(at, len(content) - 1)
        length = random.choice((1, 2, 4, 8, 60, 1000))
        match random.randrange(9):
            case 0:
                content[at] ^= 1 << random.randrange(8)
            case 1:
                content[at] = random.choice((0, 1, 2, 0x7F, 0x80, 0xFF, random.randrange(256)))
            case 2:
                content[at : at + length] = random.randbytes(length)
            case 3:
                content[at : at + 8] = random.choice((2**60, 2**63 - 1, 2**32, 0)).to_bytes(8, "little")
            case 4:
                content[at : at + 9] = b"\xff" * 8 + b"\x0f"
            case 5:
                del content[at : at + length]
            case 6:
                content[at:at] = random.randbytes(length)
            case 7:
                source = random.choice(sample.structure)
                content[at:at] = sample.content[source : source + length]
            case 8:
                del content[at:]
        if not content:
            break
    return sample.whole(bytes(content))


def _structure(first: bytes, second: bytes) -> tuple[int, ...]:
    """Places where files with different weights agree."""
    size = min(len(first), len(second))
    same = np.frombuffer(first, np.uint8, size) == np.frombuffer(second, np.uint8, size)
    return tuple(np.flatnonzero(same).tolist())


def _npz(arrays: dict[str, np.ndarray], save: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    turned = {name: array.transpose(3, 0, 1, 2) if array.ndim == 4 else array.T for name, array in arrays.items()}
    save(file, **turned)
    return file.getvalue()


def _tensors(specification: Specification, seed: int) -> dict[str, torch.Tensor]:
    arrays = torchvision_arrays(specification)
    return {
        name: torch.from_numpy(array + 0.123 * seed if array.dtype == np.float32 else array.copy()).to(
            torch.float32 if array.dtype == np.float32 else torch.int64
        )
        for name, array in arrays.items()
    }


def _pth(tensors: dict[str, torch.Tensor], *, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _checkpoint(specification: Specification, seed: int) -> bytes:
    random = np.random.Generator(np.random.Philox(seed))
    weights = {
        key: torch.from_numpy(random.standard_normal(shape, np.float32))
        for key, shape in expected_tensors(specification).items()
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint")
        checkpoint.save(path, Checkpoint(specification, numbered_classes(10), weights))
        return path.read_bytes()
