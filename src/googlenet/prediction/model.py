"""A network ready for use: weights, classes and pixels in one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from operator import length_hint
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from googlenet.errors import InputError, counted, shown, whole
from googlenet.images.reading import Image, images_of, read_crops
from googlenet.inference.device import find_device
from googlenet.inference.engine import DeviceName, EngineName, Precision, find_engines
from googlenet.inference.predictor import BATCH, LOGITS, Predictor
from googlenet.inference.ranges import Range
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.prediction.results import Answer, Embedding, rank
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.creation import build

__all__ = ["Image", "Images", "Model"]

Images = Image | Iterable[Image]
"""One picture, or many as they come: a list, a generator."""


Batch = list[tuple[str, np.ndarray | InputError]]
Outputs = dict[str, Tensor]


class Model:
    """A trained network with its classes and pixels; made by `load`. It can be copied, pickled, and shared by threads.

    An `Ensemble` is one too, as far as `predict` and `classes` go.

    `network` is the plain module. The first picture takes its weights as they are then; what is trained further is
    saved and loaded again.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: DeviceName | str | torch.device = "auto",
        precision: Precision = "float32",
        engine: EngineName = "auto",
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        self.network: Network = build(checkpoint, auxiliary=False).eval()
        self.specification: Specification = checkpoint.specification
        self.classes: tuple[Class, ...] = checkpoint.classes
        self.provenance: Mapping[str, Any] = checkpoint.provenance
        device = str(device)
        self._computing, self._ranges = (device, precision, engine), ranges
        find_engines(self.network, find_device(device), precision, engine)

    def predict(self, images: Images, *, top: int = 5, batch_size: int = BATCH) -> Iterator[Answer]:
        """Yield an answer for each image, in order, as batches are done; pictures are decoded in parallel.

        `images` is taken as it comes, a batch and some images ahead. An image that cannot be read gives an answer with
        an `error`; the others are done all the same.
        """
        return self._answers(images_of(images), whole("top", top), whole("batch_size", batch_size))

    def embed(
        self, images: Images, *, at: str | Iterable[str] = "pool5", batch_size: int = BATCH
    ) -> Iterator[Embedding]:
        """Yield the features of each image, in order, as batches are done: `features` for any number of images.

        An image that cannot be read gives an embedding with an `error`. Raises `InputError` for an unknown name.
        """
        names = _names(at)
        for name in names:
            self.network.find_row(name)
        return self._embeddings(images_of(images), names, whole("batch_size", batch_size))

    # A str is an iterable of str too; it comes first.
    @overload
    def features(  # type: ignore[overload-overlap]
        self, images: Images, *, at: str, batch_size: int = BATCH, gradient: Literal[False] = False
    ) -> np.ndarray: ...
    @overload
    def features(
        self, images: Images, *, at: Iterable[str], batch_size: int = BATCH, gradient: Literal[False] = False
    ) -> dict[str, np.ndarray]: ...
    @overload
    def features(  # type: ignore[overload-overlap]
        self, images: Images, *, at: str, batch_size: int = BATCH, gradient: Literal[True]
    ) -> Tensor: ...
    @overload
    def features(
        self, images: Images, *, at: Iterable[str], batch_size: int = BATCH, gradient: Literal[True]
    ) -> dict[str, Tensor]: ...

    def features(
        self, images: Images, *, at: str | Iterable[str], batch_size: int = BATCH, gradient: bool = False
    ) -> Any:
        """Return the outputs of a row or layer by the paper's names, float32 [N, channels, height, width].

        `at="pool5"` gives 1024 numbers an image; several names give a dictionary by name. `input` is the normalised
        pictures, `classifier` the logits. With `gradient` these are tensors on the model's device, parts of one graph:
        `torch.autograd.grad(found["classifier"][:, 7].sum(), found["inception_5b"])`. Raises `InputError` for an
        unknown name or an unreadable image.
        """
        names = _names(at)
        if gradient:
            crops = [_good(crop) for _, crop in self._crops(images_of(images))]
            found: Any = self.predictor.features(_stacked(crops), names, gradient=True)
        else:
            rows = []
            for embedding in self.embed(images, at=names, batch_size=batch_size):
                if embedding.error is not None:
                    raise InputError(embedding.error)
                rows.append(embedding.features)
            found = {name: _stacked([row[name] for row in rows]) for name in names}
        return found[names[0]] if isinstance(at, str) else found

    def probabilities(self, crops: np.ndarray) -> np.ndarray:
        """Return float32 [N, classes] for crops uint8 [N, height, width, 3], RGB, of the network's size."""
        return torch.softmax(self.predictor(crops), dim=1).numpy()

    @cached_property
    def predictor(self) -> Predictor:
        """The way from prepared pictures to logits; made with the first picture."""
        return Predictor(self.network, self.specification.pixels, *self._computing, ranges=self._ranges)

    def __repr__(self) -> str:
        height, width = self.specification.input[1:]
        device, precision, engine = self._computing
        return (
            f"<Model {self.specification.name}: {counted(len(self.classes), 'classes')}, {height} x {width} pixels,"
            f" {precision}, device {device}, engine {engine}>"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "predictor"}

    def _answers(self, images: Iterable[Image], top: int, batch_size: int) -> Iterator[Answer]:
        for batch, found in self._outputs(images, (LOGITS,), batch_size):
            probabilities = iter(torch.softmax(found[LOGITS], dim=1).numpy() if found else ())
            for name, crop in batch:
                if isinstance(crop, InputError):
                    yield Answer(name, error=str(crop))
                else:
                    yield Answer(name, rank(next(probabilities), self.classes, top))

    def _embeddings(self, images: Iterable[Image], names: Sequence[str], batch_size: int) -> Iterator[Embedding]:
        for batch, found in self._outputs(images, names, batch_size):
            rows = iter(zip(*(found[name].numpy() for name in names), strict=True) if found else ())
            for name, crop in batch:
                if isinstance(crop, InputError):
                    yield Embedding(name, error=str(crop))
                else:
                    yield Embedding(name, dict(zip(names, next(rows), strict=True)))

    def _outputs(self, images: Iterable[Image], at: Sequence[str], size: int) -> Iterator[tuple[Batch, Outputs]]:
        """Yield each batch with the outputs of those of its images that could be read, as it is done."""
        self.predictor.expect(length_hint(images))
        waiting: deque[tuple[Batch, Callable[[], Outputs]]] = deque()
        crops = self._crops(images, ahead=size if self.predictor.in_flight else 0)
        while batch := list(islice(crops, size)):
            good = [crop for _, crop in batch if isinstance(crop, np.ndarray)]
            done = self.predictor.submit(np.stack(good), at=at, batch_size=size) if good else dict[str, Tensor]
            waiting.append((batch, done))
            if len(waiting) > self.predictor.in_flight:
                first, done = waiting.popleft()
                yield first, done()
        for last, done in waiting:
            yield last, done()

    def _crops(self, images: Iterable[Image], ahead: int = 0) -> Iterator[tuple[str, np.ndarray | InputError]]:
        return read_crops(images, self.specification.pixels, self.specification.input[1:], ahead=ahead)


def _names(at: str | Iterable[str]) -> list[str]:
    names = [at] if isinstance(at, str) else list(at) if isinstance(at, Iterable) else [at]
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"at: {shown(repr(wrong[0]))} is no name; give rows or layers by the paper's names")
    names = list(dict.fromkeys(names))
    if not names:
        raise InputError("no row or layer was named; give one or more by the paper's names")
    return names


def _good(crop: np.ndarray | InputError) -> np.ndarray:
    if isinstance(crop, InputError):
        raise crop
    return crop


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    if not arrays:
        raise InputError("no images were given")
    return np.stack(arrays)
