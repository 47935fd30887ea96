"""The pictures in which a detector does best and worst, with what is annotated and what it found drawn on them.

At the score where precision and recall are balanced best over all pictures (the highest F1). Lines differ in form, not
in colour alone: dashes are annotated, a single line is a right detection, a double one a wrong one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.average_precision.results import AveragePrecision
from googlenet.detection.boxes import iou
from googlenet.detection.detector.labels import Box, Colour, label, within
from googlenet.errors import InputError, shown
from googlenet.images.decoding import decode
from googlenet.reporting.console import percent, printable
from googlenet.reporting.html import Illustration
from googlenet.reporting.pictures import data_uri, fit

__all__ = ["Balance", "remarkable"]

SHOWN = 6
"""Pictures of each kind."""

SIZE = 560
"""Pixels of a side at most."""

LETTERS = 1 / 36
"""Size of a letter, as a share of the picture's: to be read on a telephone."""

_RIGHT, _WRONG, _MISSED = (0, 114, 178), (213, 94, 0), (20, 20, 20)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Balance:
    """What is right, wrong and missed in each picture by detections of a `score` or more."""

    found: AveragePrecision

    @cached_property
    def score(self) -> float:
        """The score at which F1, of the detections of all pictures, is highest; infinite where nothing is right."""
        scores, right, counted = self.found.detected.scores, self._right, self._counted
        order = np.argsort(-scores, kind="stable")
        hits, judged = np.cumsum(right[order]), np.cumsum(counted[order])
        if not len(order) or not hits[-1]:
            return float("inf")
        last = np.append(np.diff(scores[order]) != 0, True)  # of equal scores all or none are taken
        return float(scores[order][np.argmax(np.where(last, 2 * hits / (judged + self._wanted.sum()), -1))])

    @cached_property
    def right(self) -> Numbers:
        """[pictures]"""
        return self._count(self._right)

    @cached_property
    def wrong(self) -> Numbers:
        """[pictures]"""
        return self._count(self._counted & ~self._right)

    @cached_property
    def missed(self) -> Numbers:
        """[pictures]"""
        truths = self.found.truths
        return np.bincount(truths.images[self._wanted], minlength=self.found.images) - self.right

    @property
    def f1(self) -> NDArray[np.float64]:
        """[pictures], NaN where there is nothing to be found and nothing was."""
        with np.errstate(invalid="ignore"):
            return 2 * self.right / (2 * self.right + self.wrong + self.missed)

    def shown(self, picture: int) -> tuple[Numbers, Numbers]:
        """Return the detections and objects of a picture that are drawn, by their rows in `found`."""
        detected, truths = self.found.detected, self.found.truths
        drawn = (detected.images == picture) & (detected.scores >= self.score) & self._counted
        return np.flatnonzero(drawn), np.flatnonzero((truths.images == picture) & self._wanted)

    def is_right(self, detections: Numbers) -> NDArray[np.bool_]:
        return self._right[detections]

    def missed_of(self, detections: Numbers, objects: Numbers) -> list[int]:
        """Return which of the objects of a picture none of its detections found.

        What is right found the free object of its class that it overlaps most.
        """
        detected, truths = self.found.detected, self.found.truths
        free = objects.tolist()
        for row in detections[np.argsort(-detected.scores[detections], kind="stable")].tolist():
            own = [one for one in free if truths.labels[one] == detected.labels[row]]
            if self._right[row] and own:
                overlaps = iou(detected.boxes[row : row + 1], truths.boxes[own])[0]
                free.remove(own[int(overlaps.argmax())])
        return free

    @property
    def _right(self) -> NDArray[np.bool_]:
        return self.found.matches.right[0, 0]

    @property
    def _counted(self) -> NDArray[np.bool_]:
        return self.found.matches.counted[0, 0]

    @property
    def _wanted(self) -> NDArray[np.bool_]:
        return self.found.matches.wanted[0]

    def _count(self, flags: NDArray[np.bool_]) -> Numbers:
        detected = self.found.detected
        return np.bincount(detected.images[flags & (detected.scores >= self.score)], minlength=self.found.images)


def remarkable(balance: Balance, images: AnnotatedImages) -> Mapping[str, list[Illustration]]:
    """Return the best and worst pictures, by heading; those that cannot be read are passed over."""
    f1 = balance.f1
    known = np.flatnonzero(~np.isnan(f1))
    faults = balance.wrong + balance.missed
    worst = known[np.lexsort((-faults[known], f1[known]))]
    worst = worst[faults[worst] > 0]
    best = known[np.lexsort((-balance.right[known], -f1[known]))]
    best = best[balance.right[best] > 0]
    found = {"Worst pictures": _first(balance, images, worst)}
    found["Best pictures"] = _first(balance, images, best[~np.isin(best, [*found["Worst pictures"]])])
    return {heading: [*pictures.values()] for heading, pictures in found.items() if pictures}


def _first(balance: Balance, images: AnnotatedImages, order: Numbers) -> dict[int, Illustration]:
    """The first pictures, by their numbers."""
    found: dict[int, Illustration] = {}
    for picture in order[: 4 * SHOWN].tolist():  # where most cannot be read, no more are tried
        if len(found) == SHOWN:
            break
        try:
            pixels = decode(images.read(picture), images.name(picture))
        except InputError:
            continue
        counts = f"{balance.right[picture]} right, {balance.wrong[picture]} wrong, {balance.missed[picture]} missed"
        name = shown(Path(images.name(picture)).name, 60)
        drawn = data_uri(_draw(balance, picture, pixels), SIZE)
        words = f"{name} with boxes of what is annotated and detected: {counts}"
        found[picture] = Illustration(drawn, f"{name}\n{counts}", description=words)
    return found


def _draw(balance: Balance, picture: int, pixels: NDArray[np.uint8]) -> Image.Image:
    image = fit(pixels, SIZE)
    scale = np.tile([image.width / pixels.shape[1], image.height / pixels.shape[0]], 2)
    draw, width = ImageDraw.Draw(image), max(2, round(max(image.size) / 220))
    detected, truths = balance.found.detected, balance.found.truths
    detections, objects = balance.shown(picture)
    detections = detections[np.argsort(detected.scores[detections], kind="stable")]
    for row in objects.tolist():
        _dashed(draw, within((truths.boxes[row] * scale).tolist(), image.size), width)
    right = balance.is_right(detections).tolist()
    for row, is_right in zip(detections.tolist(), right, strict=True):
        box = within((detected.boxes[row] * scale).tolist(), image.size)
        _framed(draw, box, _RIGHT if is_right else _WRONG, width, double=not is_right)
    names, taken = balance.found.classes, list[Box]()
    for row in balance.missed_of(detections, objects):
        box = within((truths.boxes[row] * scale).tolist(), image.size)
        label(draw, box, f"missed: {_short(names[truths.labels[row]].name)}", _MISSED, taken, LETTERS)
    surest = list(zip(detections.tolist(), right, strict=True))[::-1]
    for row, is_right in sorted(surest, key=lambda one: one[1]):
        box = within((detected.boxes[row] * scale).tolist(), image.size)
        told = f"{_short(names[detected.labels[row]].name)} {_score(float(detected.scores[row]))}"
        label(draw, box, f"{'✓' if is_right else '✗'} {told}", _RIGHT if is_right else _WRONG, taken, LETTERS)
    return image


def _dashed(draw: ImageDraw.ImageDraw, box: Box, width: int) -> None:
    """A white line with black dashes, which is seen on any ground."""
    x0, y0, x1, y1 = box
    draw.rectangle(box, outline=_WHITE, width=width)
    length = 4 * width
    for start in range(x0, x1, 2 * length):
        for y in (y0, y1 - width + 1):
            draw.rectangle((start, y, min(start + length, x1), y + width - 1), fill=_BLACK)
    for start in range(y0, y1, 2 * length):
        for x in (x0, x1 - width + 1):
            draw.rectangle((x, start, x + width - 1, min(start + length, y1)), fill=_BLACK)


def _framed(draw: ImageDraw.ImageDraw, box: Box, colour: Colour, width: int, *, double: bool) -> None:
    """A line of a colour between thin white ones; a double one with white in its middle."""
    x0, y0, x1, y1 = box
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=_WHITE, width=(2 * width if double else width) + 2)
    draw.rectangle(box, outline=colour, width=width)
    if double and x1 - x0 > 6 * width and y1 - y0 > 6 * width:
        inner = (x0 + 2 * width, y0 + 2 * width, x1 - 2 * width, y1 - 2 * width)
        draw.rectangle(inner, outline=colour, width=width)


def _score(score: float) -> str:
    return percent(score, 0) if 0 <= score <= 1 else f"{score:.2f}"


def _short(name: str) -> str:
    return printable(shown(name, 24))
