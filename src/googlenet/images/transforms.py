"""The paper's sampling and distortions as transforms of single pictures, for input pipelines of one's own.

A transform takes and returns a Pillow picture or an array, stands in `torchvision.transforms.Compose` as it is, and can
be sent to worker processes. Called with a picture alone it draws from torch's generator, which `DataLoader` seeds in
each worker. Called with a seed it is a function of (seed, epoch, index), the one that training uses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.errors import InputError
from googlenet.images import crops, photometric
from googlenet.images.crops import Sampling, find_sampling
from googlenet.images.decoding import decode
from googlenet.images.photometric import DistortionName, find_distortion
from googlenet.randomness import generator

__all__ = ["PhotometricDistortion", "RandomResizedCrop"]

Picture = TypeVar("Picture", Image.Image, NDArray[np.uint8])
"""What goes in comes out: a Pillow picture (of any mode; RGB comes out), or uint8 [height, width, 3], RGB."""


@dataclass(frozen=True)
class RandomResizedCrop:
    """Section 6: a patch of 8 to 100 % of the picture, of aspect 3/4 to 4/3, resized in one of four ways, and mirrored.

    `size` is the side of the result, or its (height, width). `sampling` is the name of a scheme (paper, rejecting,
    smaller, larger, shift, whole, none) or a `Sampling`. Pixels are those of `googlenet train`, except for JPEG files
    of which the patch is at least twice as large as `size`: those it decodes at a fraction of their size.

        compose = torchvision.transforms.Compose([RandomResizedCrop(224), PhotometricDistortion("howard")])
    """

    size: int | tuple[int, int] = 224
    sampling: str | Sampling = "paper"

    def __post_init__(self) -> None:
        find_sampling(self.sampling)
        if min(self._size) < 1:
            raise InputError(f"size {self.size}: give at least 1 pixel")

    def __call__(self, picture: Picture, *, seed: int | None = None, epoch: int = 0, index: int = 0) -> Picture:
        """Return a patch of `picture`; with a `seed` always the same for one epoch and index."""

        def change(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            height, width = image.shape[:2]
            crop = crops.sample(width, height, find_sampling(self.sampling), _random("crop", seed, epoch, index))
            return crops.apply(image, crop, self._size)

        return _changed(picture, change)

    @property
    def _size(self) -> tuple[int, int]:
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclass(frozen=True)
class PhotometricDistortion:
    """ "The photometric distortions by Andrew Howard" (`howard`), or another set: inception, ssd, pca, none."""

    name: DistortionName = "howard"

    def __post_init__(self) -> None:
        find_distortion(self.name)

    def __call__(self, picture: Picture, *, seed: int | None = None, epoch: int = 0, index: int = 0) -> Picture:
        """Return `picture` with other colours; with a `seed` always the same for one epoch and index."""

        def change(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            distortion = photometric.sample(self.name, _random("distortion", seed, epoch, index))
            return photometric.apply(image, distortion)

        return _changed(picture, change)


def _random(purpose: str, seed: int | None, epoch: int, index: int) -> np.random.Generator:
    if seed is None:
        import torch  # here, since whoever gives a seed can do without

        seed = int(torch.randint(2**63 - 1, ()))
    return generator(seed, purpose, epoch, index)


def _changed(picture: Picture, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Picture:
    """Change a picture's pixels and give it back as what it was."""
    if isinstance(picture, Image.Image):
        return Image.fromarray(change(decode(picture)))
    if not isinstance(picture, np.ndarray):
        raise InputError(f"a picture is Pillow's or an array, found {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(f"a picture is uint8 [height, width, 3], found {picture.dtype} {list(picture.shape)}")
    return change(picture)
