"""The sampling of section 6: a patch of 8 to 100 % of the image, of aspect 3/4 to 4/3, resized in one of four ways.

The paper says that the areas are "distributed evenly". Drawing area and aspect together and rejecting what does not fit
breaks that: the larger a patch, the more often it is rejected (on a 16:9 image none above 75 % survives). The default
here draws the area once and keeps it; the aspect is then drawn from what fits, and leaves 3/4 to 4/3 only where no
aspect inside fits that area.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.images.area import resize_by_area

__all__ = ["INTERPOLATIONS", "SCHEMES", "Crop", "Sampling", "apply", "find_sampling", "resize", "sample"]

Box = tuple[int, int, int, int]  # x0, y0, width, height
INTERPOLATIONS = ("bilinear", "area", "nearest", "cubic")


@dataclass(frozen=True)
class Sampling:
    """How patches are drawn. `SCHEMES` holds the named ones.

    `law`: "even" keeps the area law exact; "rejecting" is the usual form (ten tries, then the whole image cut to the
    nearest aspect in range); "shift" takes the whole image, moved by up to `shift` of its sides, for images too small
    to be cut (what comes in from outside is the image reflected); "whole" takes all of it.
    `area` is a share of the image, drawn uniformly; `aspect` is width over height, drawn log-uniformly, so that wide
    and tall are equally likely. `interpolations` are equally likely, as is the mirror image.
    """

    law: Literal["even", "rejecting", "shift", "whole"] = "even"
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    shift: float = 1 / 8
    mirror: bool = True
    interpolations: tuple[str, ...] = INTERPOLATIONS


SCHEMES: dict[str, Sampling] = {
    "paper": Sampling(),
    "rejecting": Sampling(law="rejecting"),
    # "some models were trained on smaller relative crops, others on larger ones": the paper gives no figures
    "smaller": Sampling(area=(0.08, 0.5)),
    "larger": Sampling(area=(0.4, 1.0)),
    "shift": Sampling(law="shift", interpolations=("bilinear",)),
    "whole": Sampling(law="whole", interpolations=("bilinear",)),
    "none": Sampling(law="whole", interpolations=("bilinear",), mirror=False),
}


def find_sampling(sampling: str | Sampling) -> Sampling:
    """Return a scheme by its name, or the one that is given; raises `InputError` for an unknown name."""
    if isinstance(sampling, Sampling):
        return sampling
    if sampling not in SCHEMES:
        raise InputError(f"sampling '{sampling}' is not known; there are {', '.join(SCHEMES)}")
    return SCHEMES[sampling]


@dataclass(frozen=True)
class Crop:
    """One patch in pixels of the image, and how it becomes the network's input."""

    x0: int
    y0: int
    width: int
    height: int
    mirror: bool
    interpolation: str

    def describe(self, width: int, height: int) -> str:
        """Say in words what was taken of an image of `width` x `height`."""
        share = self.width * self.height / (width * height)
        mirrored = ", mirrored" if self.mirror else ""
        return f"{share:.0%} of the area, aspect {self.width / self.height:.2f}, {self.interpolation}{mirrored}"


def sample(width: int, height: int, sampling: Sampling, random: np.random.Generator) -> Crop:
    """Draw a patch of an image of `width` x `height` pixels.

    The patch lies inside the image, and both ends of the possible offsets occur; the law "shift" alone moves it over
    the border. How many numbers are drawn from `random` depends on the law and, for "rejecting", on luck.
    """
    x0, y0, patch_width, patch_height = _LAWS[sampling.law](width, height, sampling, random)
    interpolation = sampling.interpolations[int(random.integers(len(sampling.interpolations)))]
    mirror = bool(random.integers(2)) if sampling.mirror else False
    return Crop(x0, y0, patch_width, patch_height, mirror, interpolation)


def apply(image: NDArray[np.uint8], crop: Crop, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut the patch out of an image [height, width, 3] and resize it to `size` = (height, width), uint8."""
    image_height, image_width = image.shape[:2]
    left, top = max(0, -crop.x0), max(0, -crop.y0)
    right = max(0, crop.x0 + crop.width - image_width)
    bottom = max(0, crop.y0 + crop.height - image_height)
    if left or top or right or bottom:
        image = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    x0, y0 = crop.x0 + left, crop.y0 + top
    patch = resize(image[y0 : y0 + crop.height, x0 : x0 + crop.width], size, crop.interpolation)
    return cv2.flip(patch, 1) if crop.mirror else patch


def resize(patch: NDArray[np.uint8], size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    """Resize [h, w, 3] to `size` = (height, width) with one of the paper's four interpolations.

    bilinear and cubic (a = -0.75, clipped to 0..255) read the nearest two and four pixels of each axis, without
    antialiasing; nearest takes the pixel under the centre; area is the mean over the output pixel's own footprint.
    """
    height, width = size
    if interpolation == "area":
        return resize_by_area(patch, height, width)
    return cv2.resize(patch, (width, height), interpolation=_CV2[interpolation])


_CV2 = {"bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST_EXACT, "cubic": cv2.INTER_CUBIC}


def _even(width: int, height: int, sampling: Sampling, random: np.random.Generator) -> Box:
    """Draw the area once, then an aspect among those that fit it; where none in range fits, take the nearest."""
    area = random.uniform(*sampling.area) * width * height
    narrowest, widest = area / height**2, width**2 / area  # the aspects at which the patch fills the height, the width
    low, high = max(sampling.aspect[0], narrowest), min(sampling.aspect[1], widest)
    position = random.random()
    if low <= high:
        aspect = math.exp(math.log(low) + position * math.log(high / low))
    else:
        aspect = narrowest if narrowest > sampling.aspect[1] else widest
    patch_width = min(max(round(math.sqrt(area * aspect)), 1), width)
    patch_height = min(max(round(area / patch_width), 1), height)
    return _place(width, height, patch_width, patch_height, random)


def _rejecting(width: int, height: int, sampling: Sampling, random: np.random.Generator) -> Box:
    """Ten tries of area and aspect together, the first that fits wins; else the image cut to the aspect, centred."""
    for _ in range(10):
        area = random.uniform(*sampling.area) * width * height
        aspect = math.exp(random.uniform(math.log(sampling.aspect[0]), math.log(sampling.aspect[1])))
        patch_width, patch_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < patch_width <= width and 0 < patch_height <= height:
            return _place(width, height, patch_width, patch_height, random)
    patch_width = min(max(round(height * sampling.aspect[1]), 1), width)
    patch_height = min(max(round(width / sampling.aspect[0]), 1), height)
    return (width - patch_width) // 2, (height - patch_height) // 2, patch_width, patch_height


def _shift(width: int, height: int, sampling: Sampling, random: np.random.Generator) -> Box:
    across, down = round(width * sampling.shift), round(height * sampling.shift)
    return int(random.integers(-across, across + 1)), int(random.integers(-down, down + 1)), width, height


def _whole(width: int, height: int, sampling: Sampling, random: np.random.Generator) -> Box:
    return 0, 0, width, height


_LAWS: dict[str, Callable[[int, int, Sampling, np.random.Generator], Box]] = {
    "even": _even,
    "rejecting": _rejecting,
    "shift": _shift,
    "whole": _whole,
}


def _place(width: int, height: int, patch_width: int, patch_height: int, random: np.random.Generator) -> Box:
    """Any offset that keeps the patch inside, both ends included."""
    x0 = int(random.integers(0, width - patch_width + 1))
    y0 = int(random.integers(0, height - patch_height + 1))
    return x0, y0, patch_width, patch_height
