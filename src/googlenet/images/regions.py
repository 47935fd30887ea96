"""Patches of an image file, without decoding more of it than the patch needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.images.crops import Crop, apply
from googlenet.images.decoding import decode

__all__ = ["SourceImage", "open_image"]


@dataclass(frozen=True)
class SourceImage:
    """An image of which patches can be taken; its size is that of the upright picture."""

    width: int
    height: int
    pixels: NDArray[np.uint8]

    def patch(self, crop: Crop, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Cut and resize to `size` = (height, width), as `crops.apply` does to the whole picture."""
        return apply(self.pixels, crop, size)


def open_image(data: bytes, name: str) -> SourceImage:
    """Read what is needed to say how large the image is; errors as `decoding.decode`."""
    pixels = decode(data, name)
    return SourceImage(pixels.shape[1], pixels.shape[0], pixels)
