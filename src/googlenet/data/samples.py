"""From an image's file to one sample of a batch, for training and for evaluation; and a whole batch of them.

What a training sample looks like depends on (seed, epoch, draw) alone: not on the batch, the worker or the machine.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned
from googlenet.errors import InputError
from googlenet.images import photometric
from googlenet.images.crops import SCHEMES, Crop, Sampling, sample
from googlenet.images.decoding import decode
from googlenet.images.photometric import Distortion, DistortionName
from googlenet.images.preprocessing import prepare
from googlenet.images.regions import open_image
from googlenet.network.specification import Pixels
from googlenet.randomness import generator

__all__ = ["Augmented", "EvaluationSamples", "MadeBatch", "Samples", "TrainingSamples", "make_batch"]


class Samples(Protocol):
    """How an image becomes a sample: uint8 RGB [height, width, 3] of `size` = (height, width)."""

    @property
    def size(self) -> tuple[int, int]: ...

    def make(self, data: bytes, name: str, epoch: int, draw: int) -> NDArray[np.uint8]:
        """Decode and change one image; `InputError` with `name` where it cannot be read."""
        ...


@dataclass(frozen=True)
class Augmented:
    """What is done to one image on its way to a training sample."""

    crop: Crop
    distortion: Distortion


@dataclass(frozen=True)
class TrainingSamples:
    """Section 6: a random patch, resized, mirrored and distorted."""

    size: tuple[int, int]
    seed: int
    sampling: Sampling = SCHEMES["paper"]
    distortion: DistortionName = "none"

    def draw(self, width: int, height: int, epoch: int, draw: int) -> Augmented:
        """Say what is done to an image of `width` x `height` pixels, without its pixels."""
        crop = sample(width, height, self.sampling, generator(self.seed, "crop", epoch, draw))
        if self.distortion == "none":
            return Augmented(crop, Distortion("none", ()))
        return Augmented(crop, photometric.sample(self.distortion, generator(self.seed, "distortion", epoch, draw)))

    def make(self, data: bytes, name: str, epoch: int, draw: int) -> NDArray[np.uint8]:
        image = open_image(data, name)
        augmented = self.draw(image.width, image.height, epoch, draw)
        return photometric.apply(image.patch(augmented.crop, self.size), augmented.distortion)


@dataclass(frozen=True)
class EvaluationSamples:
    """The central crop that the network's own `Pixels` describe."""

    size: tuple[int, int]
    pixels: Pixels

    def make(self, data: bytes, name: str, epoch: int, draw: int) -> NDArray[np.uint8]:
        return prepare(decode(data, name), self.pixels, self.size)


@dataclass(frozen=True)
class MadeBatch:
    """A batch as arrays. Images that could not be read are missing from it and stand in `bad` as (name, reason)."""

    epoch: int
    step: int
    images: NDArray[np.uint8]
    """[N, height, width, 3], RGB"""
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    """The images' numbers in the data set."""
    bad: tuple[tuple[str, str], ...] = field(default=())


def make_batch(dataset: Dataset, samples: Samples, planned: Planned, skip_bad_images: bool) -> MadeBatch:
    """Make the samples of a planned batch, in its order; without `skip_bad_images` a bad one raises `InputError`."""
    images = np.empty((len(planned.draws), *samples.size, 3), np.uint8)
    indices = planned.draws % len(dataset)
    kept: list[int] = []
    bad: list[tuple[str, str]] = []
    for draw, index in zip(planned.draws.tolist(), indices.tolist(), strict=True):
        try:
            images[len(kept)] = samples.make(dataset.read(index), dataset.name(index), planned.epoch, draw)
            kept.append(index)
        except InputError as error:
            if not skip_bad_images:
                raise
            bad.append((dataset.name(index), str(error)))
    used = np.array(kept, np.int64)
    labels = dataset.labels[used].astype(np.int64)
    return MadeBatch(planned.epoch, planned.step, images[: len(kept)], labels, used, tuple(bad))
