"""What every source of data gives: classes, labels, and the bytes of each image."""

import os
import stat
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.data.truths import truths_of
from googlenet.errors import InputError
from googlenet.images.content import MAXIMUM_BYTES
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class

__all__ = ["Dataset", "Subset", "file_size", "read_file"]


class Dataset(Protocol):
    """Labelled images, by number. Opening one reads no image; it can be sent to a worker process.

    One whose images have several right answers has `truths` as well (see `truths_of`), with `labels` as the first.
    """

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
        """Return what an error or a report calls the image: its path as it is, or shard and member.

        The characters are the real ones, so that a program finds the file; whoever prints it escapes it.
        """
        ...


class Subset:
    """Some images of another data set, in the given order, under its classes."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | NDArray[np.integer]) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, np.int64)
        self.classes = dataset.classes
        self.truths = truths_of(dataset).take(self.indices)
        self.labels: NDArray[np.int32] = self.truths.first

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> bytes:
        return self.dataset.read(int(self.indices[index]))

    def name(self, index: int) -> str:
        return self.dataset.name(int(self.indices[index]))


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
    except InputError:  # a ValueError too
        raise
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name}: cannot be read ({reason}); check the path and its rights") from error
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"{name}: not a path ({error}); check the name") from error
