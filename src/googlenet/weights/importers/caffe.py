"""Caffe's `.caffemodel`: BVLC's GoogLeNet and what was fine-tuned from it, in both generations of the format.

The file is one NetParameter of `BVLC/caffe src/caffe/proto/caffe.proto`: layers by name, each with its blobs, weight
and bias. Layers without blobs (ReLU, pools, the Split layers that Caffe inserts) are passed over. Caffe's pictures are
B, G, R; the first convolution's input channels are reversed, so that the network here takes R, G, B like all others.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from googlenet.errors import InputError, shown
from googlenet.network import zoo
from googlenet.network.graph import expand
from googlenet.network.specification import Pixels, Resize
from googlenet.weights.checkpoint import Checkpoint, expected_tensors
from googlenet.weights.classes import Class, ilsvrc
from googlenet.weights.importers.assembly import Array, Report, assemble
from googlenet.weights.importers.protobuf import Floats, Message, Value
from googlenet.weights.importers.source import Source

__all__ = ["PIXELS", "read_caffe"]

PIXELS = Pixels(mean=(123.0, 117.0, 104.0), resize=Resize("squash", 256, "bilinear", antialias=False))
"""Caffe's preparation (`models/bvlc_googlenet`, `src/caffe/util/io.cpp`): OpenCV's bilinear resize to 256 x 256."""

MOST_AXES = 32
"""As in Caffe; keeps the product of the dimensions small."""

FIRST_CONVOLUTION = "conv1/7x7_s2.weight"

RAW_TYPES = ("<f8", "<f4", "<f2")
"""Kinds of raw numbers by their code in a BlobProto: `opencv/opencv modules/dnn/src/caffe/opencv-caffe.proto`, whose
`shrinkCaffeModel` writes halves, as NVIDIA's Caffe does. The codes behind them are whole numbers."""


@dataclass(frozen=True)
class Generation:
    """Field numbers of a layer in NetParameter, and in the layer of its name, type and blobs."""

    title: str
    layer: int
    name: int
    type: int
    blobs: int


GENERATIONS = (Generation("layers", 2, name=4, type=5, blobs=6), Generation("layer", 100, name=1, type=2, blobs=7))


@dataclass(frozen=True)
class Blob:
    """An array: its shape as written, and its numbers in pieces."""

    shape: tuple[int, ...]
    pieces: tuple[Floats, ...] = field(repr=False)

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.pieces)

    def array(self, rank: int) -> Array:
        """Return it without the leading ones that the old form puts before `rank` dimensions to make them four."""
        surplus = max(0, len(self.shape) - rank)
        shape = self.shape[surplus:] if set(self.shape[:surplus]) <= {1} else self.shape
        return Array(shape, lambda: np.concatenate(self.pieces).reshape(shape))


def read_caffe(
    source: Source, classes: Sequence[Class] | None = None, classifier: str | None = None
) -> tuple[Checkpoint, Report]:
    """Read a `.caffemodel` as a checkpoint of the zoo's `googlenet` with Caffe's pixels turned to R, G, B.

    `classifier` names the last layer where its name and shape do not tell it.
    """
    specification = replace(zoo.specification("googlenet"), pixels=PIXELS)
    names = {
        f"{node.key}.{part}": f"{_layer_name(node.name)}.{part}"
        for node in expand(specification)
        if node.weight
        for part in ("weight", "bias")
    }
    kind, layers = _read_layers(Message.whole(source.data, str(source.path)))
    arrays = _arrays(source, layers)
    inputs = expected_tensors(specification)["classifier.weight"][1]
    renamed = _renamed_classifiers(source, arrays, set(names.values()), inputs, classifier)
    names = {key: renamed.get(name, name) for key, name in names.items()}
    if FIRST_CONVOLUTION in arrays:
        arrays[FIRST_CONVOLUTION] = _with_channels_reversed(arrays[FIRST_CONVOLUTION])
    return assemble(source, f"caffemodel ({kind})", specification, arrays, names, ilsvrc(), classes)


def _layer_name(node: str) -> str:
    """Return Caffe's name of an operation."""
    head, _, rest = node.partition("/")
    rows = {"auxiliary_4a": "loss1", "auxiliary_4d": "loss2"}
    return {"conv1/7x7": "conv1/7x7_s2", "classifier": "loss3/classifier"}.get(node, f"{rows.get(head, head)}/{rest}")


def _read_layers(net: Message) -> tuple[str, dict[str, list[Blob]]]:
    """Return which generation the file is of, and the blobs of each layer that has any."""
    layers: dict[str, list[Blob]] = {}
    kind = ""
    for number, value in net:
        for generation in GENERATIONS:
            if number == generation.layer and isinstance(value, Message):
                name, blobs = _read_layer(value, generation)
                if not blobs:
                    continue
                if name in layers:
                    raise InputError(f"{net.budget.where}: layer {shown(name)} is there twice")
                kind, layers[name] = generation.title, blobs
    return kind, layers


def _read_layer(layer: Message, generation: Generation) -> tuple[str, list[Blob]]:
    name, kind, blobs = "", "", []
    for number, value in layer:
        if not isinstance(value, Message):
            continue
        if number == generation.name:
            name = value.text()
        elif number == generation.type:
            kind = value.text()
        elif number == generation.blobs:
            blobs.append(_read_blob(value))
    if blobs and kind in ("BatchNorm", "BN", "Scale"):
        raise InputError(f"{layer.budget.where}: layer {shown(name)} normalises batches, which googlenet does not")
    return name, blobs


def _read_blob(blob: Message) -> Blob:
    """Read a BlobProto; the four old dimensions come before `shape`, single floats before doubles, as in Caffe.

    Raw bytes (with a code for their type) stand for both where neither is there.
    """
    dims: dict[int, int] = {}
    shape: list[int] = []
    single: list[Floats] = []
    double: list[Floats] = []
    raw: list[Message] = []
    code: Value = 0
    for number, value in blob:
        if number in (1, 2, 3, 4) and isinstance(value, int):
            dims[number] = value
        elif number == 7 and isinstance(value, Message):
            shape.extend(_read_shape(value))
        elif number == 5:
            single.append(_floats(blob, value, "<f4"))
        elif number == 8:
            double.append(_floats(blob, value, "<f8"))
        elif number == 10:
            code = value
        elif number == 12 and isinstance(value, Message):
            raw = [value]  # the last one counts
    if len(shape) > MOST_AXES:
        raise InputError(f"{blob.budget.where}: damaged at byte {blob.start:,}: an array of {len(shape)} dimensions")
    if dims:
        shape = [dims.get(number, 0) for number in (1, 2, 3, 4)]
    return Blob(tuple(shape), tuple(single or double or [_raw_floats(blob, value, code) for value in raw]))


def _read_shape(shape: Message) -> Iterator[int]:
    for number, value in shape:
        if number == 1 and isinstance(value, int):
            yield value
        elif number == 1 and isinstance(value, Message):
            yield from value.integers()


def _floats(blob: Message, value: Value, kind: str) -> Floats:
    if isinstance(value, Message):
        return value.floats(kind)
    if isinstance(value, np.ndarray) and value.dtype == np.dtype(kind):
        return value
    raise InputError(f"{blob.budget.where}: damaged after byte {blob.start:,}: a blob's numbers are of the wrong kind")


def _raw_floats(blob: Message, value: Message, code: Value) -> Floats:
    if isinstance(code, int) and code < len(RAW_TYPES):
        return value.floats(RAW_TYPES[code])
    found = f"type {code}" if isinstance(code, int) else "bytes"
    raise InputError(
        f"{blob.budget.where}: a blob holds whole numbers ({found}), as quantized networks do; give the one in floats"
    )


def _arrays(source: Source, layers: dict[str, list[Blob]]) -> dict[str, Array]:
    """Name the blobs: a layer's first is its weight, the second its bias; others keep their number."""
    arrays = {}
    for layer, blobs in layers.items():
        for index, blob in enumerate(blobs):
            name = f"{layer}.{('weight', 'bias')[index] if index < 2 else index}"
            if blob.size != math.prod(blob.shape):
                sizes = shown("x".join(map(str, blob.shape))) or "without a shape"
                raise InputError(f"{source.path}: damaged: {shown(name)} is {sizes} but has {blob.size:,} numbers")
            arrays[name] = blob.array(rank=1 if index else 2)
    return arrays


def _renamed_classifiers(
    source: Source, arrays: dict[str, Array], known: set[str], inputs: int, chosen: str | None
) -> dict[str, str]:
    """Map each classifier's arrays that are missing to those that took their place.

    Fine-tuning in Caffe begins by giving the classifier another name, lest its old weights be loaded. `chosen` takes
    the place of the last one, whatever else is there.
    """
    renamed: dict[str, str] = {}
    unknown = [name.removesuffix(".weight") for name in arrays if name.endswith(".weight") and name not in known]
    if chosen is not None and f"{chosen}.weight" not in arrays:
        there = ", ".join(shown(name) for name in unknown[:5]) or "none but the usual ones"
        raise InputError(
            f"{source.path}: there is no layer {shown(chosen)} with weights; of other names there are {there}"
        )
    for place in ("loss1", "loss2", "loss3"):
        missing = f"{place}/classifier"
        candidates = [
            name
            for name in unknown
            if arrays[f"{name}.weight"].shape[1:] == (inputs,) and _place(name) == place and name != chosen
        ]
        if place == "loss3" and chosen is not None:
            candidates = [chosen]
        elif f"{missing}.weight" in arrays or not candidates:
            continue
        if len(candidates) > 1:
            several = ", ".join(shown(name) for name in candidates[:5])
            raise InputError(
                f"{source.path}: which layer is the classifier? {missing} is missing, and there are {several}; "
                "say which with --classifier"
            )
        renamed |= {f"{missing}.{part}": f"{candidates[0]}.{part}" for part in ("weight", "bias")}
    return renamed


def _place(layer: str) -> str:
    """Return to which of the three losses a renamed classifier belongs: the number stays somewhere in its name."""
    number = re.search(r"loss([123])(?!\d)", layer)
    return number[0] if number else "loss3"


def _with_channels_reversed(array: Array) -> Array:
    return Array(array.shape, lambda: array.load()[:, ::-1])
