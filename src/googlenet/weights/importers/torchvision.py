"""State dicts as `.pth`, in both forms that torch has written, and as `.safetensors`: torchvision's GoogLeNet, or ours.

Names: `pytorch/vision torchvision/models/googlenet.py`. The published file has both auxiliary heads (untrained); `aux1`
hangs on 4a and `aux2` on 4d. Its pixels are -1..1, as TF-slim trained it; torchvision gets there inside `forward`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from googlenet.errors import InputError, shown
from googlenet.network import zoo
from googlenet.network.graph import expand
from googlenet.network.specification import Specification
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import Class, ilsvrc
from googlenet.weights.importers.archive import Archive
from googlenet.weights.importers.assembly import Array, Report, assemble
from googlenet.weights.importers.pickled import Storage, walk
from googlenet.weights.importers.source import Source
from googlenet.weights.importers.state_dict import FIRST_WEIGHTS, own_network, state_dicts
from googlenet.weights.kinds import SIGNATURE
from googlenet.weights.tensor_file import open_tensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_pth", "read_safetensors"]

LARGEST_PICKLE = 16 * 2**20
"""Bytes; that of the published state dict has 70,000."""

STEM = {"conv1/7x7": "conv1", "conv2/3x3_reduce": "conv2", "conv2/3x3": "conv3", "classifier": "fc"}

HEADS = {"auxiliary_4a": "aux1", "auxiliary_4d": "aux2"}

LAYERS = {
    "1x1": "branch1",
    "3x3_reduce": "branch2.0",
    "3x3": "branch2.1",
    "5x5_reduce": "branch3.0",
    "5x5": "branch3.1",
    "pool_proj": "branch4.1",
    "conv": "conv",
    "fc": "fc1",
    "classifier": "fc2",
}


def read_pth(
    source: Source, classes: Sequence[Class] | None = None, classifier: str | None = None
) -> tuple[Checkpoint, Report]:
    """Read a `.pth` as a checkpoint: a state dict, or what a training saved around it.

    `classifier` is the module that took the place of `fc` (`fc.1`, where it became a sequence).
    """
    zipped = source.data[: len(SIGNATURE)] == SIGNATURE
    (_check_zip if zipped else _check_stream)(source)
    import torch

    try:
        loaded = torch.load(source.path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, and none of them is the user's affair
        raise InputError(f"{source.path}: damaged: torch cannot read it ({shown(str(error))})") from error
    return _assemble(source, "torch .pth (ZIP)" if zipped else "torch .pth (before 1.6)", loaded, classes, classifier)


def read_safetensors(
    source: Source, classes: Sequence[Class] | None = None, classifier: str | None = None
) -> tuple[Checkpoint, Report]:
    """Read a `.safetensors` of a state dict as a checkpoint; `classifier` as in `read_pth`."""
    with open_tensors(source.path) as file:
        if file.metadata.get("format", "").startswith("googlenet-checkpoint"):
            raise InputError(f"{source.path}: a checkpoint of this package already; there is nothing to import")
        tensors = {name: file.read(name) for name in file.shapes}
    return _assemble(source, "safetensors", tensors, classes, classifier)


def _assemble(
    source: Source, kind: str, loaded: Any, classes: Sequence[Class] | None, classifier: str | None
) -> tuple[Checkpoint, Report]:
    found = state_dicts(loaded)
    tensors = found[0].tensors if found else {}
    arrays = {name: _array(tensor) for name, tensor in tensors.items()}
    own = own_network(arrays)
    if own:
        specification, published = zoo.specification(own), tuple[Class, ...]()
        names: dict[str, str] = {}
        kind += f" of {own}"
    elif any(name in arrays for name in FIRST_WEIGHTS[1:]):
        mend = "only a checkpoint says what a network is (`googlenet.save`)"
        raise InputError(f"{source.path}: a network of this package, and none of its zoo as it comes; {mend}")
    else:
        specification, published = zoo.specification("googlenet-torchvision"), ilsvrc()
        names = _names(specification)
    names = {key: names.get(key, key) for key in expected_tensors(specification)}
    if classifier is not None:
        names |= {f"classifier.{part}": f"{classifier}.{part}" for part in ("weight", "bias")}
    checkpoint, report = assemble(source, kind, specification, arrays, names, published, classes)
    if len(found) > 1:
        others = ", ".join(shown(other.place) for other in found[1:4])
        warning = f"the network at {found[0].place} is taken; there is another one at {others}"
        report = replace(report, warnings=(*report.warnings, warning))
    return checkpoint, report


def _names(specification: Specification) -> dict[str, str]:
    """Return torchvision's name for each key of the state dict."""
    expected = expected_tensors(specification)
    return {
        key: f"{_module(node.name)}.{_entry(key.removeprefix(f'{node.key}.'), norm=len(node.weight) == 4)}"
        for node in expand(specification)
        if node.weight
        for key in expected
        if key.startswith(f"{node.key}.")
    }


def _module(node: str) -> str:
    """Return torchvision's name of an operation's module."""
    row, _, layer = node.partition("/")
    return STEM.get(node) or f"{HEADS.get(row) or row.replace('_', '')}.{LAYERS[layer]}"


def _entry(ours: str, norm: bool) -> str:
    """Return torchvision's name of a module's entry; a convolution and its batch normalisation are two modules."""
    return ours.replace("batch_norm", "bn") if "batch_norm" in ours or not norm else f"conv.{ours}"


def _array(tensor: "Tensor") -> Array:
    tensor = tensor.detach()
    return Array(tuple(tensor.shape), lambda: (tensor.float() if tensor.is_floating_point() else tensor).numpy())


def _check_zip(source: Source) -> None:
    """Compare what an archive of torch's declares with what it has."""
    archive = Archive.open(source)
    pickles = [name for name in archive.members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise InputError(f"{source.path}: an archive without a state dict; give what torch.save wrote")
    if not all(map(archive.is_stored, archive.members)):
        raise InputError(f"{source.path}: damaged: the archive is compressed, which torch's never are")
    if archive.size(pickles[0]) > LARGEST_PICKLE:
        raise InputError(f"{source.path}: too large a pickle for a state dict; save the model's state_dict() alone")
    found = walk(archive.read(pickles[0], archive.size(pickles[0])), str(source.path))
    folder = pickles[0].removesuffix("data.pkl")
    for storage in found.storages.values():
        member = f"{folder}data/{storage.key}"
        if member not in archive.members or archive.size(member) != storage.bytes:
            size = archive.size(member) if member in archive.members else 0
            raise _wrong_size(source, storage, size)


def _check_stream(source: Source) -> None:
    """The same for torch's older form: five pickles, then for each storage its count of numbers and the numbers."""
    position = 0
    found = []
    for _ in range(5):
        found.append(walk(bytes(source.data[position : position + LARGEST_PICKLE]), str(source.path)))
        position += found[-1].length
    *_, content, order = found
    keys = [str(key) for key in order.value] if isinstance(order.value, list) else []
    if sorted(keys) != sorted(content.storages):
        raise InputError(f"{source.path}: damaged: the list of storages is not that of the tensors")
    for key in keys:
        storage = content.storages[key]
        count = int.from_bytes(source.data[position : position + 8], "little")
        size = min(count * storage.itemsize, max(0, len(source.data) - position - 8))
        if count != storage.count:
            raise InputError(
                f"{source.path}: damaged: storage {shown(key)} has {count:,} numbers, not {storage.count:,}"
            )
        if size != storage.bytes:
            raise _wrong_size(source, storage, size)
        position += 8 + size


def _wrong_size(source: Source, storage: Storage, size: int) -> InputError:
    name = f"storage {shown(storage.key)}"
    return InputError(
        f"{source.path}: damaged: {name} is declared with {storage.bytes:,} bytes, not the {size:,} there"
    )
