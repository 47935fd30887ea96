"""Images of any of our sources as a `torch.utils.data.Dataset`, for a `DataLoader` and a loop of one's own.

Which sample comes of an image is a function of (seed, epoch, draw), so that batches are the same with any number of
workers, wherever a run begins, and the same that `googlenet train` sees.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import data

from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Sampler
from googlenet.data.samples import EvaluationSamples, Samples, TrainingSamples
from googlenet.data.sources import open_dataset
from googlenet.images.crops import Sampling, find_sampling
from googlenet.images.photometric import DistortionName, find_distortion
from googlenet.network.specification import Specification
from googlenet.weights.classes import Class

__all__ = ["Batches", "EvaluationImages", "TrainingImages"]

Source = str | os.PathLike[str] | Dataset


class _Images(data.Dataset[tuple[Tensor, int]]):
    """What both kinds share: where the images are, and what is made of them."""

    def __init__(self, source: Source, samples: Samples, classes: tuple[Class, ...] | None) -> None:
        self.dataset = open_dataset(source, classes) if isinstance(source, str | os.PathLike) else source
        self.samples = samples

    @property
    def classes(self) -> tuple[Class, ...]:
        """What the labels stand for."""
        return self.dataset.classes

    @property
    def labels(self) -> NDArray[np.int32]:
        """The label of each image, an index into `classes`: int32 [N]."""
        return self.dataset.labels

    def __len__(self) -> int:
        return len(self.dataset)

    def _sample(self, epoch: int, draw: int) -> tuple[Tensor, int]:
        if data.get_worker_info() is not None:
            cv2.setNumThreads(0)  # a worker may be a fork, in which OpenCV would wait for threads that are not there
        made = self.samples.make(self.dataset, draw % len(self), epoch, draw)
        return torch.tensor(made["images"]), int(made["labels"])

    def _checked(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)


class TrainingImages(_Images):
    """Section 6's samples of a data set: (uint8 [height, width, 3] in RGB, label), made anew from the files each time.

    `source` is a folder of class folders, a list file, tar shards, "digits", or a data set; `size` the side of a sample
    or its (height, width); `sampling` and `distortion` are named as in `Recipe`. `images[epoch, draw]` is the sample
    that `googlenet train` sees in that epoch, whatever else was asked for before; draws from N on are repetitions of
    image draw % N with samples of their own. `images[index]` is any sample, by torch's generator. `batches` gives a
    `DataLoader` its order; `classes` and `labels` are the data set's. Raises `InputError` for what cannot be opened or
    read.

        images = TrainingImages("flowers/train", 224, seed=0)
        loader = torch.utils.data.DataLoader(images, batch_sampler=images.batches(32, epochs=60), num_workers=4)
        for pixels, labels in loader:                      # uint8 [32, 224, 224, 3], int64 [32]
            logits = network(googlenet.normalise(pixels, network.specification.pixels))
    """

    def __init__(
        self,
        source: Source,
        size: int | tuple[int, int] = 224,
        *,
        seed: int = 0,
        sampling: str | Sampling = "paper",
        mirror: bool = True,
        distortion: DistortionName = "howard",
        classes: tuple[Class, ...] | None = None,
    ) -> None:
        scheme = find_sampling(sampling)
        size = (size, size) if isinstance(size, int) else size
        scheme = replace(scheme, mirror=scheme.mirror and mirror)
        super().__init__(source, TrainingSamples(size, seed, scheme, find_distortion(distortion)), classes)
        self.seed = seed

    def __getitem__(self, at: int | tuple[int, int]) -> tuple[Tensor, int]:
        if isinstance(at, tuple):
            return self._sample(*at)
        return self._sample(int(torch.randint(2**63 - 1, ())), self._checked(at))

    def batches(self, batch_size: int, *, epochs: int = 1, start: int = 0, balance: bool = False) -> "Batches":
        """Return the order of `googlenet train` for a `DataLoader`'s `batch_sampler`, from step `start` on."""
        return Batches(Sampler(self.labels, batch_size, self.seed, balance=balance), epochs, start)


class EvaluationImages(_Images):
    """A data set as a network is evaluated: the central crop that its specification's pixels describe, in order.

    `images[index]` is (uint8 [height, width, 3] in RGB, label). With `classes` (those of the network) labels are
    indices into them, matched by id.
    """

    def __init__(
        self, source: Source, specification: Specification, *, classes: tuple[Class, ...] | None = None
    ) -> None:
        super().__init__(source, EvaluationSamples(specification.input[1:], specification.pixels), classes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._sample(0, self._checked(index))


class Batches(data.Sampler[list[tuple[int, int]]]):
    """The batches of a run, each a list of (epoch, draw); made by `TrainingImages.batches`."""

    def __init__(self, sampler: Sampler, epochs: int, start: int) -> None:
        self._sampler, self._epochs, self._start = sampler, epochs, start
        self.steps_per_epoch = sampler.steps_per_epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for planned in self._sampler.batches(0, self._start, self._epochs):
            yield [(planned.epoch, draw) for draw in planned.draws.tolist()]

    def __len__(self) -> int:
        return max(0, self._epochs * self.steps_per_epoch - self._start)
