"""Many images at once: decoded and prepared by threads, given in their order, in bounded memory."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from googlenet.errors import InputError
from googlenet.images.decoding import MAXIMUM_PIXELS, open_picture
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Pixels

__all__ = ["read_crops"]


def read_crops(
    paths: Iterable[Path], pixels: Pixels, size: tuple[int, int], workers: int | None = None
) -> Iterator[tuple[Path, np.ndarray | InputError]]:
    """Yield each path with its crop uint8 [height, width, 3] RGB, or with the error that says why it has none.

    `workers` threads (default: the cores, at most 8) read ahead by two images each, and not more, however slowly the
    crops are taken; `paths` is consumed as they are. Pictures that are decoded at the same time hold
    `MAXIMUM_PIXELS` together. Whoever stops early, or is interrupted, leaves at most one image a thread unfinished.
    """
    workers = workers or min(8, _cores())
    budget = _Budget(MAXIMUM_PIXELS)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read_crops")
    ahead: deque[tuple[Path, Future[np.ndarray | InputError]]] = deque()
    try:
        for path in paths:
            ahead.append((path, pool.submit(_read, path, pixels, size, budget)))
            if len(ahead) > 2 * workers:
                yield _next(ahead)
        while ahead:
            yield _next(ahead)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next(
    ahead: "deque[tuple[Path, Future[np.ndarray | InputError]]]",
) -> tuple[Path, np.ndarray | InputError]:
    path, future = ahead.popleft()
    return path, future.result()


def _read(path: Path, pixels: Pixels, size: tuple[int, int], budget: "_Budget") -> np.ndarray | InputError:
    try:
        picture = open_picture(path)
        with budget.take(picture.width * picture.height):
            return prepare(picture.pixels(), pixels, size)
    except InputError as error:
        return error


class _Budget:
    """So many pixels at a time; a picture waits until there is room for it."""

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._changed = threading.Condition()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        amount = min(amount, self._limit)  # a larger picture, decoded at half its size, is alone
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


def _cores() -> int:
    """Count the cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
