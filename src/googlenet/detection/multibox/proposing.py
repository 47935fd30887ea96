"""Proposals of any pictures by a trained MultiBox: squares of several pictures at once, through the `Predictor`."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from googlenet.detection.multibox.merging import Proposals, merge
from googlenet.detection.multibox.squares import Square, covering, cut, mean_colour
from googlenet.errors import InputError, whole
from googlenet.images.regions import whole_image
from googlenet.inference.engine import DeviceName, EngineName, Precision
from googlenet.inference.predictor import BATCH, Predictor
from googlenet.network.specification import MultiBox
from googlenet.weights.checkpoint import Checkpoint, read
from googlenet.weights.creation import build

__all__ = ["Proposer", "load"]


def load(
    path: str | os.PathLike[str],
    *,
    boxes: int = 200,
    device: DeviceName | str = "auto",
    precision: Precision = "float32",
    engine: EngineName = "auto",
) -> "Proposer":
    """Return the MultiBox in a checkpoint, ready to propose `boxes` boxes for each picture, at most.

    Raises `InputError` for a file that is none, or what this machine has not.
    """
    return Proposer(read(path), str(path), boxes=boxes, device=device, precision=precision, engine=engine)


@dataclass(frozen=True)
class _Asked:
    """A picture on its way through the network."""

    size: tuple[int, int]
    squares: list[Square]
    pixels: np.ndarray


class Proposer:
    """A trained MultiBox; made by `load`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        name: str = "weights",
        *,
        boxes: int = 200,
        device: DeviceName | str = "auto",
        precision: Precision = "float32",
        engine: EngineName = "auto",
    ) -> None:
        head = checkpoint.specification.classifier
        if not isinstance(head, MultiBox):
            raise InputError(f"{name}: a network of classes, not of boxes; googlenet detector train-multibox makes one")
        self.head, self.most = head, whole("boxes", boxes)
        network = build(checkpoint, auxiliary=False).eval()
        self.predictor = Predictor(network, None, device, precision, engine)
        self._size, self._fill = network.specification.input[1:], mean_colour(network.specification.pixels)

    def propose(self, pictures: Iterable[np.ndarray]) -> Iterator[Proposals]:
        """Yield the proposals of each picture, uint8 [height, width, 3] RGB of any size, in order.

        Pictures are taken as they come, as many as make a batch of squares.
        """
        asked: list[_Asked] = []
        for picture in pictures:
            asked.append(self._asked(picture))
            if sum(len(one.squares) for one in asked) >= BATCH:
                yield from self._answered(asked)
                asked = []
        yield from self._answered(asked)

    def _asked(self, picture: np.ndarray) -> _Asked:
        image = whole_image(picture)
        squares = covering(image.width, image.height)
        pixels = np.stack([cut(image, square, self._size, self._fill) for square in squares])
        return _Asked((image.width, image.height), squares, pixels)

    def _answered(self, asked: list[_Asked]) -> Iterator[Proposals]:
        if not asked:
            return
        outputs = self.predictor(np.concatenate([one.pixels for one in asked]))
        parts = torch.split(outputs, [len(one.squares) for one in asked])
        for one, part in zip(asked, parts, strict=True):
            yield merge(part, self.head, one.squares, one.size, self.most)
