"""A network ready for use: weights, classes and pixels in one."""

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from googlenet.errors import InputError
from googlenet.images.preprocessing import normalise, prepare
from googlenet.images.reading import read_crops
from googlenet.inference.evaluator import Evaluator, optimise
from googlenet.network.cost import multiply_adds
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.prediction.results import Answer, rank
from googlenet.weights.checkpoint import Checkpoint, build, read
from googlenet.weights.classes import Class

__all__ = ["Image", "Model", "load"]

Image = str | os.PathLike[str] | np.ndarray
"""A picture: a path, or its pixels, uint8 [height, width, 3], RGB."""

BATCH = 32

WORTH_PREPARING = 4e11
"""Multiply-adds, some 250 pictures of the paper's network or 20 seconds of two cores: from so much work on, the time
pays that it takes to find and prepare the fastest form of the network (`googlenet.inference.evaluator`)."""


class Model:
    """A trained network with its classes and pixels; made by `load`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.network: Network = build(checkpoint, auxiliary=False).eval()
        self.specification: Specification = checkpoint.specification
        self.classes: tuple[Class, ...] = checkpoint.classes
        self.provenance: Mapping[str, Any] = checkpoint.provenance
        self._fastest: Evaluator | None = None

    def predict(self, images: Iterable[Image], *, top: int = 5, batch_size: int = BATCH) -> Iterator[Answer]:
        """Yield an answer for each image, in order, as batches are done; pictures are decoded in parallel.

        An image that cannot be read gives an answer with an `error`; the others are done all the same.
        """
        if top < 1 or batch_size < 1:
            raise InputError(f"top and batch_size must be at least 1, found {top} and {batch_size}")
        images = list(images)
        self.expect(len(images))
        return self._predict(images, top, batch_size)

    def features(self, images: Iterable[Image], *, at: str, batch_size: int = BATCH) -> np.ndarray:
        """Return the outputs of a row or layer by the paper's names, float32 [N, channels, height, width].

        `at="pool5"` gives 1024 numbers an image. Raises `InputError` for an unknown name or an unreadable image.
        """
        images = list(images)
        self.expect(len(images))
        parts = []
        for _, crops in _batches(self._crops(images), batch_size):
            batch = normalise(np.stack([_good(crop) for crop in crops]), self.specification.pixels)
            parts.append((self._fastest or self.network).features(batch, [at])[at].numpy())
        if not parts:
            raise InputError("no images were given")
        return np.concatenate(parts)

    def expect(self, images: int) -> None:
        """Say how many images are to come: where they are many, the network is brought into its fastest form.

        `predict` and `features` do so themselves for the images of one call.
        """
        if self._fastest is None and images * multiply_adds(self.specification) >= WORTH_PREPARING:
            self._fastest = optimise(self.network)

    def probabilities(self, crops: np.ndarray) -> np.ndarray:
        """Return float32 [N, classes] for crops uint8 [N, height, width, 3], RGB, of the network's size."""
        with torch.inference_mode():
            logits = (self._fastest or self.network)(normalise(crops, self.specification.pixels))
            return torch.softmax(logits, dim=1).numpy()

    def _predict(self, images: list[Image], top: int, batch_size: int) -> Iterator[Answer]:
        for names, crops in _batches(self._crops(images), batch_size):
            good = [crop for crop in crops if isinstance(crop, np.ndarray)]
            rows = iter(self.probabilities(np.stack(good)) if good else ())
            for name, crop in zip(names, crops, strict=True):
                if isinstance(crop, InputError):
                    yield Answer(name, error=str(crop))
                else:
                    yield Answer(name, rank(next(rows), self.classes, top))

    def _crops(self, images: list[Image]) -> Iterator[tuple[str, np.ndarray | InputError]]:
        """Yield each image's name and crop; arrays and paths may be mixed, order is kept."""
        size = self.specification.input[1:]
        paths = (Path(image) for image in images if not isinstance(image, np.ndarray))
        read_paths = read_crops(paths, self.specification.pixels, size)
        for index, image in enumerate(images):
            if isinstance(image, np.ndarray):
                yield f"array {index}", _prepared(image, f"array {index}", self.specification, size)
            else:
                path, crop = next(read_paths)
                yield str(path), crop


def load(path: str | os.PathLike[str]) -> Model:
    """Return the network in a checkpoint, ready for use. Raises `InputError` that says what is wrong with the file."""
    return Model(read(path))


def _prepared(image: np.ndarray, name: str, specification: Specification, size: tuple[int, int]) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"{name}: expected uint8 [height, width, 3], found {image.dtype} {list(image.shape)}")
    return prepare(image, specification.pixels, size)


def _good(crop: np.ndarray | InputError) -> np.ndarray:
    if isinstance(crop, InputError):
        raise crop
    return crop


def _batches(
    crops: Iterator[tuple[str, np.ndarray | InputError]], size: int
) -> Iterator[tuple[list[str], list[np.ndarray | InputError]]]:
    while batch := list(islice(crops, size)):
        names, pixels = zip(*batch, strict=True)
        yield list(names), list(pixels)
