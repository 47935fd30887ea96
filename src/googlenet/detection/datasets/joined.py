"""Several data sets as one: their pictures one after the other, under the classes of all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import AnnotatedImages, Objects
from googlenet.weights.classes import Class, id_key

__all__ = ["Joined"]


class Joined:
    """`sets` as one `AnnotatedImages`; classes with the same id are one, those of the first set come first."""

    def __init__(self, sets: Sequence[AnnotatedImages]) -> None:
        self._sets = tuple(sets)
        classes: dict[str, Class] = {}
        for one in self._sets:
            for found in one.classes:
                classes.setdefault(id_key(found.id), found)
        self.classes = tuple(classes.values())
        places = {key: place for place, key in enumerate(classes)}
        self._labels = [np.array([places[id_key(found.id)] for found in one.classes], np.int64) for one in self._sets]
        self._ends: NDArray[np.int64] = np.cumsum([len(one) for one in self._sets])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, index: int) -> bytes:
        part, own = self._place(index)
        return self._sets[part].read(own)

    def name(self, index: int) -> str:
        part, own = self._place(index)
        return self._sets[part].name(own)

    def objects(self, index: int) -> Objects:
        part, own = self._place(index)
        found, labels = self._sets[part].objects(own), self._labels[part]
        excluded = frozenset(int(labels[label]) for label in found.excluded)
        return replace(found, labels=labels[found.labels], excluded=excluded)

    def _place(self, index: int) -> tuple[int, int]:
        """The number of the set that holds a picture, and the picture's own number in it."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self._ends, index, side="right"))
        return part, index - int(self._ends[part]) + len(self._sets[part])
