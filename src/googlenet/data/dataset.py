"""What every source of data gives: classes, labels, and the bytes of each image. And the rules for matching classes."""

import os
import stat
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.images.content import MAXIMUM_BYTES
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class

__all__ = ["Dataset", "Subset", "file_size", "match", "read_file", "refuse_empty_classes"]


class Dataset(Protocol):
    """Labelled images, by number. Opening one reads no image; it can be sent to a worker process."""

    @property
    def classes(self) -> tuple[Class, ...]:
        """What the labels stand for."""
        ...

    @property
    def labels(self) -> NDArray[np.int32]:
        """The label of each image, an index into `classes`: int32 [N]."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Return an image's file as it is stored, to be decoded; `InputError` where it cannot be read."""
        ...

    def name(self, index: int) -> str:
        """Return what an error or a report calls the image: its path, or shard and member."""
        ...


class Subset:
    """Some images of another data set, in the given order, under its classes."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | NDArray[np.integer]) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, np.int64)
        self.classes = dataset.classes
        self.labels: NDArray[np.int32] = dataset.labels[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> bytes:
        return self.dataset.read(int(self.indices[index]))

    def name(self, index: int) -> str:
        return self.dataset.name(int(self.indices[index]))


def match(found: Sequence[str], classes: tuple[Class, ...], source: str) -> NDArray[np.int32]:
    """Return the index in `classes` of each class id in `found`, by id and never by position.

    `InputError` names ids that `classes` does not have. Classes without images are no error here: an evaluation may
    hold a part of the classes (`refuse_empty_classes` is for training).
    """
    position = {c.id: index for index, c in enumerate(classes)}
    unknown = [identifier for identifier in found if identifier not in position]
    if unknown:
        known = _some([c.id for c in classes])
        raise InputError(f"{source}: class {_some(unknown)} is not among the {len(classes)} classes expected ({known})")
    return np.array([position[identifier] for identifier in found], np.int32)


def refuse_empty_classes(dataset: Dataset, source: str) -> None:
    """Raise `InputError` that names the classes of which there is no image: they could not be learnt."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    empty = [c.id for c, count in zip(dataset.classes, counts, strict=True) if count == 0]
    if empty:
        raise InputError(f"{source}: no images of class {_some(empty)}; add some, or take the class out")


def file_size(path: str) -> int:
    """Return how many bytes a file has now; -1 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116  once for each image
    except (OSError, ValueError):
        return -1


def read_file(path: str) -> bytes:
    """Return a file's bytes; `InputError` where it is missing, no regular file, or larger than images may be."""
    name = display_name(path)
    try:
        status = os.stat(path)  # noqa: PTH116  once for each image
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name}: not a regular file; replace it or leave it out")
        if status.st_size > MAXIMUM_BYTES:
            raise InputError(f"{name}: larger than the {MAXIMUM_BYTES >> 20} MiB read of an image; make it smaller")
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name}: cannot be read ({reason}); check the path and its rights") from error
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"{name}: not a path ({error}); check the name") from error


def _some(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names in one line."""
    shown = ", ".join(repr(name)[1:-1] for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
