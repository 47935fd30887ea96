"""Google's published Inception: `tensorflow_inception_graph.pb`, and its arrays as `.npz` under their original names.

The graph is a GraphDef (`tensorflow/tensorflow tensorflow/core/framework/graph.proto`) that holds each variable as a
Const node, convolutions as [height, width, in, out] and fully connected layers as [in, out]; the arrays of the older
`google/inception` are [out, height, width, in]. Flattened maps are [height, width, channels] in both, and the fully
connected layer of a head is turned to [channels, height, width] here.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError, shown
from googlenet.network import zoo
from googlenet.network.graph import Node, expand
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class, google
from googlenet.weights.importers.archive import Archive
from googlenet.weights.importers.assembly import Array, Report, assemble
from googlenet.weights.importers.protobuf import Message, Value
from googlenet.weights.importers.source import Source

__all__ = ["read_graph", "read_npz", "read_zipped_graph"]

FLOAT = 1
"""DT_FLOAT of `tensorflow/core/framework/types.proto`."""

LARGEST_GRAPH = 200 * 2**20
"""Bytes, unpacked; the published graph has 54 million."""

LONGEST_HEADER = 2_000
"""Bytes; those of published arrays have 128."""

NPY_HEADER = re.compile(
    rb"\x93NUMPY(?:\x01\0..|\x02\0....)\{'descr': '([<>|=]\w{1,8})', "
    rb"'fortran_order': (True|False), 'shape': \(((?:\d{1,19}, ?)*\d{0,19})\), *\} *\n",
    re.DOTALL,
)
"""`numpy/numpy numpy/lib/format.py`: magic string, version, length, then a dictionary whose keys are sorted. Matched
and not evaluated; numpy's own reader tokenises what does not parse, which takes long and warns."""


def read_graph(source: Source, classes: Sequence[Class] | None = None) -> tuple[Checkpoint, Report]:
    """Read a GraphDef as a checkpoint of the zoo's `googlenet-google`, whose pixels are as published."""
    arrays: dict[str, Array] = {}
    for name, array in _constants(Message.whole(source.data, str(source.path))):
        if name in arrays:
            raise InputError(f"{source.path}: node {shown(name)} is there twice")
        arrays[name] = array
    return _assemble(source, "TensorFlow GraphDef", arrays, _from_graph, classes)


def read_zipped_graph(source: Source, classes: Sequence[Class] | None = None) -> tuple[Checkpoint, Report]:
    """Read the GraphDef of an archive that holds one, as Google published it (`inception5h.zip`)."""
    archive = Archive.open(source)
    graphs = [name for name in archive.members if name.endswith(".pb")]
    if len(graphs) != 1 or archive.size(graphs[0]) > LARGEST_GRAPH:
        raise InputError(f"{source.path}: not an archive with one graph of a GoogLeNet; give the .pb itself")
    content = archive.read(graphs[0], archive.size(graphs[0]))
    return read_graph(replace(source, data=memoryview(content)), classes)


def read_npz(source: Source, classes: Sequence[Class] | None = None) -> tuple[Checkpoint, Report]:
    """Read an `.npz` of the original arrays as a checkpoint of the zoo's `googlenet-google`."""
    archive = Archive.open(source)
    members = [name for name in archive.members if name.endswith(".npy")]
    arrays = {name.removesuffix(".npy"): _read_npy(archive, name) for name in members}
    return _assemble(source, "npz", arrays, _from_original, classes)


def _assemble(
    source: Source,
    kind: str,
    arrays: dict[str, Array],
    turn: Callable[[Array, Node], Array],
    classes: Sequence[Class] | None,
) -> tuple[Checkpoint, Report]:
    specification = zoo.specification("googlenet-google")
    names: dict[str, str] = {}
    for node in expand(specification):
        if node.weight:
            name = _variable(node.name)
            names |= {f"{node.key}.weight": f"{name}_w", f"{node.key}.bias": f"{name}_b"}
            if f"{name}_w" in arrays:
                arrays[f"{name}_w"] = turn(arrays[f"{name}_w"], node)
    return assemble(source, kind, specification, arrays, names, google(), classes)


def _variable(node: str) -> str:
    """Return Google's name of an operation's variables."""
    row, _, layer = node.partition("/")
    stem = {"conv1/7x7": "conv2d0", "conv2/3x3_reduce": "conv2d1", "conv2/3x3": "conv2d2", "classifier": "softmax2"}
    if node in stem:
        return stem[node]
    if row.startswith("auxiliary"):
        number = {"auxiliary_4a": 0, "auxiliary_4d": 1}[row]
        return {"conv": f"head{number}_bottleneck", "fc": f"nn{number}", "classifier": f"softmax{number}"}[layer]
    layer = layer.replace("pool_proj", "pool_reduce").replace("x3_reduce", "x3_bottleneck")
    return f"{row.replace('inception_', 'mixed')}_{layer.replace('x5_reduce', 'x5_bottleneck')}"


def _from_graph(array: Array, node: Node) -> Array:
    """Turn a weight of the graph: [height, width, in, out] or [in, out]."""
    if node.weight and len(array.shape) == len(node.weight) == 4:
        return _transposed(array, (3, 2, 0, 1))
    return _channels_first(_transposed(array, (1, 0)), node) if len(array.shape) == 2 else array


def _from_original(array: Array, node: Node) -> Array:
    """Turn a weight of the older files: [out, height, width, in]."""
    if node.weight and len(array.shape) == len(node.weight) == 4:
        return _transposed(array, (0, 3, 1, 2))
    if len(array.shape) < 2:
        return array
    shape = (array.shape[0], math.prod(array.shape[1:]))
    return _channels_first(Array(shape, lambda: array.load().reshape(shape)), node)


def _transposed(array: Array, axes: tuple[int, ...]) -> Array:
    return Array(tuple(array.shape[axis] for axis in axes), lambda: array.load().transpose(axes))


def _channels_first(array: Array, node: Node) -> Array:
    """Turn a fully connected layer's inputs, [height, width, channels] flattened, to [channels, height, width]."""
    channels, height, width = node.input

    def load() -> NDArray[Any]:
        weight = array.load()
        return weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(weight.shape)

    return Array(array.shape, load)


def _constants(graph: Message) -> Iterator[tuple[str, Array]]:
    """Yield the name and array of each Const node of floats; operations are passed over."""
    for number, node in graph:
        if number != 1 or not isinstance(node, Message):
            continue
        name, operation, attributes = "", "", []
        for key, value in node:
            if not isinstance(value, Message):
                continue
            if key == 1:
                name = value.text()
            elif key == 2:
                operation = value.text()
            elif key == 5:
                attributes.append(value)
        if operation == "Const":
            yield from ((name, array) for array in map(_tensor, _values(attributes)) if array)


def _values(attributes: list[Message]) -> list[Message]:
    """Return the attribute `value` of a node (the last, should it be there twice), as the tensor that it holds."""
    tensors: list[Message] = []
    for attribute in attributes:
        entry = {number: value for number, value in attribute if isinstance(value, Message)}
        if 1 in entry and 2 in entry and entry[1].text() == "value":
            tensors = [value for number, value in entry[2] if number == 8 and isinstance(value, Message)]
    return tensors[-1:]


def _tensor(tensor: Message) -> Array | None:
    """Read a TensorProto of floats: its bytes, or its numbers, of which the last stands for all that follow."""
    kind, shape = 0, []
    pieces: list[Value] = []
    for number, value in tensor:
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, Message):
            shape = [_size(dim) for key, dim in value if key == 2 and isinstance(dim, Message)]
        elif number in (4, 5):
            pieces.append(value)
    if kind != FLOAT:
        return None
    return Array(tuple(shape), lambda: _numbers(tensor, pieces, math.prod(shape)).reshape(shape))


def _size(dim: Message) -> int:
    return next((value for number, value in dim if number == 1 and isinstance(value, int)), 0)


def _numbers(tensor: Message, pieces: list[Value], count: int) -> NDArray[Any]:
    runs = [piece.floats() if isinstance(piece, Message) else np.atleast_1d(piece) for piece in pieces]
    numbers = np.concatenate([run for run in runs if run.dtype == np.float32] or [np.zeros(0, np.float32)])
    if not 0 < len(numbers) <= count:
        where = f"{tensor.budget.where}: damaged after byte {tensor.start:,}"
        raise InputError(f"{where}: a tensor of {count:,} numbers has {len(numbers):,}")
    return np.concatenate([numbers, np.full(count - len(numbers), numbers[-1])])


def _read_npy(archive: Archive, name: str) -> Array:
    """Read a member's header; the numbers follow when they are wanted, if they are exactly as many as it says."""
    header = NPY_HEADER.match(archive.begin(name, LONGEST_HEADER))
    if not header:
        raise InputError(f"{archive.path}: damaged: {shown(name)} does not begin as a plain array of numpy's")
    kind, columns_first, sizes = (group.decode("ascii") for group in header.groups())
    shape = tuple(int(size) for size in sizes.replace(",", " ").split())

    def load() -> NDArray[Any]:
        if kind not in ("<f4", "<f8"):
            raise InputError(f"{archive.path}: {shown(name)} is of type {shown(kind)}, not <f4 or <f8")
        content = archive.read(name, header.end() + math.prod(shape) * np.dtype(kind).itemsize)
        numbers = np.frombuffer(content, kind, offset=header.end())
        return numbers.reshape(shape, order="F" if columns_first == "True" else "C")

    return Array(shape, load)
