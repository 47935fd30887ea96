"""From an image's file to one sample of a batch, for training and for evaluation; and a whole batch of them.

What a training sample looks like depends on (seed, epoch, draw) alone: not on the batch, the worker or the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.data.batch import Field, Gathering, MadeBatch
from googlenet.data.dataset import Dataset
from googlenet.data.remaining import TakenAway
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

__all__ = ["Augmented", "EvaluationSamples", "Samples", "TrainingSamples", "make_batch"]


class Samples(Protocol):
    """How an image becomes what a batch holds of it, under the names that `fields` declares."""

    @property
    def fields(self) -> Mapping[str, Field]: ...

    def make(self, dataset: Any, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        """Make one image's arrays; `InputError` with its name where it cannot be read.

        Samples for boxes ask more of `dataset` than a `Dataset` has.
        """
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

    @property
    def fields(self) -> Mapping[str, Field]:
        return _labelled_images(self.size)

    def make(self, dataset: Dataset, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        image = self.image(dataset.read(index), dataset.name(index), epoch, draw)
        return {"images": image, "labels": _label(dataset, index)}

    def image(self, data: bytes, name: str, epoch: int, draw: int) -> NDArray[np.uint8]:
        """Return the sample of one image's file: uint8 [height, width, 3], RGB."""
        image = open_image(data, name)
        augmented = self.draw(image.width, image.height, epoch, draw)
        return photometric.apply(image.patch(augmented.crop, self.size), augmented.distortion)


@dataclass(frozen=True)
class EvaluationSamples:
    """The central crop that the network's own `Pixels` describe."""

    size: tuple[int, int]
    pixels: Pixels

    @property
    def fields(self) -> Mapping[str, Field]:
        return _labelled_images(self.size)

    def make(self, dataset: Dataset, index: int, epoch: int, draw: int) -> Mapping[str, NDArray[Any]]:
        image = prepare(decode(dataset.read(index), dataset.name(index)), self.pixels, self.size)
        return {"images": image, "labels": _label(dataset, index)}


def make_batch(dataset: Dataset, samples: Samples, planned: Planned, skip_bad_images: bool) -> MadeBatch:
    """Make the samples of a planned batch, in its order; without `skip_bad_images` a bad one raises `InputError`."""
    gathering = Gathering(samples.fields, len(planned.draws))
    kept: list[int] = []
    bad: list[tuple[str, str]] = []
    for draw, index in zip(planned.draws.tolist(), (planned.draws % len(dataset)).tolist(), strict=True):
        try:
            gathering.add(samples.make(dataset, index, planned.epoch, draw))
            kept.append(index)
        except InputError as error:
            if not skip_bad_images and not isinstance(error, TakenAway):
                what, _, mend = str(error).rpartition("; ")  # a mended file would be other data
                raise InputError(f"{what or mend}; take it away to go on, or give --skip-bad-images") from error
            bad.append((dataset.name(index), str(error)))
    return MadeBatch(planned.epoch, planned.step, gathering.arrays(), np.array(kept, np.int64), tuple(bad))


def _labelled_images(size: tuple[int, int]) -> dict[str, Field]:
    return {"images": Field("uint8", (*size, 3)), "labels": Field("int64")}


def _label(dataset: Dataset, index: int) -> NDArray[np.int64]:
    return np.asarray(dataset.labels[index], np.int64)
