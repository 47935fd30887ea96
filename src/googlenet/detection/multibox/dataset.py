"""Pictures with objects as the data pipeline has its images: by number, one label for all, with the boxes beside."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages, keys_of
from googlenet.detection.boxes import Boxes
from googlenet.weights.classes import Class

__all__ = ["ObjectImages"]

OBJECT = Class("object", "object")
"""The one class of a network to which every object is alike."""


class ObjectImages:
    """`images` as a `Dataset`; their annotations are read once, here. It can be sent to a worker process.

    A crowd is not one object and stays out; difficult objects are learnt like others.
    """

    def __init__(self, images: AnnotatedImages) -> None:
        self._images = images
        self.classes = (OBJECT,)
        self.labels: NDArray[np.int32] = np.zeros(len(images), np.int32)
        found = [images.objects(index) for index in range(len(images))]
        self._boxes = [objects.boxes[~objects.crowd] for objects in found]
        self._required = [~objects.difficult[~objects.crowd] for objects in found]

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> bytes:
        """Return a picture's file as it is stored."""
        return self._images.read(index)

    def name(self, index: int) -> str:
        """Return the picture's path as it is."""
        return self._images.name(index)

    def boxes(self, index: int) -> Boxes:
        """Return the objects of a picture."""
        return self._boxes[index]

    def required(self, index: int) -> Boxes:
        """Return those that a detector must find: all that are not difficult."""
        return self._boxes[index][self._required[index]]

    @property
    def objects(self) -> int:
        """How many there are in all pictures."""
        return sum(map(len, self._boxes))

    def keys(self) -> Iterable[str]:
        """Return name and boxes of each picture, from the pictures' own folder: whether it is the same data."""
        return keys_of(self._images, (boxes.round(3).tolist() for boxes in self._boxes))

    def sizes(self) -> NDArray[np.int64]:
        """Return -1 for each: sizes are not asked for."""
        return np.full(len(self), -1, np.int64)
