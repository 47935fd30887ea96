"""From a picture to a sample of a batch: one of its windows for training, many of them for evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.batch import Field
from googlenet.detection.regions.crop import cut
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.sampler import read_draw
from googlenet.images import photometric
from googlenet.images.photometric import DistortionName
from googlenet.randomness import generator

__all__ = ["DrawnWindows", "FirstWindows"]


@dataclass(frozen=True)
class DrawnWindows:
    """Training: the crop of the window that was drawn, mirrored and distorted, and what it shows.

    `draws` tell apart the samples of a batch, several of which may be of one picture.
    """

    size: tuple[int, int]
    seed: int
    mirror: bool = True
    distortion: DistortionName = "none"

    @property
    def fields(self) -> Mapping[str, Field]:
        inside, label = Field("int64", (4,)), Field("int64")
        return {"images": Field("uint8", (*self.size, 3)), "inside": inside, "labels": label, "draws": label}

    def make(self, dataset: RegionImages, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        drawn, windows = read_draw(draw, dataset.all_windows), dataset.windows(index)
        mirror = self.mirror and bool(generator(self.seed, "mirror", epoch, drawn.position).integers(2))
        box = windows.boxes[drawn.window : drawn.window + 1]
        (pixels,), (inside,) = cut(dataset.picture(index), box, self.size, mirror=mirror)
        if self.distortion != "none":
            random = generator(self.seed, "distortion", epoch, drawn.position)
            pixels = photometric.apply(pixels, photometric.sample(self.distortion, random))
        label, number = (np.asarray(value, np.int64) for value in (windows.labels[drawn.window], drawn.position))
        return {"images": pixels, "inside": inside, "labels": label, "draws": number}


@dataclass(frozen=True)
class FirstWindows:
    """Evaluation: the first windows of a picture, `most` at most, and the picture's width and height."""

    size: tuple[int, int]
    most: int

    @property
    def fields(self) -> Mapping[str, Field]:
        return {
            "images": Field("uint8", (None, *self.size, 3)),
            "inside": Field("int64", (None, 4)),
            "labels": Field("int64", (None,)),
            "boxes": Field("float64", (None, 4)),
            "sizes": Field("int64", (2,)),
        }

    def make(self, dataset: RegionImages, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        picture, windows = dataset.picture(index), dataset.windows(index)
        boxes = windows.boxes[: self.most]
        pixels, inside = cut(picture, boxes, self.size)
        labels, size = windows.labels[: self.most].astype(np.int64), np.array(picture.shape[1::-1])
        return {"images": pixels, "inside": inside, "labels": labels, "boxes": boxes, "sizes": size}
