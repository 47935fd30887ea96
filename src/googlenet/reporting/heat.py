"""Numbers of places in a picture, shown on it: red where they are above 0, blue where they are below."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.reporting.pictures import Picture, as_image

__all__ = ["overlay", "tiled"]

_ABOVE, _BELOW = np.array([213, 62, 30], np.float32), np.array([20, 90, 200], np.float32)
_STRONGEST = 0.8
"""How far the colour of the largest number covers the picture."""
_GAP = 1
"""Pixels between the pictures of `tiled`."""


def overlay(picture: Picture, values: NDArray[np.floating], limit: float | None = None) -> Image.Image:
    """Return `picture` without its colours, and over it, as red and blue, the numbers of a grid [rows, columns].

    The grid covers the whole picture, and between the centres of its cells it is linear. The colour is strongest at
    `limit` and beyond, by default the largest absolute value. Where nothing is different from 0 there is no colour.
    """
    image = as_image(picture)
    limit = float(np.abs(values).max()) if limit is None else limit
    share = np.clip(values / limit, -1, 1) if limit > 0 else np.zeros_like(values)
    smooth = Image.fromarray(share.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    strength = np.asarray(smooth)[:, :, None]
    grey = np.asarray(image.convert("L"), np.float32)[:, :, None] * 0.75 + 64
    colour = np.where(strength > 0, _ABOVE, _BELOW)
    covered = _STRONGEST * np.abs(strength)
    return Image.fromarray(np.rint(grey * (1 - covered) + colour * covered).astype(np.uint8))


def tiled(pictures: NDArray[np.uint8], columns: int, factor: int) -> Image.Image:
    """Return small pictures [N, height, width, 3] in rows, in their order, each pixel a square of `factor` pixels."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    step_y, step_x = height * factor + _GAP, width * factor + _GAP
    page = np.full((rows * step_y - _GAP, columns * step_x - _GAP, 3), 255, np.uint8)
    for index, picture in enumerate(pictures.repeat(factor, axis=1).repeat(factor, axis=2)):
        row, column = divmod(index, columns)
        page[row * step_y :, column * step_x :][: height * factor, : width * factor] = picture
    return Image.fromarray(page)
