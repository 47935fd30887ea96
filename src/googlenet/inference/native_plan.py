"""A network as a list of steps for `native/inference.cpp`, on maps that are laid out once for a shape of input.

A map is [images, height, width, channels]. The inputs of a concatenation are parts of its map from the beginning.
"""

import ctypes
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from googlenet import native
from googlenet.errors import InputError
from googlenet.inference.folding import fold
from googlenet.network.graph import Concatenate, Convolve, Linear, Node, Softmax, expand, pool_padding
from googlenet.network.module import ConvolutionUnit, FullyConnected, Network
from googlenet.network.specification import AdaptiveAveragePool, AveragePool, Dropout, LocalResponseNorm, MaxPool

__all__ = ["Packed", "Plan"]

LEAST_CHANNELS, LEAST_TILES = 16, 4
"""From how many input channels and tiles of 6x6 pixels on Winograd's filtering pays."""


class Packed:
    """A network's weights in the orders that the C++ reads, each made when it is first asked for.

    All are weight [tiles, depth, columns] and bias [tiles * columns] of one product.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._made: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def convolution(self, nodes: Sequence[Node], winograd: bool) -> tuple[Tensor, Tensor]:
        """Return weight and bias of convolutions that read the same and are one product."""
        key = (*(node.name for node in nodes), winograd)
        if key not in self._made:
            weights, biases = zip(*map(self._folded, nodes), strict=True)
            rows = [_winograd_points(weight) if winograd else _pixel_order(weight) for weight in weights]
            self._made[key] = _tiled(rows, biases)
        return self._made[key]

    def linear(self, node: Node) -> tuple[Tensor, Tensor]:
        """Return weight and bias of a fully connected layer on a map's numbers as they lie."""
        if (node.name,) not in self._made:
            layer = self.network.get_submodule(node.key)
            assert isinstance(layer, FullyConnected)
            if prod(node.input) != layer.weight.shape[1]:
                size = "x".join(map(str, node.input))
                raise InputError(
                    f"{node.name}: a map of {size} comes, for which the network was not made; resize the pictures"
                )
            weight = layer.weight.detach().unflatten(1, node.input)
            self._made[(node.name,)] = _tiled([_pixel_order(weight)], [layer.bias.detach()])
        return self._made[(node.name,)]

    def _folded(self, node: Node) -> tuple[Tensor, Tensor]:
        unit = self.network.get_submodule(node.key)
        assert isinstance(unit, ConvolutionUnit)
        return fold(unit)


class Plan:
    """The steps for inputs of one shape [images, 3, height, width]; `keep` names the values that `run` returns."""

    def __init__(self, packed: Packed, shape: Sequence[int], keep: Sequence[str]) -> None:
        self._packed, self._shape, self._keep, self._images = packed, tuple(shape), keep, shape[0]
        nodes = expand(packed.network.specification, auxiliary=False, size=(shape[2], shape[3]))
        self._pools = _pools_inside(nodes, keep)
        groups = _groups([node for node in nodes if node.name not in self._pools])
        self._maps = _Maps(nodes, self._images, keep)
        self._input, self._border = _input_map(groups, shape)
        self._kept: list[Any] = []  # what the steps point to
        steps = []
        uses = Counter(name for group in groups for name in self._reads(group))
        for group in groups:
            steps += self._steps(group)
            for name in self._reads(group):
                uses[name] -= 1
                if not uses[name]:
                    self._maps.release(name)
        self._program = (_Step * len(steps))(*steps)

    def run(self, x: Tensor, threads: int) -> dict[str, Tensor]:
        """Return what is kept, [images, channels, height, width] or [images, outputs], in memory of its own."""
        if x.shape != self._shape or x.dtype != torch.float32 or x.device.type != "cpu":
            found = f"{list(x.shape)} in {x.dtype} on {x.device}"
            raise ValueError(f"the plan is for {list(self._shape)} in float32 on the CPU, not for {found}")
        pixels = (x.data_ptr(), _length(x), (ctypes.c_int64 * 4)(*x.shape), (ctypes.c_int64 * 4)(*x.stride()))
        source = ctypes.byref(_source(self._input))
        native.call("run_plan", *pixels, source, *self._border, self._program, len(self._program), threads)
        return {name: self._maps.outside(name).clone(memory_format=torch.contiguous_format) for name in self._keep}

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is made anew: steps point to memory."""
        return Plan, (self._packed, self._shape, self._keep)

    def _reads(self, group: Sequence[Node]) -> set[str]:
        """The names of the maps that a group of nodes reads, less the network's input."""
        pool = self._pools.get(group[0].inputs[0])
        sources = pool.inputs if pool else group[0].inputs
        return {self._maps.whole(name) for name in sources} - {"input"}

    def _steps(self, group: tuple[Node, ...]) -> list["_Step"]:
        node = group[0]
        match node.operation:
            case Convolve() as convolve:
                return [self._convolve(group, convolve)]
            case Linear() as linear:
                return [self._product(node, linear)]
            case MaxPool():
                return [self._step("MAX_POOL", node, _pool_window(node))]
            case AveragePool():
                return [self._step("AVERAGE_POOL", node, _pool_window(node))]
            case AdaptiveAveragePool():
                return [self._step("AVERAGE_POOL", node, _Window(0, 1, 0, 0, *node.output[1:]))]
            case LocalResponseNorm() as norm:
                scale = norm.alpha / norm.size if norm.divided else norm.alpha
                step = self._step("NORMALISE", node, _Window())
                step.size, step.scale, step.beta, step.k = norm.size, scale, norm.beta, norm.k
                return [step]
            case Concatenate() | Dropout() | Softmax():
                return []  # computed by those before; the last is left to the caller
            case other:
                raise TypeError(other)

    def _convolve(self, group: tuple[Node, ...], convolve: Convolve) -> "_Step":
        node = group[0]
        pool = self._pools.get(node.inputs[0])
        winograd = _suits_winograd(node, convolve, self._images)
        bordered = node.inputs[0] == "input" and any(self._border)
        top, _, left, _ = (0, 0, 0, 0) if bordered else convolve.padding
        window = _Window(convolve.kernel, convolve.stride, top, left, *node.output[1:])
        if pool:
            step = self._step("POOLED_CONVOLVE", pool, _pool_window(pool), group)
        else:
            step = self._step("WINOGRAD" if winograd else "CONVOLVE", node, window, group)
        return self._weighted(step, self._packed.convolution(group, winograd), convolve.relu)

    def _product(self, node: Node, linear: Linear) -> "_Step":
        """A fully connected layer: the convolution of a map of one pixel that has all the numbers."""
        step = self._step("CONVOLVE", node, _Window(1, 1, 0, 0, 1, 1))
        numbers = prod(node.input)
        step.x = _Source(step.x.data, step.x.length, numbers, numbers, self._images, 1, 1)
        return self._weighted(step, self._packed.linear(node), linear.relu)

    def _step(self, kind: str, node: Node, window: "_Window", group: Sequence[Node] = ()) -> "_Step":
        """A step that reads what `node` reads and writes the values of `group` (default: of `node`)."""
        maps = [self._maps.get(target.name) for target in group or (node,)]
        targets = (_Target * len(maps))(*(_Target(y.data_ptr(), _length(y), y.stride(2), y.shape[3]) for y in maps))
        self._kept.append(targets)
        source = self._input if node.inputs[0] == "input" else self._maps.get(node.inputs[0])
        return _Step(kind=_KINDS.index(kind), x=_source(source), window=window, targets=targets, count=len(maps))

    def _weighted(self, step: "_Step", weights: tuple[Tensor, Tensor], relu: bool) -> "_Step":
        self._kept.append(weights)
        step.weight, step.bias = (tensor.data_ptr() for tensor in weights)
        step.weights, step.biases = (tensor.numel() for tensor in weights)
        step.relu = relu
        return step


class _Maps:
    """Where every value lies. The memory of a map that was released serves the next one that fits."""

    def __init__(self, nodes: Sequence[Node], images: int, keep: Iterable[str]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._images = images
        self._maps: dict[str, Tensor] = {}
        self._free: list[Tensor] = []
        self._homes: dict[str, tuple[str, int]] = {}
        for node in nodes:
            if isinstance(node.operation, Concatenate):
                channels = [self._nodes[name].output[0] for name in node.inputs]
                for number, name in enumerate(node.inputs):
                    self._homes[name] = (node.name, sum(channels[:number]))
        self._keep = {self.whole(name) for name in keep}

    def whole(self, name: str) -> str:
        """Return the name of the map of which the value is a part; often its own."""
        name = self._computed(name)
        return self._homes.get(name, (name, 0))[0]

    def get(self, name: str) -> Tensor:
        """Return the map of a value, which gets its memory at the first call."""
        name = self._computed(name)
        channels, height, width = self._nodes[name].output
        if name in self._homes:
            whole, start = self._homes[name]
            return self.get(whole)[..., start : start + channels]
        if name not in self._maps:
            shape = (self._images, height, width, channels)
            fitting = [memory for memory in self._free if memory.numel() >= prod(shape)]
            memory = min(fitting, key=Tensor.numel, default=None)
            if memory is None:
                memory = torch.empty(prod(shape))
            else:
                self._free = [other for other in self._free if other is not memory]
            self._maps[name] = memory
        return self._maps[name][: self._images * height * width * channels].view(-1, height, width, channels)

    def outside(self, name: str) -> Tensor:
        """Return a value as the module would: [images, channels, height, width], or [images, outputs]."""
        found = self.get(name).permute(0, 3, 1, 2)
        return found.flatten(1) if isinstance(self._nodes[self._computed(name)].operation, Linear) else found

    def release(self, whole: str) -> None:
        """Give back the memory of a map that nothing reads any more."""
        if whole not in self._keep:
            self._free.append(self._maps.pop(whole))

    def _computed(self, name: str) -> str:
        """Dropout is nothing in evaluation."""
        while name != "input" and isinstance(self._nodes[name].operation, Dropout):
            (name,) = self._nodes[name].inputs
        return name


_KINDS = ("CONVOLVE", "POOLED_CONVOLVE", "WINOGRAD", "MAX_POOL", "AVERAGE_POOL", "NORMALISE")
"""As `native/inference.cpp` counts them."""


class _Source(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p)] + [
        (name, ctypes.c_int64) for name in ("length", "stride", "channels", "images", "height", "width")
    ]


class _Window(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("kernel", "stride", "top", "left", "height", "width")]


class _Target(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p)] + [(name, ctypes.c_int64) for name in ("length", "stride", "channels")]


class _Step(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int64),
        ("x", _Source),
        ("window", _Window),
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("weights", ctypes.c_int64),
        ("biases", ctypes.c_int64),
        ("targets", ctypes.POINTER(_Target)),
        *((name, ctypes.c_int64) for name in ("count", "relu", "size")),
        *((name, ctypes.c_float) for name in ("scale", "beta", "k")),
    ]


def _source(x: Tensor) -> _Source:
    images, height, width, channels = x.shape
    return _Source(x.data_ptr(), _length(x), x.stride(2), channels, images, height, width)


def _length(x: Tensor) -> int:
    """How many numbers may be touched from its first on."""
    return int(x.untyped_storage().nbytes() // x.element_size() - x.storage_offset())


def _pool_window(node: Node) -> _Window:
    pool = node.operation
    assert isinstance(pool, MaxPool | AveragePool)
    (top, _), (left, _) = (pool_padding(length, pool) for length in node.input[1:])
    return _Window(pool.kernel, pool.stride, top, left, *node.output[1:])


def _input_map(groups: Sequence[Sequence[Node]], shape: Sequence[int]) -> tuple[Tensor, tuple[int, int]]:
    """Return the network's input as a map, and how far above and left of the pixels it begins.

    It has the zeros around it that the first convolution wants, if that alone reads it.
    """
    images, channels, height, width = shape
    readers = [group[0].operation for group in groups if "input" in group[0].inputs]
    alone = readers[0].padding if len(readers) == 1 and isinstance(readers[0], Convolve) else (0, 0, 0, 0)
    top, bottom, left, right = alone
    return torch.zeros(images, top + height + bottom, left + width + right, channels), (top, left)


def _is_product(node: Node) -> bool:
    """Whether it is a convolution of single pixels."""
    operation = node.operation
    return isinstance(operation, Convolve) and operation.kernel == operation.stride == 1


def _pools_inside(nodes: Sequence[Node], keep: Iterable[str]) -> dict[str, Node]:
    """Return the pools that are read by 1x1 convolutions alone: those take the maximum while they read."""
    readers: dict[str, list[Node]] = {node.name: [] for node in nodes}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return {
        node.name: node
        for node in nodes
        if isinstance(node.operation, MaxPool) and node.name not in keep and all(map(_is_product, readers[node.name]))
    }


def _groups(nodes: Sequence[Node]) -> list[tuple[Node, ...]]:
    """Return the nodes in order, the 1x1 convolutions that read the same input together."""
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        groups.setdefault(f"1x1 of {node.inputs[0]}" if _is_product(node) else node.name, []).append(node)
    return [tuple(group) for group in groups.values()]


def _suits_winograd(node: Node, convolve: Convolve, images: int) -> bool:
    if convolve.kernel not in (3, 5) or convolve.stride != 1 or node.input[0] < LEAST_CHANNELS:
        return False
    size = 7 - convolve.kernel
    return images * ceil(node.output[1] / size) * ceil(node.output[2] / size) >= LEAST_TILES


def _pixel_order(weight: Tensor) -> Tensor:
    """[out, in, height, width] to [out, depth], the channels of a pixel side by side."""
    return weight.permute(0, 2, 3, 1).flatten(1)


_POINTS = (0.0, 0.625, -0.625, 1.5, -1.5)
"""Those of `native/inference.cpp`, infinity left out."""


def _winograd_points(weight: Tensor) -> Tensor:
    """[out, in, k, k] to the kernel's values at the 36 points, [out, 36 * in]."""
    kernel = weight.shape[-1]
    rows = [
        [point**power / prod(point - other for other in _POINTS if other != point) for power in range(kernel)]
        for point in _POINTS
    ]
    transform = torch.tensor([*rows, [0.0] * (kernel - 1) + [1.0]], dtype=torch.float64)
    points = torch.einsum("py,qx,ocyx->opqc", transform, transform, weight.double())
    return points.flatten(1).to(weight.dtype)


def _tiled(rows: Sequence[Tensor], biases: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return weight and bias in tiles of two vectors; every part begins with a vector of its own."""
    library = native.library()
    assert library is not None
    width = library.vector_width()
    weight = _fill(torch.cat([_fill(part, width) for part in rows]), 2 * width)
    bias = _fill(torch.cat([_fill(part, width) for part in biases]), 2 * width)
    return weight.unflatten(0, (-1, 2 * width)).movedim(1, -1).contiguous(), bias.contiguous()


def _fill(tensor: Tensor, multiple: int) -> Tensor:
    """Fill the first axis with zeros up to a multiple."""
    rows = tensor.shape[0]
    return functional.pad(tensor, [0, 0] * (tensor.ndim - 1) + [0, -rows % multiple])
