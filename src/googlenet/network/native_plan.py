"""A network as a list of calls into `data/inference.cpp`, on maps that are laid out once for a shape of input.

A map is [images, height, width, channels]. The inputs of a concatenation are parts of its map from the beginning.
"""

import ctypes
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from googlenet.network import native
from googlenet.network.folding import fold
from googlenet.network.graph import Concatenate, Convolve, Linear, Node, Softmax, expand, pool_padding
from googlenet.network.local_response_norm import fused_into
from googlenet.network.module import ConvolutionUnit, Network
from googlenet.network.specification import Dropout, LocalResponseNorm, MaxPool

__all__ = ["Packed", "Plan"]

LEAST_CHANNELS, LEAST_TILES = 16, 4
"""From how many input channels and tiles of 6x6 pixels on Winograd's filtering pays."""


class Packed:
    """A network's weights in the orders that the C++ reads, each made when it is first asked for."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._made: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def get(self, nodes: Sequence[Node], winograd: bool) -> tuple[Tensor, Tensor]:
        """Return weight [tiles, depth, columns] and bias [tiles * columns] of convolutions that are one product."""
        key = (*(node.name for node in nodes), winograd)
        if key not in self._made:
            width = _library().vector_width()
            weights, biases = zip(*(fold(self._unit(node)) for node in nodes), strict=True)
            rows = [_winograd_points(weight) if winograd else _pixel_order(weight) for weight in weights]
            weight = _fill(torch.cat([_fill(part, width) for part in rows]), 2 * width)
            bias = _fill(torch.cat([_fill(part, width) for part in biases]), 2 * width)
            self._made[key] = (weight.unflatten(0, (-1, 2 * width)).movedim(1, -1).contiguous(), bias)
        return self._made[key]

    def _unit(self, node: Node) -> ConvolutionUnit:
        unit = self.network.get_submodule(node.key)
        assert isinstance(unit, ConvolutionUnit)
        return unit


class Plan:
    """The calls for inputs of one shape [images, 3, height, width]; `keep` names the values that `run` returns."""

    def __init__(self, packed: Packed, shape: Sequence[int], keep: Sequence[str]) -> None:
        self._packed, self._keep = packed, keep
        self._images, self._threads = shape[0], torch.get_num_threads()
        nodes = expand(packed.network.specification, auxiliary=False, size=(shape[2], shape[3]))
        self._pools = _pools_inside(nodes, keep)
        groups = _groups([node for node in nodes if node.name not in self._pools])
        self._maps = _Maps(nodes, self._images, keep)
        self._reader = _Reader(groups, shape)
        self._steps: list[Callable[[], Any]] = []
        self._kept: list[Any] = []
        uses = Counter(name for group in groups for name in self._inputs(group))
        for group in groups:
            self._add(group)
            for name in self._inputs(group):
                uses[name] -= 1
                if not uses[name]:
                    self._maps.release(name)

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """Return what is kept, [images, channels, height, width] or [images, outputs], in memory of its own."""
        self._reader.inside.copy_(x.permute(0, 2, 3, 1))
        for step in self._steps:
            step()
        return {name: self._maps.outside(name).clone(memory_format=torch.contiguous_format) for name in self._keep}

    def _inputs(self, group: Sequence[Node]) -> set[str]:
        """The names of the maps that a group of nodes reads, less the network's input."""
        pool = self._pools.get(group[0].inputs[0])
        sources = pool.inputs if pool else group[0].inputs
        return {self._maps.whole(name) for name in sources} - {"input"}

    def _add(self, group: tuple[Node, ...]) -> None:
        node = group[0]
        match node.operation:
            case Convolve() as convolve:
                self._convolve(group, convolve)
            case MaxPool():
                self._call("max_pool", self._source(node), _pool_window(node), self._targets(group), self._threads)
            case LocalResponseNorm() as norm:
                scale = norm.alpha / norm.size if norm.divided else norm.alpha
                source, target = (self._map(name).view(-1, node.output[0], 1) for name in (node.inputs[0], node.name))
                self._steps.append(fused_into(source, target, norm.size, scale, norm.beta, norm.k))
            case Concatenate() | Dropout() | Softmax():
                pass  # computed by those before; the last is left to the caller
            case _:
                self._module(node)

    def _convolve(self, group: tuple[Node, ...], convolve: Convolve) -> None:
        node = group[0]
        pool = self._pools.get(node.inputs[0])
        winograd = _suits_winograd(node, convolve, self._images)
        top, _, left, _ = (0,) * 4 if node.inputs[0] == "input" and self._reader.padded else convolve.padding
        window = _Window(convolve.kernel, convolve.stride, top, left, *node.output[1:])
        source, window = (self._source(pool), _pool_window(pool)) if pool else (self._source(node), window)
        weight, bias = self._packed.get(group, winograd)
        relu, threads = ctypes.c_int(convolve.relu), self._threads
        if winograd:
            self._call("winograd", source, window, weight, bias, self._targets(group), relu, threads)
        else:
            pooled, count = ctypes.c_int(pool is not None), ctypes.c_int64(len(group))
            self._call("convolve", source, window, pooled, weight, bias, self._targets(group), count, relu, threads)

    def _module(self, node: Node) -> None:
        """Let torch compute what takes no time: average pools and the classifier."""
        module, source = self._packed.network.get_submodule(node.key), self._map(node.inputs[0]).permute(0, 3, 1, 2)
        target = self._maps.outside(node.name)
        self._steps.append(lambda: target.copy_(module(source)))

    def _map(self, name: str) -> Tensor:
        return self._reader.map if name == "input" else self._maps.get(name)

    def _source(self, node: Node) -> "_Source":
        x = self._map(node.inputs[0])
        images, height, width, channels = x.shape
        return _Source(x.data_ptr(), x.stride(2), channels, images, height, width)

    def _targets(self, group: Sequence[Node]) -> "ctypes.Array[_Target]":
        maps = [self._map(node.name) for node in group]
        return (_Target * len(maps))(*(_Target(y.data_ptr(), y.stride(2), y.shape[3]) for y in maps))

    def _call(self, function: str, *arguments: Any) -> None:
        """Add a call. Tensors and structures go by their addresses, so they are kept."""
        called = getattr(_library(), function)
        given = [ctypes.c_void_p(item.data_ptr()) if isinstance(item, Tensor) else item for item in arguments]
        given = [ctypes.byref(item) if isinstance(item, ctypes.Structure) else item for item in given]
        self._steps.append(partial(called, *given))
        self._kept.append(arguments)


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


class _Reader:
    """The network's input: with the zeros around it that the first convolution wants, if that alone reads it."""

    def __init__(self, groups: Sequence[Sequence[Node]], shape: Sequence[int]) -> None:
        images, channels, height, width = shape
        first, *others = (group[0].operation for group in groups if "input" in group[0].inputs)
        self.padded = isinstance(first, Convolve) and not others
        top, bottom, left, right = first.padding if isinstance(first, Convolve) and not others else (0, 0, 0, 0)
        self.map = torch.zeros(images, top + height + bottom, left + width + right, channels)
        self.inside = self.map[:, top : top + height, left : left + width]


class _Source(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p)] + [
        (name, ctypes.c_int64) for name in ("stride", "channels", "images", "height", "width")
    ]


class _Window(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("kernel", "stride", "top", "left", "height", "width")]


class _Target(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("stride", ctypes.c_int64), ("channels", ctypes.c_int64)]


def _pool_window(node: Node) -> _Window:
    pool = node.operation
    assert isinstance(pool, MaxPool)
    (top, _), (left, _) = (pool_padding(length, pool) for length in node.input[1:])
    return _Window(pool.kernel, pool.stride, top, left, *node.output[1:])


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
"""Those of `data/inference.cpp`, infinity left out."""


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


def _fill(tensor: Tensor, multiple: int) -> Tensor:
    """Fill the first axis with zeros up to a multiple."""
    rows = tensor.shape[0]
    return functional.pad(tensor, [0, 0] * (tensor.ndim - 1) + [0, -rows % multiple])


def _library() -> ctypes.CDLL:
    library = native.library("inference")
    assert library is not None
    return library
