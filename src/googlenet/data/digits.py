"""The handwritten digits that scikit-learn ships: 1797 real images of 8 x 8 pixels, without a download."""

import io
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.randomness import generator
from googlenet.weights.classes import Class

__all__ = ["Digits"]

HELD_OUT = 1 / 5  # of the images of each class


class Digits:
    """White digits on black, as PNG files of one channel; a `Dataset`.

    `part` "train" holds four fifths of each class, "validation" the rest, "all" everything in scikit-learn's order. The
    split is the same everywhere and always.
    """

    classes = tuple(Class(str(digit), str(digit)) for digit in range(10))

    def __init__(self, part: Literal["train", "validation", "all"] = "all") -> None:
        self.part = part
        images, labels = _load()
        self.indices = _split(labels)[part]
        self.labels: NDArray[np.int32] = labels[self.indices]
        self._images = images[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(self._images[index]).save(file, "PNG", compress_level=0)
        return file.getvalue()

    def name(self, index: int) -> str:
        return f"digits/{self.indices[index]:04}.png"


@cache
def _load() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Images [1797, 8, 8] with ink from 0 to 255 (stored as 0 to 16), and their labels."""
    from sklearn.datasets import load_digits  # here, since importing it takes a second

    images, labels = load_digits(return_X_y=True)
    return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), labels.astype(np.int32)


def _split(labels: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    held_out = []
    for digit in range(10):
        members = generator(0, "digits", index=digit).permutation(np.flatnonzero(labels == digit))
        held_out.append(members[: round(HELD_OUT * len(members))])
    everything = np.arange(len(labels))
    validation = np.sort(np.concatenate(held_out))
    return {"train": np.setdiff1d(everything, validation), "validation": validation, "all": everything}
