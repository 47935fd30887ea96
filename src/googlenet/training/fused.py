"""Faster ways to compute the parts of a network in training; the same values but for rounding.

Beside the convolutions themselves, three things cost a training step most. The 1x1 convolutions of a module read the
same input: here they are one, which reads it once, fills the processor better, and has one gradient to that input
instead of three to add. Pools have faster gradients (`pooling`). And the ReLU of the stem's convolutions, over the
largest maps of the network, is part of what follows: of the maximum in the pool behind it, or of the normalisation.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from typing import Self

import torch
from torch import Tensor, nn

from googlenet.network.faster import JoinedBlock, MaxPooling
from googlenet.network.graph import Convolve, Node, expand
from googlenet.network.module import Network, Pooling
from googlenet.network.pooling import average_pool
from googlenet.network.specification import AveragePool, Dropout, LocalResponseNorm, MaxPool
from googlenet.training.dropout import IndexedDropout
from googlenet.training.front import Front

__all__ = ["TrainingNetwork"]


class TrainingNetwork(Network):
    """Another way to compute `network`, with the parameters and buffers of `network` itself.

    It is built from the graph as every network is: with `joined` the 1x1 convolutions of a module are one, with `pools`
    there are faster pools and fewer ReLUs. Names, shapes and results stay, and whatever moves the weights of one moves
    those of the other. The rows in `frozen` are always in evaluation; where a `front` computes those at the beginning,
    the network takes its maps in the place of images. `draw_masks` comes before each batch in training. Bring `network`
    to its device before.
    """

    def __init__(
        self,
        network: Network,
        *,
        joined: bool = False,
        pools: bool = False,
        frozen: Iterable[str] = (),
        front: Front | None = None,
    ) -> None:
        self._joined, self._pools, self._frozen = joined, pools, tuple(frozen)
        heads = bool(network.head_rows)
        self._rectifying = dict(_rectifying(expand(network.specification, auxiliary=heads))) if pools else {}
        with torch.device("meta"):
            super().__init__(network.specification, auxiliary=heads)
        for name, module in network.named_modules():
            same = self.get_submodule(name)
            for kind, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                setattr(same, kind, tensor)
        self.front = front
        if front is not None:
            self.row_names = self.row_names[self.row_names.index(front.row) + 1 :]
        self.train()

    def draw_masks(self, seed: int, step: int, indices: Tensor) -> None:
        """Draw the dropout masks of step `step` for the images with these `indices`, int64 [N]."""
        device = next(parameter for parameter in self.parameters() if not parameter.is_meta).device
        for module in self.modules():
            if isinstance(module, IndexedDropout) and module.training:
                module.draw(seed, step, indices, device)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for row in self._frozen:
            self.get_submodule(row).eval()
        return self

    def check(self, x: Tensor) -> None:
        if self.front is None:
            super().check(x)

    def build_block(self, layers: Mapping[str, nn.Module], branches: Iterable[Iterable[str]]) -> nn.Module:
        block = JoinedBlock(layers, branches)
        return block if self._joined and len(block.joined) > 1 else super().build_block(layers, branches)

    def build_layer(self, node: Node) -> nn.Module:
        if isinstance(node.operation, Dropout):
            return IndexedDropout(node.operation.rate, node.name, node.output)
        own = _own_pooling(node) if self._pools else None
        layer: nn.Module = own or super().build_layer(node)
        if node.name in self._rectifying:
            layer.relu = False  # type: ignore[assignment]  # it is part of what follows
        if node.name in self._rectifying.values():
            layer.rectified = True  # type: ignore[assignment]
        return layer


class _AveragePooling(Pooling):
    """An average pool of a head."""

    def forward(self, x: Tensor) -> Tensor:
        is_small = x.shape[2] * x.shape[3] <= LARGEST_AVERAGED
        return average_pool(x, self.pool) if is_small else super().forward(x)  # type: ignore[arg-type]


LARGEST_AVERAGED = 32 * 32
"""Pixels of a map whose averages' gradient is a matrix product."""


def _own_pooling(node: Node) -> Pooling | None:
    """The faster form of a pool, where there is one."""
    match node.operation:
        case MaxPool() as pool if MaxPooling.suits(pool):
            return MaxPooling(pool)
        case AveragePool(rounding="floor" | "ceil") as pool:
            return _AveragePooling(pool)
    return None


def _rectifying(nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """The convolutions whose output is a row's, where a pool or normalisation alone reads it; and what reads it."""
    nodes = [node for node in nodes if node.row != "softmax"]
    read_by_heads = {node.inputs[0] for node in nodes if node.auxiliary}
    rows = [list(row) for _, row in groupby((node for node in nodes if not node.auxiliary), key=lambda node: node.row)]
    for (*_, last), (reader, *_) in pairwise(rows):
        is_convolution = isinstance(last.operation, Convolve) and last.operation.relu
        if is_convolution and last.name not in read_by_heads:
            pool = _own_pooling(reader)
            if isinstance(pool, MaxPooling) or isinstance(reader.operation, LocalResponseNorm):
                yield last.name, reader.name
