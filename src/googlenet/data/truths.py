"""The right answers of each image, of which there may be several: a picture of a cup on a desk is a cup and a desk."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Truths", "truths_of"]


class Truths(Sequence[tuple[int, ...]]):
    """Class indices of N images, at least one for each, the first being its label.

    `truths[i]` are those of image i: `classes[starts[i]:starts[i + 1]]`. `classes` is int32 [M], `starts` int64
    [N + 1]; a class stands once for an image.
    """

    def __init__(self, classes: NDArray[np.integer], starts: NDArray[np.integer]) -> None:
        self.classes: NDArray[np.int32] = np.asarray(classes, np.int32)
        self.starts: NDArray[np.int64] = np.asarray(starts, np.int64)
        if not (np.diff(self.starts) > 0).all():
            raise ValueError("an image has no right answer")

    @classmethod
    def single(cls, labels: NDArray[np.integer]) -> "Truths":
        """One for each image: int [N]."""
        return cls(labels, np.arange(len(labels) + 1))

    @classmethod
    def of(cls, rows: Iterable[Iterable[int]]) -> "Truths":
        listed = [tuple(dict.fromkeys(row)) for row in rows]
        return cls(
            np.array([index for row in listed for index in row], np.int32), _starts([len(row) for row in listed])
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[int, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> "Truths": ...

    def __getitem__(self, index: int | slice) -> "tuple[int, ...] | Truths":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        image = range(len(self))[index]
        return tuple(self.classes[self.starts[image] : self.starts[image + 1]].tolist())

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return (self[image] for image in range(len(self)))

    @property
    def first(self) -> NDArray[np.int32]:
        """The label of each image: [N]."""
        return self.classes[self.starts[:-1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many each image has: [N]."""
        return np.diff(self.starts)

    @property
    def images(self) -> NDArray[np.int64]:
        """The number of the image to which each of `classes` belongs: [M]."""
        return np.repeat(np.arange(len(self)), self.counts)

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> "Truths":
        """Those of some images, in the given order."""
        chosen = np.asarray(indices, np.int64)
        counts = self.counts[chosen]
        starts = _starts(counts)
        places = np.repeat(self.starts[chosen] - starts[:-1], counts) + np.arange(starts[-1])
        return Truths(self.classes[places], starts)

    def under(self, positions: NDArray[np.integer]) -> "Truths":
        """The same under other classes, of which `positions` gives the index of each of these: int [classes]."""
        return Truths(positions[self.classes], self.starts)


class _Labelled(Protocol):
    @property
    def labels(self) -> NDArray[np.int32]: ...


def truths_of(dataset: _Labelled) -> Truths:
    """Return the right answers of a `Dataset`: its `truths`, where it has such, or each image's one label."""
    truths: Any = getattr(dataset, "truths", None)
    if truths is None:
        return Truths.single(dataset.labels)
    return truths if isinstance(truths, Truths) else Truths.of(truths)


def _starts(counts: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
