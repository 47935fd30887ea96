"""What networks say of all boxes of many pictures: crops are cut by threads while the networks compute.

Boxes of several pictures go through a network together, those of a picture with many in several batches.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.regions.crop import Crops, cut, outside
from googlenet.errors import InputError
from googlenet.inference.predictor import Predictor

__all__ = ["Answer", "Boxed", "Read", "Reader", "read_boxes", "whole_box"]

TOGETHER = 128
"""Boxes whose crops are cut and go through the networks together."""

AHEAD = 2
"""Batches whose crops are cut while one is computed."""

PORTION = 16
"""Boxes of which a thread cuts the crops at a time."""

Answer = tuple[NDArray[Any], ...]
"""Arrays with a row for each box."""


class Reader(Protocol):
    """A network, and what is asked of it."""

    @property
    def predictor(self) -> Predictor: ...

    def read(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Answer:
        """Return what the network says of crops, uint8 [N, height, width, 3], with their mask; of none of them too."""
        ...


@dataclass(frozen=True)
class Boxed:
    """A picture with the boxes that are to be looked at, or the reason why there is none."""

    name: str
    image: NDArray[np.uint8] | InputError
    boxes: Boxes = field(default_factory=lambda: np.empty((0, 4)))


class Read(NamedTuple):
    """A picture, and what each reader says of its boxes."""

    picture: Boxed
    answers: list[Answer]


def read_boxes(pictures: Iterable[Boxed], readers: Sequence[Reader], context: float) -> Iterator[Read]:
    """Yield each picture with the readers' answers, in order; pictures are taken as they come, a few batches ahead.

    `context` is that of `cut`. Readers whose input has the same size share the crops.
    """
    cutter = _Cutter(readers, context)
    pool = ThreadPoolExecutor(_workers(), thread_name_prefix="regions")
    waiting: deque[_Batch] = deque()
    try:
        for batch in _batches(pictures, readers):
            cutter.begin(batch, pool)
            waiting.append(batch)
            if len(waiting) > AHEAD:
                yield from _computed(waiting.popleft(), readers)
        while waiting:
            yield from _computed(waiting.popleft(), readers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def whole_box(image: NDArray[np.uint8]) -> Boxes:
    """Return the box of a whole picture, uint8 [h, w, 3]: [1, 4]."""
    return np.array([[0.0, 0.0, image.shape[1], image.shape[0]]])


@dataclass(frozen=True)
class _Work:
    picture: Boxed
    parts: list[list[Answer]]
    """Of each reader, piece after piece."""


@dataclass(frozen=True)
class _Piece:
    """Boxes `start` to `stop` of a picture."""

    work: _Work
    start: int
    stop: int

    @property
    def image(self) -> NDArray[np.uint8]:
        assert not isinstance(self.work.picture.image, InputError)
        return self.work.picture.image

    @property
    def boxes(self) -> Boxes:
        return self.work.picture.boxes[self.start : self.stop]

    @property
    def is_last(self) -> bool:
        return self.stop == len(self.work.picture.boxes)


@dataclass
class _Batch:
    pieces: list[_Piece]
    crops: dict[tuple[int, int], list[Future[Crops]]] = field(default_factory=dict)
    """For each size of an input, portion after portion."""


def _batches(pictures: Iterable[Boxed], readers: Sequence[Reader]) -> Iterator[_Batch]:
    pieces: list[_Piece] = []
    free = TOGETHER
    for picture in pictures:
        count = len(picture.boxes)
        for reader in readers:
            reader.predictor.expect(count)
        work, start = _Work(picture, [[] for _ in readers]), 0
        while True:
            stop = min(count, start + free)
            pieces.append(_Piece(work, start, stop))
            free -= stop - start
            start = stop
            if free == 0 or len(pieces) == TOGETHER:  # of pictures without boxes too
                yield _Batch(pieces)
                pieces, free = [], TOGETHER
            if stop == count:
                break
    if pieces:
        yield _Batch(pieces)


class _Cutter:
    def __init__(self, readers: Sequence[Reader], context: float) -> None:
        self._sizes, self._context = dict.fromkeys(_size(reader) for reader in readers), context

    def begin(self, batch: _Batch, pool: ThreadPoolExecutor) -> None:
        """Have the crops of a batch cut."""
        for size in self._sizes:
            batch.crops[size] = [
                pool.submit(cut, piece.image, piece.boxes[at : at + PORTION], size, context=self._context)
                for piece in batch.pieces
                for at in range(0, len(piece.boxes), PORTION)
            ]


def _computed(batch: _Batch, readers: Sequence[Reader]) -> Iterator[Read]:
    """Compute a batch, and yield the pictures that are done with it."""
    crops = {size: _joined([future.result() for future in found], size) for size, found in batch.crops.items()}
    found = [reader.read(*crops[_size(reader)]) for reader in readers]
    at = 0
    for piece in batch.pieces:
        rows = slice(at, at + piece.stop - piece.start)
        at = rows.stop
        for parts, answer in zip(piece.work.parts, found, strict=True):
            parts.append(tuple(array[rows] for array in answer))
        if piece.is_last:
            answers = [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in piece.work.parts]
            yield Read(piece.work.picture, answers)


def _joined(crops: Sequence[Crops], size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    pixels = np.concatenate([np.empty((0, *size, 3), np.uint8), *(one.pixels for one in crops)])
    inside = np.concatenate([np.empty((0, 4), np.int64), *(one.inside for one in crops)])
    return pixels, outside(inside, size)


def _size(reader: Reader) -> tuple[int, int]:
    return reader.predictor.specification.input[1:]


def _workers() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
