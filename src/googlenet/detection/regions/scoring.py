"""The scores of all boxes of many pictures: crops are cut by threads while the networks compute.

Boxes of several pictures go through a network together, those of a picture with many in several batches.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.regions.crop import CONTEXT, Crops, cut, outside
from googlenet.errors import InputError
from googlenet.inference.predictor import Predictor

__all__ = ["Boxed", "Member", "Scored", "score"]

TOGETHER = 128
"""Boxes whose crops are cut and go through the networks together."""

AHEAD = 2
"""Batches whose crops are cut while one is computed."""

PORTION = 16
"""Boxes of which a thread cuts the crops at a time."""


@dataclass(frozen=True)
class Member:
    """A region classifier, and which of its outputs are the classes that are asked for: [C]."""

    predictor: Predictor
    outputs: NDArray[np.int64]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its crops."""
        return self.predictor.specification.input[1:]


@dataclass(frozen=True)
class Boxed:
    """A picture with the boxes that are to be scored, or the reason why there is none."""

    name: str
    image: NDArray[np.uint8] | InputError
    boxes: Boxes = field(default_factory=lambda: np.empty((0, 4)))


@dataclass(frozen=True)
class Scored:
    """A picture, and for each of its boxes the probability of each class, the mean over the members: [N, C]."""

    picture: Boxed
    scores: NDArray[np.float64]


def score(pictures: Iterable[Boxed], members: Sequence[Member], context: float = CONTEXT) -> Iterator[Scored]:
    """Yield each picture with its scores, in order; pictures are taken as they come, a few batches of boxes ahead.

    Members whose input has the same size share the crops.
    """
    cutter = _Cutter(members, context)
    pool = ThreadPoolExecutor(_workers(), thread_name_prefix="regions")
    waiting: deque[_Batch] = deque()
    try:
        for batch in _batches(pictures, len(members[0].outputs), members):
            cutter.begin(batch, pool)
            waiting.append(batch)
            if len(waiting) > AHEAD:
                yield from _computed(waiting.popleft(), members)
        while waiting:
            yield from _computed(waiting.popleft(), members)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Piece:
    """Boxes `start` to `stop` of a picture."""

    scored: Scored
    start: int
    stop: int

    @property
    def image(self) -> NDArray[np.uint8]:
        assert not isinstance(self.scored.picture.image, InputError)
        return self.scored.picture.image

    @property
    def boxes(self) -> Boxes:
        return self.scored.picture.boxes[self.start : self.stop]

    @property
    def is_last(self) -> bool:
        return self.stop == len(self.scored.scores)


@dataclass
class _Batch:
    pieces: list[_Piece]
    crops: dict[tuple[int, int], list[Future[Crops]]] = field(default_factory=dict)
    """For each size of an input, portion after portion."""


def _batches(pictures: Iterable[Boxed], classes: int, members: Sequence[Member]) -> Iterator[_Batch]:
    pieces: list[_Piece] = []
    free = TOGETHER
    for picture in pictures:
        count = len(picture.boxes)
        for member in members:
            member.predictor.expect(count)
        scored, start = Scored(picture, np.zeros((count, classes))), 0
        while True:
            stop = min(count, start + free)
            pieces.append(_Piece(scored, start, stop))
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
    def __init__(self, members: Sequence[Member], context: float) -> None:
        self._sizes, self._context = dict.fromkeys(member.size for member in members), context

    def begin(self, batch: _Batch, pool: ThreadPoolExecutor) -> None:
        """Have the crops of a batch cut."""
        for size in self._sizes:
            batch.crops[size] = [
                pool.submit(cut, piece.image, piece.boxes[at : at + PORTION], size, context=self._context)
                for piece in batch.pieces
                for at in range(0, len(piece.boxes), PORTION)
            ]


def _computed(batch: _Batch, members: Sequence[Member]) -> Iterator[Scored]:
    """Fill in the scores of a batch, and yield the pictures that are done with it."""
    crops = {size: _joined([future.result() for future in found], size) for size, found in batch.crops.items()}
    means = np.mean([_probabilities(member, *crops[member.size]) for member in members], axis=0)
    at = 0
    for piece in batch.pieces:
        count = piece.stop - piece.start
        piece.scored.scores[piece.start : piece.stop] = means[at : at + count]
        at += count
        if piece.is_last:
            yield piece.scored


def _joined(crops: Sequence[Crops], size: tuple[int, int]) -> Crops:
    pixels = np.concatenate([np.empty((0, *size, 3), np.uint8), *(one.pixels for one in crops)])
    return Crops(pixels, np.concatenate([np.empty((0, 4), np.int64), *(one.inside for one in crops)]))


def _probabilities(member: Member, pixels: NDArray[np.uint8], inside: NDArray[np.int64]) -> NDArray[np.float64]:
    logits = member.predictor(pixels, outside(inside, member.size))
    return logits.double().softmax(1).numpy()[:, member.outputs]


def _workers() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
