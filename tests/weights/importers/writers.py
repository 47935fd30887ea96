"""Writes the foreign formats that the importers read, from arrays, with the liberties that the formats leave."""

import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from googlenet.network.graph import expand
from googlenet.network.specification import Specification


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: int | bytes) -> bytes:
    """A varint field, or a length-delimited one."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def packed(number: int, array: np.ndarray, kind: str = "<f4") -> bytes:
    return field(number, np.ascontiguousarray(array, kind).tobytes())


def unpacked(number: int, array: np.ndarray, kind: str = "<f4") -> bytes:
    """One field a number: wire type 5 for floats, 1 for doubles."""
    tag = varint(number << 3 | (5 if kind == "<f4" else 1))
    numbers = np.ascontiguousarray(array, kind).reshape(-1, 1).view(np.uint8)
    tags = np.broadcast_to(np.frombuffer(tag, np.uint8), (len(numbers), len(tag)))
    return np.concatenate([tags, numbers], axis=1).tobytes()


def blob(array: np.ndarray, *, old: bool = False, data: bytes | None = None) -> bytes:
    """Caffe's BlobProto: `shape` or the four dimensions of the old form; `data` is packed floats unless given."""
    data = packed(5, array) if data is None else data
    if old:
        dims = (1,) * (4 - array.ndim) + array.shape
        return b"".join(field(number, int(size)) for number, size in enumerate(dims, start=1)) + data
    return field(7, field(1, b"".join(varint(int(size)) for size in array.shape))) + data


def layer(name: str, kind: str, blobs: Iterable[bytes], *, old: bool = False) -> bytes:
    """Caffe's V1LayerParameter in NetParameter.layers, or LayerParameter in NetParameter.layer."""
    if old:
        number = {"Convolution": 4, "InnerProduct": 14, "Split": 22, "ReLU": 18}[kind]
        return field(2, field(4, name.encode()) + field(5, number) + b"".join(field(6, one) for one in blobs))
    return field(100, field(1, name.encode()) + field(2, kind.encode()) + b"".join(field(7, one) for one in blobs))


def caffemodel(arrays: Mapping[str, np.ndarray], *, old: bool = False) -> bytes:
    """A whole file from `<layer>.weight` and `<layer>.bias` arrays."""
    layers = [field(1, b"GoogleNet")]
    for name in dict.fromkeys(key.rsplit(".", 1)[0] for key in arrays):
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        kind = "Convolution" if weight.ndim == 4 else "InnerProduct"
        layers.append(layer(name, kind, [blob(weight, old=old), blob(bias, old=old)], old=old))
    return b"".join(layers)


def caffe_arrays(specification: Specification, *, heads: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights for a GoogLeNet under Caffe's names (`BVLC/caffe models/bvlc_googlenet`), BGR as there."""
    random = np.random.Generator(np.random.Philox(seed))
    first = {"conv1/7x7": "conv1/7x7_s2", "classifier": "loss3/classifier"}
    arrays = {}
    for node in expand(specification, auxiliary=heads):
        if node.weight:
            name = first.get(node.name, node.name).replace("auxiliary_4a", "loss1").replace("auxiliary_4d", "loss2")
            arrays[f"{name}.weight"] = random.standard_normal(node.weight, np.float32) * 0.1
            arrays[f"{name}.bias"] = random.standard_normal(node.weight[:1], np.float32) * 0.1
    return arrays


def google_arrays(specification: Specification, *, heads: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights for Google's network under its names, [height, width, in, out] and [in, out] as in its graph."""
    random = np.random.Generator(np.random.Philox(seed))
    arrays = {}
    for node in expand(specification, auxiliary=heads):
        if node.weight:
            name = google_name(node.name)
            order = (2, 3, 1, 0) if len(node.weight) == 4 else (1, 0)
            arrays[f"{name}_w"] = random.standard_normal([node.weight[axis] for axis in order], np.float32) * 0.1
            arrays[f"{name}_b"] = random.standard_normal(node.weight[0], np.float32) * 0.1
    return arrays


def google_name(node: str) -> str:
    for ours, theirs in (
        ("conv1/7x7", "conv2d0"),
        ("conv2/3x3_reduce", "conv2d1"),
        ("conv2/3x3", "conv2d2"),
        ("inception_", "mixed"),
        ("_reduce", "_bottleneck"),
        ("pool_proj", "pool_reduce"),
        ("auxiliary_4a/conv", "head0_bottleneck"),
        ("auxiliary_4d/conv", "head1_bottleneck"),
        ("auxiliary_4a/fc", "nn0"),
        ("auxiliary_4d/fc", "nn1"),
        ("auxiliary_4a/classifier", "softmax0"),
        ("auxiliary_4d/classifier", "softmax1"),
        ("classifier", "softmax2"),
    ):
        node = node.replace(ours, theirs)
    return node.replace("/", "_")


def constant(name: str, array: np.ndarray, numbers: bytes | None = None, kind: int = 1) -> bytes:
    """TensorFlow's GraphDef.node with a Const; `numbers` is `tensor_content` unless given."""
    shape = b"".join(field(2, field(1, int(size))) for size in array.shape)
    tensor = field(1, kind) + field(2, shape) + (packed(4, array) if numbers is None else numbers)
    attributes = [(b"dtype", field(6, kind)), (b"value", field(8, tensor))]
    written = b"".join(field(5, field(1, key) + field(2, value)) for key, value in attributes)
    return field(1, field(1, name.encode()) + field(2, b"Const") + written)


def operation(name: str, kind: str, *inputs: str) -> bytes:
    names = b"".join(field(3, one.encode()) for one in inputs)
    return field(1, field(1, name.encode()) + field(2, kind.encode()) + names)


def graph(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A whole GraphDef."""
    nodes = [constant(name, array) for name, array in arrays.items()]
    conv = operation("conv2d0_pre_relu/conv", "Conv2D", "input", "conv2d0_w")
    return b"".join([operation("input", "Placeholder"), *nodes, conv, field(4, field(1, 21))])


def torchvision_array(name: str, shape: Iterable[int]) -> np.ndarray:
    """An entry of a torchvision GoogLeNet's state dict as a function of its name: scaled weights, moved statistics."""
    shape = tuple(shape)
    random = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
    entry = name.rsplit(".", 1)[1]
    if entry == "num_batches_tracked":
        return np.array(1000 + len(name))
    if entry == "running_var" or (entry == "weight" and len(shape) == 1):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    if entry == "running_mean" or entry == "bias":
        return random.normal(0, 0.1, shape).astype(np.float32)
    return random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)


def torchvision_image() -> np.ndarray:
    """An input of a torchvision GoogLeNet's, -1..1."""
    return np.random.Generator(np.random.Philox(0)).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)


def torchvision_arrays(specification: Specification) -> dict[str, np.ndarray]:
    """A whole state dict, heads included, for a GoogLeNet of any width under torchvision's names."""
    branches = ("1x1", "branch1"), ("3x3_reduce", "branch2.0"), ("3x3", "branch2.1"), ("5x5_reduce", "branch3.0")
    branches = (*branches, ("5x5", "branch3.1"), ("pool_proj", "branch4.1"))
    names = {"conv1/7x7": "conv1", "conv2/3x3_reduce": "conv2", "conv2/3x3": "conv3", "classifier": "fc"}
    for head, row in (("aux1", "auxiliary_4a"), ("aux2", "auxiliary_4d")):
        names |= {f"{row}/conv": f"{head}.conv", f"{row}/fc": f"{head}.fc1", f"{row}/classifier": f"{head}.fc2"}
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        names |= {f"inception_{module}/{ours}": f"inception{module}.{theirs}" for ours, theirs in branches}
    shapes: dict[str, tuple[int, ...]] = {}
    for node in expand(specification):
        if node.weight and len(node.weight) == 4:
            shapes[f"{names[node.name]}.conv.weight"] = node.weight
            norm = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"{names[node.name]}.bn.{entry}": node.weight[:1] for entry in norm}
            shapes[f"{names[node.name]}.bn.num_batches_tracked"] = ()
        elif node.weight:
            shapes |= {f"{names[node.name]}.weight": node.weight, f"{names[node.name]}.bias": node.weight[:1]}
    return {name: torchvision_array(name, shape) for name, shape in shapes.items()}
