"""The frozen rows at the beginning of a network, by whatever computes them fastest: they have no gradient.

In fine-tuning most of a step goes through them, and the engines of inference are ahead of torch's modules there.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from googlenet.errors import InputError
from googlenet.inference.engine import find_engines
from googlenet.inference.predictor import Predictor
from googlenet.network.module import Network
from googlenet.network.specification import Dropout

__all__ = ["Front", "find_engine", "is_there", "last_row"]


class Front:
    """The rows of `network` up to `row`, with the weights that they have at the first batch, on an engine."""

    def __init__(self, network: Network, row: str, engine: str, device: str) -> None:
        self.row = row
        self._make = partial(Predictor, network, device=device, engine=engine)
        self._predictor: Predictor | None = None

    def __call__(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the maps of the row, float32 [N, C, H, W], for uint8 [N, height, width, 3] as `Predictor` takes it."""
        if self._predictor is None:  # not before a run that goes on has its weights back
            self._predictor = self._make()
        return self._predictor.features(images, [self.row], mask)[self.row]


def last_row(network: Network, frozen: Iterable[str]) -> str | None:
    """Return the last of the rows that are frozen from the input on, before any that a head reads; None for none."""
    frozen, last = set(frozen), None
    for row in network.specification.rows:
        is_learnt = row.name not in frozen and any(True for _ in network.get_submodule(row.name).parameters())
        if is_learnt or isinstance(row, Dropout) or row.name in network.head_rows.values():
            break
        last = row.name if row.name in frozen else last
    return last


def find_engine(network: Network, row: str, device: str, images: int) -> str:
    """Return the name of the engine that is fastest here; measured where so many images are worth it."""
    predictor = Predictor(network, device=device)
    predictor.expect(images)
    _, height, width = network.specification.input
    predictor.features(torch.zeros(8, height, width, 3, dtype=torch.uint8), [row])
    return predictor.engine


def is_there(engine: str, network: Network, device: str) -> bool:
    """Whether this machine has an engine for the network."""
    try:
        return bool(find_engines(network, device, "float32", engine))
    except InputError:
        return False
