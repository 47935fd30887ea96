"""One picture of any origin, made fit to be shown: in three channels, of a bounded size."""

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Picture", "as_image", "data_uri", "file_uri", "fit"]

Picture = Image.Image | NDArray[np.uint8]


def as_image(picture: Picture) -> Image.Image:
    """Return `picture` as RGB: a Pillow image or uint8 pixels [height, width], [height, width, 1 or 3].

    Raises `ValueError` for an array of another shape or type; floats are not guessed at.
    """
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or 0 in picture.shape:
        raise ValueError(f"a picture is uint8 of [height, width] or [height, width, 3], not {_shape(picture)}")
    if picture.ndim == 3 and picture.shape[2] not in (1, 3):
        raise ValueError(f"a picture has 1 or 3 channels, last, not {_shape(picture)}")
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")


def fit(picture: Picture, size: int) -> Image.Image:
    """Return `picture` with no side over `size` pixels.

    A small one is enlarged by the largest whole factor that fits, each pixel a square, so that what the network saw
    stays visible; a large one is reduced with an antialiased filter.
    """
    image = as_image(picture)
    longest = max(image.size)
    if longest > size:
        shape = (max(round(image.width * size / longest), 1), max(round(image.height * size / longest), 1))
        return image.resize(shape, Image.Resampling.LANCZOS, reducing_gap=2.0)
    factor = size // longest
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def data_uri(picture: Picture, size: int = 224) -> str:
    """Return `picture`, fitted into `size` pixels, as a `data:` address that a page carries in itself."""
    original = as_image(picture)
    image = fit(original, size)
    content = io.BytesIO()
    if max(original.size) < size:  # enlarged pixels have hard edges, which JPEG would blur
        image.save(content, "PNG", optimize=True)
        return _address("png", content.getvalue())
    image.save(content, "JPEG", quality=88)
    return _address("jpeg", content.getvalue())


def file_uri(path: Path) -> str:
    """Return the PNG file at `path` as a `data:` address."""
    return _address("png", path.read_bytes())


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _shape(array: NDArray[np.uint8]) -> str:
    return f"{array.dtype} of {list(array.shape)}"
