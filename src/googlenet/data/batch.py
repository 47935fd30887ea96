"""A batch: named arrays, each with its dtype and shape, beside the numbers of its images in the data set.

What is in it (images, labels, boxes, 144 views, several truths) is declared by the samples that made it; loaders,
worker processes and training carry it along without knowing.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Field", "Gathering", "MadeBatch", "counts_of"]


@dataclass(frozen=True)
class Field:
    """What samples hold under one name: a dtype, and the shape for one image.

    A batch of N images has it as [N, *shape]. Where the first length is None it differs from image to image (boxes):
    then the batch holds the rows of all images, one after the other, [sum of counts, *shape[1:]], and the counts as a
    field of its own, int64 [N], named by `counts_of`.
    """

    dtype: str
    shape: tuple[int | None, ...] = ()

    @property
    def is_ragged(self) -> bool:
        return self.shape[:1] == (None,)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that are the same in all images."""
        return tuple(length for length in self.shape if length is not None)

    def fits(self, array: NDArray[Any]) -> bool:
        """Whether an image's array is what the field says."""
        lengths = array.shape[1:] if self.is_ragged else array.shape
        return array.dtype == self.dtype and array.ndim == len(self.shape) and lengths == self.lengths

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('any' if length is None else str(length) for length in self.shape)}]"


@dataclass(frozen=True)
class MadeBatch:
    """A batch as it was made. Images that could not be read are missing and stand in `bad` as (name, reason)."""

    epoch: int
    step: int
    arrays: Mapping[str, NDArray[Any]]
    indices: NDArray[np.int64]
    """[N], the images' numbers in the data set."""
    bad: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True)
class Batch:
    """One step's images. A bad image that was skipped is missing, so that N may be smaller than planned, even 0.

    `batch["images"]` is a tensor, `len(batch)` is N. For classification there are images, uint8 [N, height, width, 3]
    in RGB, and labels, int64 [N].
    """

    epoch: int
    step: int
    arrays: "Mapping[str, torch.Tensor]"
    indices: "torch.Tensor"
    """int64 [N], the images' numbers in the data set: `dataset.name(index)` names one"""
    bad: tuple[tuple[str, str], ...] = ()
    """(name, reason) of each image that was skipped"""
    waited: float = 0.0
    """Seconds that whoever asked for this batch had to wait for it"""

    def __getitem__(self, name: str) -> "torch.Tensor":
        return self.arrays[name]

    def __len__(self) -> int:
        return len(self.indices)

    def split(self, parts: int) -> "Iterator[Batch]":
        """Yield the batch in `parts` batches, in order, sized as `Tensor.tensor_split` does; the first keeps `bad`."""
        size, larger = divmod(len(self), parts)
        cuts = [part * size + min(part, larger) for part in range(parts + 1)]
        for first, last in itertools.pairwise(cuts):
            arrays = {name: self._rows(name, first, last) for name in self.arrays}
            bad = () if first else self.bad
            yield replace(self, arrays=arrays, indices=self.indices[first:last], bad=bad)

    def _rows(self, name: str, first: int, last: int) -> "torch.Tensor":
        counts = self.arrays.get(counts_of(name))
        if counts is None:
            return self.arrays[name][first:last]
        start = int(counts[:first].sum())
        return self.arrays[name][start : start + int(counts[first:last].sum())]


def counts_of(name: str) -> str:
    """Return the name of the array that says how many rows of a ragged one belong to each image."""
    return f"{name}/counts"


class Gathering:
    """A batch in the making, of at most `most` images whose samples hold `fields`."""

    def __init__(self, fields: Mapping[str, Field], most: int) -> None:
        self._fields, self._count = fields, 0
        self._fixed: dict[str, NDArray[Any]] = {
            name: np.empty((most, *one.lengths), one.dtype) for name, one in fields.items() if not one.is_ragged
        }
        self._ragged: dict[str, list[NDArray[Any]]] = {name: [] for name, one in fields.items() if one.is_ragged}

    def add(self, sample: Mapping[str, NDArray[Any]]) -> None:
        """Take one image's arrays; `ValueError` where they are not what the fields say."""
        if sample.keys() != self._fields.keys():
            raise ValueError(f"a sample holds {', '.join(sample)}, declared were {', '.join(self._fields)}")
        for name, one in self._fields.items():
            array = sample[name]
            if not one.fits(array):
                raise ValueError(f"{name}: a sample is {array.dtype} {list(array.shape)}, declared was {one}")
        for name in self._fixed:
            self._fixed[name][self._count] = sample[name]
        for name, parts in self._ragged.items():
            parts.append(sample[name])
        self._count += 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of what was taken."""
        found = {name: array[: self._count] for name, array in self._fixed.items()}
        for name, parts in self._ragged.items():
            one = self._fields[name]
            found[name] = np.concatenate([np.empty((0, *one.lengths), one.dtype), *parts])
            found[counts_of(name)] = np.array([len(part) for part in parts], np.int64)
        return found
