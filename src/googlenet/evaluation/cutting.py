"""The pixels of an image's views: each scale is resized once, and views that coincide are cut once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.evaluation.protocol import Protocol
from googlenet.evaluation.views import SHAPES, View, find_places
from googlenet.images.preprocessing import resize
from googlenet.network.specification import Pixels, Resize

__all__ = ["ViewSet", "cut"]


@dataclass(frozen=True)
class ViewSet:
    """The views of one image, each distinct one once."""

    pictures: NDArray[np.uint8]
    """[distinct views, height, width, 3], RGB; where there is a mirror image it follows what it mirrors."""
    places: Mapping[str, NDArray[np.int64]]
    """For each protocol's name the indices in `pictures` of its views, [views], in the order of `views.views`."""


def cut(image: NDArray[np.uint8], protocols: Sequence[Protocol], size: tuple[int, int], pixels: Pixels) -> ViewSet:
    """Return the views that `protocols` take of an RGB image uint8 [H, W, 3], for a network of (height, width) `size`.

    They are resized by the filter of `pixels`; the one view of protocol "1" is what `images.preprocessing.prepare`
    returns. No more than 16 times the short side is resized at once, so that memory is bounded whatever the shape.
    Raises `InputError` where the weights' own resize holds no crop of `size`.
    """
    shape = (image.shape[0], image.shape[1])
    found, places = find_places(shape, protocols, size, pixels)
    pictures = np.empty((len(found), *size, 3), np.uint8)
    for (x0, y0, x1, y1, width, height), taken in _sources(shape, tuple(protocols), size, pixels):
        resized = resize(image[y0:y1, x0:x1], (height, width), pixels.resize)
        for view, straight, mirrored in taken:
            picture = _taken(resized, view, size, pixels.resize)
            if straight is not None:
                pictures[straight] = picture
            if mirrored is not None:
                cv2.flip(picture, 1, pictures[mirrored])  # reversing the columns by an index is much slower
    return ViewSet(pictures, places)


_Taken = tuple[View, int | None, int | None]
"""A view, the place of it and the place of its mirror image among all; None where one is not wanted."""


@lru_cache(SHAPES)
def _sources(
    shape: tuple[int, int], protocols: tuple[Protocol, ...], size: tuple[int, int], pixels: Pixels
) -> tuple[tuple[tuple[int, ...], tuple[_Taken, ...]], ...]:
    """Group views by what is resized of the image: x0, y0, x1, y1 of the part, and its new width and height."""
    found, _ = find_places(shape, protocols, size, pixels)
    numbers = {view: number for number, view in enumerate(found)}
    straight = dict.fromkeys(replace(view, mirror=False) for view in found)
    return tuple(
        (source, tuple((view, numbers.get(view), numbers.get(replace(view, mirror=True))) for view in group))
        for source, group in groupby(sorted(straight, key=_source), key=_source)
    )


def _source(view: View) -> tuple[int, ...]:
    return (*view.part, *view.size)


def _taken(resized: NDArray[np.uint8], view: View, size: tuple[int, int], how: Resize) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = view.box
    box = resized[y0:y1, x0:x1]
    return resize(box, size, how) if view.resized else box
