"""From a decoded picture to the network's input, as the network's own `Pixels` say: resize, centre crop, normalise."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from googlenet.errors import InputError
from googlenet.network.specification import Pixels, Resize

if TYPE_CHECKING:
    import torch

__all__ = ["check_fit", "normalise", "prepare", "resize", "resized_part", "resized_size"]

_LONGEST = 16  # long sides, in short sides, up to which a whole picture is resized before its crops are taken


def prepare(image: np.ndarray, pixels: Pixels, size: tuple[int, int]) -> np.ndarray:
    """Return the central crop uint8 [height, width, 3] of an RGB image uint8 [H, W, 3], for `size` = (height, width).

    The image is resized by the geometry of `pixels.resize`; the crop starts at floor((resized - size) / 2). Channels
    stay RGB: `normalise` brings them into the network's order. The ends of a picture longer than 16 times its short
    side are cut off before it is resized by its short side: they lie far outside the crop, and a single row of a
    million pixels would otherwise grow by its whole length. Raises `InputError` where the crop does not fit.
    """
    image = _centre(image, *resized_part(image.shape[:2], pixels.resize, size))
    height, width = resized_size(image.shape[:2], pixels.resize)
    check_fit(size, (height, width))
    return np.ascontiguousarray(_centre(resize(image, (height, width), pixels.resize), *size))


def resized_part(shape: tuple[int, ...], how: Resize, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) of what `how` resizes of an image of (height, width) `shape`, for crops of `size`.

    It is all of it, or its square; of a picture longer than 16 times its short side, resized by that, it is so much,
    or a pixel more where that keeps the middle where it was.
    """
    height, width = shape
    short = min(shape)
    if how.geometry == "squash":
        return height, width
    if how.geometry == "centre-square":
        return short, short
    most = short * (_LONGEST + max(size) // how.size)

    def kept(side: int) -> int:
        return side if side <= most else most + (side - most) % 2

    return kept(height), kept(width)


def resized_size(shape: tuple[int, ...], how: Resize) -> tuple[int, int]:
    """Return the (height, width) to which `how` brings an image of (height, width) `shape`, a half rounded up."""
    height, width = shape
    if how.geometry != "short-side":
        return how.size, how.size
    short = min(height, width)
    return (2 * height * how.size + short) // (2 * short), (2 * width * how.size + short) // (2 * short)


def check_fit(size: tuple[int, int], resized: tuple[int, int]) -> None:
    """Raise `InputError` where a crop of (height, width) `size` does not fit an image `resized` to (height, width)."""
    if size[0] > resized[0] or size[1] > resized[1]:
        raise InputError(
            f"a crop of {size[0]} x {size[1]} does not fit an image resized to {resized[0]} x {resized[1]};"
            f" resize to {max(size)} or more"
        )


def resize(image: np.ndarray, size: tuple[int, int], how: Resize) -> np.ndarray:
    """Resize uint8 [H, W, 3] to (height, width) with the filter of `how`; its geometry plays no part.

    With `antialias` every pixel that the filter covers counts (Pillow's resize); without, only the nearest (OpenCV's).
    """
    height, width = size
    if how.antialias:
        return np.asarray(Image.fromarray(image).resize((width, height), _ANTIALIASED[how.filter]))
    return cv2.resize(image, (width, height), interpolation=_NEAREST_PIXELS[how.filter])


def normalise(crops: "np.ndarray | torch.Tensor", pixels: Pixels) -> "torch.Tensor":
    """Return float32 [N, 3, h, w], (pixel * white / 255 - mean) / scale with channels in `pixels.order`.

    `crops` is uint8 [N, h, w, 3], RGB, an array or a tensor; a tensor's device is kept. The channels stay the last axis
    in memory.
    """
    import torch

    given = torch.tensor(crops) if isinstance(crops, np.ndarray) else crops
    if pixels.order == "BGR":
        given = given.flip(3)
    images, height, width, channels = given.shape
    values = given.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    if values.device.type != "cpu":  # numbers travel with the work; tensors would be copied there, and waited for
        for channel, (mean, scale) in enumerate(zip(pixels.mean, pixels.scale, strict=True)):
            values[..., channel].mul_(pixels.white / 255).sub_(mean).div_(scale)
        return values.permute(0, 3, 1, 2)
    rows = values.view(images * height, width * channels)
    if pixels.white != 255:
        rows *= pixels.white / 255
    rows -= rows.new_tensor(pixels.mean).repeat(width)  # a row at once is several times faster than channel by channel
    rows /= rows.new_tensor(pixels.scale).repeat(width)
    return values.permute(0, 3, 1, 2)


_ANTIALIASED = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
_NEAREST_PIXELS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def _centre(image: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
