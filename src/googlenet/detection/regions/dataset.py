"""Annotated pictures with their windows, as the data pipeline has its images: by number, with the windows beside."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages, Objects, keys_of
from googlenet.detection.regions.windows import Labelled, Windows
from googlenet.images.decoding import decode
from googlenet.weights.classes import Class

__all__ = ["RegionImages"]

KEPT_PIXELS = 1 << 25
"""Of decoded pictures that a process keeps, 100 MB: the windows of a batch are drawn from all pictures, so that in a
small data set each is asked for every few steps."""


class RegionImages:
    """`images` and their `windows` as a `Dataset`; it can be sent to a worker process."""

    def __init__(self, images: AnnotatedImages, windows: Windows) -> None:
        self.annotated, self._windows = images, windows
        self.classes: tuple[Class, ...] = tuple(images.classes)
        self.labels: NDArray[np.int32] = np.zeros(len(images), np.int32)
        self._decoded: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.annotated)

    def read(self, index: int) -> bytes:
        """Return a picture's file as it is stored."""
        return self.annotated.read(index)

    def name(self, index: int) -> str:
        """Return the picture's path as it is."""
        return self.annotated.name(index)

    def objects(self, index: int) -> Objects:
        """Return what is annotated in a picture."""
        return self.annotated.objects(index)

    def windows(self, index: int) -> Labelled:
        """Return the windows of a picture."""
        return self._windows.of(index)

    @property
    def all_windows(self) -> Windows:
        """Return those of all pictures."""
        return self._windows

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the pixels of a picture, uint8 [h, w, 3] RGB, decoded now or a little while ago."""
        if index in self._decoded:
            self._decoded.move_to_end(index)
            return self._decoded[index]
        found = decode(self.read(index), self.name(index))
        self._decoded[index] = found
        while len(self._decoded) > 1 and sum(one.size for one in self._decoded.values()) > 3 * KEPT_PIXELS:
            self._decoded.popitem(last=False)
        return found

    def keys(self) -> Iterable[str]:
        """Return name and objects of each picture, from the pictures' own folder: whether it is the same data."""
        found = (self.objects(index) for index in range(len(self)))
        return keys_of(self.annotated, ([one.boxes.round(3).tolist(), one.labels.tolist()] for one in found))

    def sizes(self) -> NDArray[np.int64]:
        """Return -1 for each: sizes are not asked for."""
        return np.full(len(self), -1, np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_decoded": OrderedDict()}
