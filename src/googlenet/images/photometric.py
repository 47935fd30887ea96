"""Photometric distortions by name: "the photometric distortions by Andrew Howard" of section 6, and their relatives.

`howard`     contrast, brightness and colour in random order, each factor in 0.5..1.5, then lighting (arXiv 1312.5402)
`inception`  brightness, saturation, hue, contrast in one of four orders, as Google's own later code has it
`ssd`        brightness, contrast, saturation, hue, each with probability 1/2, as the SSD detector has it
`pca`        lighting alone: AlexNet's noise along the principal colours
`none`       nothing

What is done to an image is drawn first, as data (`sample`), and then done (`apply`), so that it can be shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError

__all__ = ["DISTORTIONS", "Change", "Distortion", "DistortionName", "apply", "find_distortion", "sample"]

DistortionName = Literal["howard", "inception", "ssd", "pca", "none"]
DISTORTIONS: tuple[DistortionName, ...] = get_args(DistortionName)

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """One manipulation and its amount: a factor ("x"), a term in 0..255 ("+"), turns of hue, or three terms."""

    what: str
    amount: tuple[float, ...]

    def describe(self) -> str:
        form = _OPERATIONS[self.what].form
        return f"{self.what} {' '.join(form.format(value) for value in self.amount)}"


@dataclass(frozen=True)
class Distortion:
    """All that is done to one image, in order. A value is rounded and clipped to 0..255 after each change, for
    "inception" once at the end."""

    name: DistortionName
    changes: tuple[Change, ...]

    def describe(self) -> str:
        """Say in words what was done, e.g. "contrast x1.31, brightness x0.84"."""
        return ", ".join(change.describe() for change in self.changes) or "unchanged"


def find_distortion(name: str) -> DistortionName:
    """Return the name of a distortion; raises `InputError` where it is none."""
    if name not in DISTORTIONS:
        raise InputError(f"distortion '{name}' is not known; there are {', '.join(DISTORTIONS)}")
    return name


def sample(name: DistortionName, random: np.random.Generator) -> Distortion:
    """Draw what is done to one image."""
    return Distortion(name, _SAMPLERS[name](random))


def apply(image: NDArray[np.uint8], distortion: Distortion) -> NDArray[np.uint8]:
    """Change an RGB image, uint8 [height, width, 3], into another one. `image` itself stays as it is."""
    if distortion.name == "inception":
        changed: Pixels = image.astype(np.float32)
        for change in distortion.changes:
            changed = _OPERATIONS[change.what].function(changed, *change.amount)
        return _uint8(changed)
    for change in distortion.changes:
        image = _uint8(_OPERATIONS[change.what].function(image, *change.amount))
    return image


def _howard(random: np.random.Generator) -> tuple[Change, ...]:
    names = ("contrast about grey", "brightness factor", "colour")
    order = random.permutation(3)
    return (*(Change(names[i], (random.uniform(0.5, 1.5),)) for i in order), *_pca(random))


def _pca(random: np.random.Generator) -> tuple[Change, ...]:
    """AlexNet's: along each principal colour a normal amount with a tenth of that colour's deviation, once an image."""
    return (Change("lighting", tuple(float(v) for v in _PRINCIPAL_COLOURS @ random.normal(0, 0.1, 3))),)


def _inception(random: np.random.Generator) -> tuple[Change, ...]:
    changes = {
        "b": Change("brightness", (random.uniform(-32, 32),)),
        "s": Change("saturation", (random.uniform(0.5, 1.5),)),
        "h": Change("hue", (random.uniform(-0.2, 0.2),)),
        "c": Change("contrast about means", (random.uniform(0.5, 1.5),)),
    }
    return tuple(changes[letter] for letter in ("bshc", "sbch", "chbs", "hscb")[int(random.integers(4))])


def _ssd(random: np.random.Generator) -> tuple[Change, ...]:
    brightness = Change("brightness", (random.uniform(-32, 32),))
    contrast = Change("contrast about black", (random.uniform(0.5, 1.5),))
    saturation = Change("saturation", (random.uniform(0.5, 1.5),))
    hue = Change("hue", (random.uniform(-0.1, 0.1),))  # 18 of 180
    happens = random.random(4) < 0.5
    contrast_first = random.random() < 0.5
    order = [brightness, contrast, saturation, hue] if contrast_first else [brightness, saturation, hue, contrast]
    kept = {id(c) for c, yes in zip((brightness, contrast, saturation, hue), happens, strict=True) if yes}
    return tuple(change for change in order if id(change) in kept)


_SAMPLERS: dict[str, Callable[[np.random.Generator], tuple[Change, ...]]] = {
    "howard": _howard,
    "inception": _inception,
    "ssd": _ssd,
    "pca": _pca,
    "none": lambda random: (),
}

# Columns: the principal colours of natural images times their deviations, for RGB in 0..255. The constants are those of
# facebookarchive/fb.resnet.torch datasets/imagenet.lua, there for RGB in 0..1.
_PRINCIPAL_COLOURS = (
    255
    * np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    * np.array([0.2175, 0.0188, 0.0045])
)

_GREY = np.array([0.299, 0.587, 0.114])


def _affine(image: Pixels, factor: float, term: float) -> Pixels:
    """factor * image + term, rounded and clipped if `image` is uint8."""
    return cv2.addWeighted(image, factor, image, 0, term)


def _brightness(image: Pixels, term: float) -> Pixels:
    return _affine(image, 1, term)


def _brightness_factor(image: Pixels, factor: float) -> Pixels:
    return _affine(image, factor, 0)


def _contrast_about_grey(image: Pixels, factor: float) -> Pixels:
    """About the mean of the grey image, one number, as Pillow's ImageEnhance.Contrast."""
    grey = round(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0])
    return _affine(image, factor, (1 - factor) * grey)


def _contrast_about_means(image: Pixels, factor: float) -> Pixels:
    """About each channel's own mean."""
    terms = (1 - factor) * np.array(cv2.mean(image)[:3])
    return cv2.transform(image, np.column_stack([factor * np.eye(3), terms]).astype(np.float32))


def _colour(image: Pixels, factor: float) -> Pixels:
    """Away from the grey image, or towards it, as Pillow's ImageEnhance.Color."""
    matrix = factor * np.eye(3) + (1 - factor) * np.tile(_GREY, (3, 1))
    return cv2.transform(image, matrix.astype(np.float32))


def _saturation(image: Pixels, factor: float) -> Pixels:
    """Saturation (max - min) / max times `factor`, at most 1; what has no positive channel becomes grey."""
    hsv = cv2.cvtColor(image.astype(np.float32, copy=False), cv2.COLOR_RGB2HSV)
    saturation, value = hsv[..., 1], hsv[..., 2]
    saturation *= np.where(value > 0, np.float32(factor), np.float32(0))
    np.minimum(saturation, 1, out=saturation)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _hue(image: Pixels, turns: float) -> Pixels:
    """Turn the hue; the largest and the smallest channel keep their values."""
    lift = 1024.0  # turning commutes with adding a constant, and the conversion needs positive values
    hsv = cv2.cvtColor(image.astype(np.float32) + np.float32(lift), cv2.COLOR_RGB2HSV)
    hue = hsv[..., 0]
    hue += np.float32(360 * (turns % 1))  # the conversion back takes 360 for 0 by itself
    changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    changed -= np.float32(lift)
    return changed


def _lighting(image: Pixels, red: float, green: float, blue: float) -> Pixels:
    """Add a constant to each channel; to whole numbers, so that it may as well be rounded beforehand."""
    return cv2.add(image, (round(red), round(green), round(blue), 0))


@dataclass(frozen=True)
class _Operation:
    function: Callable[..., Pixels]
    form: str


_OPERATIONS = {
    "brightness": _Operation(_brightness, "{:+.0f}"),
    "brightness factor": _Operation(_brightness_factor, "x{:.2f}"),
    "contrast about grey": _Operation(_contrast_about_grey, "x{:.2f}"),
    "contrast about means": _Operation(_contrast_about_means, "x{:.2f}"),
    "contrast about black": _Operation(_brightness_factor, "x{:.2f}"),
    "colour": _Operation(_colour, "x{:.2f}"),
    "saturation": _Operation(_saturation, "x{:.2f}"),
    "hue": _Operation(_hue, "{:+.2f} turns"),
    "lighting": _Operation(_lighting, "{:+.1f}"),
}


def _uint8(image: Pixels) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image  # type: ignore[return-value]
    return cv2.add(image, 0, dtype=cv2.CV_8U)  # rounds and clips
