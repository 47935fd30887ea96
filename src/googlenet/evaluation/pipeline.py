"""From images to the logits of all their views, by all models: decoded once, cut on several cores while others compute.

Views of several images go through a network together, those of an image with many in one batch of its own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset
from googlenet.errors import InputError
from googlenet.evaluation.cutting import ViewSet, cut
from googlenet.evaluation.models import Judged
from googlenet.evaluation.protocol import Protocol
from googlenet.images.reading import Kept, read_prepared
from googlenet.inference.predictor import BATCH, LOGITS

__all__ = ["Seen", "Views", "computed", "forward", "read_views"]


@dataclass(frozen=True)
class Views:
    """The distinct views of one image, cut as each model wants them; models that want the same share a set."""

    width: int
    height: int
    sets: tuple[ViewSet, ...]
    """One for each model."""
    seconds: float
    """That decoding and cutting took of one core."""


@dataclass(frozen=True)
class Seen:
    """What the models make of one image's distinct views."""

    width: int
    height: int
    places: tuple[Mapping[str, NDArray[np.int64]], ...]
    """For each model, which of the distinct views each view of a protocol is."""
    logits: tuple[NDArray[np.float32], ...]
    """For each model: [distinct views, outputs]."""
    seconds: tuple[float, ...]
    """For each model, of computing."""
    preparing: float


def read_views(
    dataset: Dataset, images: Sequence[int], models: Sequence[Judged], protocols: Sequence[Protocol]
) -> Iterator[tuple[int, Views | InputError]]:
    """Yield each image's number with its views, in order, or with the reason why it has none."""
    named = ((dataset.name(index), _read(dataset, index)) for index in images)
    prepared = read_prepared(named, _Cutter(models, protocols))
    for index, (_, views) in zip(images, prepared, strict=True):
        yield index, views


def computed(
    prepared: Iterable[tuple[int, Views | InputError]], models: Sequence[Judged]
) -> Iterator[tuple[int, Seen | InputError]]:
    """Yield what the models make of all views, in order; one batch is under way while the next is cut on a GPU."""
    ahead = max((one.model.predictor.in_flight for one in models), default=0)
    waiting: deque[Callable[[], list[tuple[int, Seen | InputError]]]] = deque()
    for batch in _batches(prepared):
        waiting.append(_begin(batch, models))
        if len(waiting) > ahead:
            yield from waiting.popleft()()
    while waiting:
        yield from waiting.popleft()()


def forward(model: Judged, pictures: Sequence[NDArray[np.uint8]]) -> Callable[[], tuple[NDArray[np.float32], float]]:
    """Begin to compute; the function that is returned waits for logits [all pictures, outputs] and the seconds."""
    begun = time.perf_counter()
    wait = model.model.predictor.submit(pictures[0] if len(pictures) == 1 else np.concatenate(pictures))
    here = time.perf_counter() - begun

    def done() -> tuple[NDArray[np.float32], float]:
        begun = time.perf_counter()
        logits = wait()[LOGITS].numpy()
        return logits, here + time.perf_counter() - begun

    return done


def _begin(
    batch: Sequence[tuple[int, Views | InputError]], models: Sequence[Judged]
) -> Callable[[], list[tuple[int, Seen | InputError]]]:
    good = [views for _, views in batch if isinstance(views, Views)]
    if not good:
        return lambda: list(batch)  # type: ignore[arg-type]
    under_way = [forward(one, [views.sets[number].pictures for views in good]) for number, one in enumerate(models)]

    def done() -> list[tuple[int, Seen | InputError]]:
        seen = _parted(good, [wait() for wait in under_way])
        return [(index, views if isinstance(views, InputError) else next(seen)) for index, views in batch]

    return done


def _parted(batch: Sequence[Views], found: Sequence[tuple[NDArray[np.float32], float]]) -> Iterator[Seen]:
    """Give each image its rows of every model's logits, and its share of the seconds."""
    parts = []
    for number, (logits, _) in enumerate(found):
        counts = [len(views.sets[number].pictures) for views in batch]
        parts.append(np.split(logits, np.cumsum(counts)[:-1]))
    for place, views in enumerate(batch):
        own = tuple(part[place] for part in parts)
        shares = [len(rows) / len(everything) for rows, (everything, _) in zip(own, found, strict=True)]
        yield Seen(
            views.width,
            views.height,
            tuple(one.places for one in views.sets),
            own,
            tuple(share * seconds for share, (_, seconds) in zip(shares, found, strict=True)),
            views.seconds,
        )


def _batches(
    prepared: Iterable[tuple[int, Views | InputError]],
) -> Iterator[list[tuple[int, Views | InputError]]]:
    """Gather images until their views fill a batch."""
    batch: list[tuple[int, Views | InputError]] = []
    count = 0
    for index, views in prepared:
        batch.append((index, views))
        if isinstance(views, Views):
            count += max(len(one.pictures) for one in views.sets)
        if count >= BATCH or len(batch) >= BATCH:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _read(dataset: Dataset, index: int) -> Kept:
    try:
        return dataset.read(index)
    except InputError as error:
        return error


class _Cutter:
    """Cuts an image for all models; called by the threads that decode."""

    def __init__(self, models: Sequence[Judged], protocols: Sequence[Protocol]) -> None:
        self._wanted = [(one.size, one.model.specification.pixels) for one in models]
        self._protocols = protocols
        self._clock = threading.local()

    def __call__(self, image: NDArray[np.uint8]) -> Views:
        found: dict[object, ViewSet] = {}
        for size, pixels in self._wanted:
            if (size, pixels.resize) not in found:
                found[size, pixels.resize] = cut(image, self._protocols, size, pixels)
        height, width = image.shape[:2]
        sets = tuple(found[size, pixels.resize] for size, pixels in self._wanted)
        # What this thread has worked since the last image is this one's decoding and cutting: it does nothing else.
        now = time.thread_time()
        seconds = now - getattr(self._clock, "last", 0.0)
        self._clock.last = now
        return Views(width, height, sets, seconds)
