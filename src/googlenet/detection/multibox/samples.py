"""From a picture to a sample of a batch: a square and its objects for training, all squares for evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.batch import Field
from googlenet.detection.multibox.crops import draw
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.squares import Square, covering, cut, kept_within
from googlenet.images import photometric
from googlenet.images.photometric import DistortionName
from googlenet.images.regions import open_image
from googlenet.randomness import generator

__all__ = ["AllSquares", "DrawnSquare", "DrawnSquares"]


@dataclass(frozen=True)
class DrawnSquare:
    """What is taken of a picture for a training sample."""

    square: Square
    mirror: bool


@dataclass(frozen=True)
class DrawnSquares:
    """Training: one square of each picture (`crops`), mirrored and distorted, and its objects in shares of it."""

    size: tuple[int, int]
    fill: tuple[int, int, int]
    seed: int
    mirror: bool = True
    distortion: DistortionName = "none"

    @property
    def fields(self) -> Mapping[str, Field]:
        return {"images": Field("uint8", (*self.size, 3)), "boxes": Field("float64", (None, 4))}

    def draw(self, width: int, height: int, boxes: NDArray[np.float64], epoch: int, draw_: int) -> DrawnSquare:
        """Say what is taken of a picture of `width` x `height` pixels, without its pixels."""
        random = generator(self.seed, "square", epoch, draw_)
        return DrawnSquare(draw(width, height, boxes, random), bool(self.mirror and random.integers(2)))

    def make(self, dataset: ObjectImages, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        image, boxes = open_image(dataset.read(index), dataset.name(index)), dataset.boxes(index)
        drawn = self.draw(image.width, image.height, boxes, epoch, draw)
        pixels = cut(image, drawn.square, self.size, self.fill, drawn.mirror)
        if self.distortion != "none":
            random = generator(self.seed, "distortion", epoch, draw)
            pixels = photometric.apply(pixels, photometric.sample(self.distortion, random))
        return {"images": pixels, "boxes": kept_within(boxes, drawn.square, drawn.mirror)}


@dataclass(frozen=True)
class AllSquares:
    """Evaluation: every square that is looked at (`squares.covering`), and width and height of the picture."""

    size: tuple[int, int]
    fill: tuple[int, int, int]

    @property
    def fields(self) -> Mapping[str, Field]:
        return {"images": Field("uint8", (None, *self.size, 3)), "sizes": Field("int64", (2,))}

    def make(self, dataset: ObjectImages, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        image = open_image(dataset.read(index), dataset.name(index))
        squares = covering(image.width, image.height)
        pixels = np.stack([cut(image, square, self.size, self.fill) for square in squares])
        return {"images": pixels, "sizes": np.array([image.width, image.height])}
