"""Many images at once: decoded and prepared by threads, given in their order, in bounded memory.

How they are prepared is the caller's: a crop, or all views of a protocol.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image as Pillow

from googlenet.errors import InputError
from googlenet.images.content import Source, read_content
from googlenet.images.decoding import MAXIMUM_PIXELS, decode, open_picture
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Pixels

__all__ = ["Image", "Kept", "images_of", "read_crops", "read_images", "read_prepared"]

Prepared = TypeVar("Prepared")

Image = Source | np.ndarray
"""A picture: a path, a file's bytes, an open binary file, Pillow's, or its pixels, uint8 [height, width, 3], RGB."""


def read_crops(
    images: Iterable[Image], pixels: Pixels, size: tuple[int, int], workers: int | None = None, ahead: int = 0
) -> Iterator[tuple[str, np.ndarray | InputError]]:
    """Yield each image's name with its crop uint8 [height, width, 3] RGB, as `read_images` does."""
    return read_images(images, partial(prepare, pixels=pixels, size=size), workers, ahead)


def read_images(
    images: Iterable[Image], prepare: Callable[[np.ndarray], Prepared], workers: int | None = None, ahead: int = 0
) -> Iterator[tuple[str, Prepared | InputError]]:
    """Yield each image's name with what `prepare` made of it, or with the error that says why there is nothing.

    The name is the path, or "image 3" for the fourth where there is none ("array 3" for pixels). `images` is consumed
    as `read_prepared` takes them; what may change or close once the next image is asked for (pixels, open files) is
    copied before.
    """
    return read_prepared((_kept(image, index) for index, image in enumerate(images)), prepare, workers, ahead)


def read_prepared(
    named: "Iterable[tuple[str, Kept]]",
    prepare: Callable[[np.ndarray], Prepared],
    workers: int | None = None,
    ahead: int = 0,
) -> Iterator[tuple[str, Prepared | InputError]]:
    """Yield each image's name with what `prepare` made of its pixels, uint8 [height, width, 3], or with the error.

    `workers` threads (default: the cores, at most 8) read ahead by two images each, or by `ahead` where that is more,
    and not further, however slowly the results are taken; `named` is consumed as they are. Pictures that are decoded
    at the same time hold `MAXIMUM_PIXELS` together. Whoever stops early, or is interrupted, leaves at most one image a
    thread unfinished.
    """
    workers = workers or min(8, _cores())
    budget = _Budget(MAXIMUM_PIXELS)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read_prepared")
    waiting: deque[tuple[str, Future[Prepared | InputError]]] = deque()
    try:
        for name, kept in named:
            waiting.append((name, pool.submit(_read, kept, name, prepare, budget)))
            if len(waiting) > max(2 * workers, ahead):
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def images_of(images: Image | Iterable[Image]) -> Iterable[Image]:
    """Return what can be iterated over: a single image, of whatever kind, is the only one of its list."""
    is_single = isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Pillow.Image) or hasattr(
        images, "read"
    )
    if is_single or (isinstance(images, np.ndarray) and images.ndim <= 3):
        return [images]  # type: ignore[list-item]
    if not isinstance(images, Iterable):
        raise InputError(f"images are paths, bytes, files, Pillow's or arrays, one or many; found {type(images)}")
    return images  # type: ignore[return-value]


Kept = Path | bytes | np.ndarray | InputError
"""A picture that its giver cannot change any more, or why there is none."""


def _kept(image: object, index: int) -> tuple[str, Kept]:
    """Return an image's name, and the image in a form that its giver cannot change any more."""
    name = f"image {index}"
    try:
        match image:
            case str() | os.PathLike():
                return os.fsdecode(image), Path(os.fsdecode(image))
            case np.ndarray():
                name = f"array {index}"
                return name, _checked(image, name).copy()
            case Pillow.Image():
                name = str(getattr(image, "filename", "") or name)
                return name, decode(image, name)
            case _:
                told = getattr(image, "name", None)
                name = told if isinstance(told, str) else name
                return name, read_content(image, name)  # type: ignore[arg-type]
    except InputError as error:
        return name, error


def _checked(image: np.ndarray, name: str) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"{name}: expected uint8 [height, width, 3], found {image.dtype} {list(image.shape)}")
    return image


def _next(waiting: "deque[tuple[str, Future[Prepared | InputError]]]") -> tuple[str, Prepared | InputError]:
    name, future = waiting.popleft()
    return name, future.result()


def _read(kept: Kept, name: str, prepare: Callable[[np.ndarray], Prepared], budget: "_Budget") -> Prepared | InputError:
    try:
        if isinstance(kept, InputError):
            return kept
        if isinstance(kept, np.ndarray):
            return prepare(kept)
        picture = open_picture(kept, None if isinstance(kept, Path) else name)
        with budget.take(picture.width * picture.height):
            return prepare(picture.pixels())
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
