"""The localisation error of ILSVRC, of boxes that were predicted elsewhere: is the class right, and where it lies?

Up to five guesses an image, each a class and a box. One is right where the image has an object of that class and the
boxes overlap by half (intersection over union) with any of that class; the image is right where one of them is.

The predictions are JSON lines, the best guess first, boxes being half-open in pixels of the original image, as those
that this package writes; what else stands in a guess is passed over:

    {"file": "ILSVRC2012_val_00000001.JPEG", "predictions": [{"id": "n01751748", "box": [111.0, 108.0, 442.0, 194.0]}]}

The truths are one JSON object, boxes being as they were annotated, first and last pixel from 0. Images without any are
left out, as the contest left out those whose annotation was doubtful:

    {"ILSVRC2012_val_00000001.JPEG": [{"wnid": "n01751748", "box": [111, 108, 441, 193]}]}
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.labels import some
from googlenet.errors import InputError, shown
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.metrics import TOP, top
from googlenet.files import read_regular, text_lines
from googlenet.images.finding import display_name
from googlenet.records import decode, parse_json
from googlenet.weights.classes import id_key

__all__ = ["LabelledBox", "Localisation", "labelled_boxes", "localisation"]

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Localisation:
    """How many guesses came before a right one in each of N images, 5 where none was right: int64 [N] both."""

    localised: NDArray[np.int64]
    """Right in class and box."""
    classified: NDArray[np.int64]
    """Right in class, wherever it is."""
    left_out: int
    """Images without truths."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: the errors of the first guess and of all five, with Wilson intervals."""
        images = len(self.localised)
        found: dict[str, Any] = {"images": images, "left_out": self.left_out}
        for name, ranks in (("localisation", self.localised), ("classification", self.classified)):
            for first in (1, TOP):
                key = f"{name}_error_top{first}"
                wrong = int((ranks >= first).sum())
                found |= {key: 1 - top(ranks, first), f"{key}_interval": share_interval(wrong, images)}
        return found


@dataclass(frozen=True)
class LabelledBox:
    """A class and where it lies, half-open."""

    id: str
    box: tuple[float, float, float, float]


def labelled_boxes(content: Any, where: str) -> dict[str, list[LabelledBox]]:
    """Return the annotated boxes of each image, of JSON as the truths above are; `InputError` names image and box."""
    if not isinstance(content, dict) or not all(isinstance(value, list) for value in content.values()):
        raise InputError(f'{where}: expected an object of images, {{"name.jpg": [{{"wnid": ..., "box": ...}}]}}')
    return {
        name: [
            _object(one, f"{where}, {shown(name)}, box {place}", last=1) for place, one in enumerate(listed, start=1)
        ]
        for name, listed in content.items()
    }


def localisation(predictions: FilePath, truths: FilePath) -> Localisation:
    """Judge the boxes in one file by those in another (both as above); images are matched by name.

    Raises `InputError` that names the line or image of what is wrong, missing or not known.
    """
    objects = _truths(truths)
    guesses = _predictions(predictions, objects, display_name(truths))
    expected = [name for name, found in objects.items() if found]
    if not expected:
        raise InputError(f"{display_name(truths)}: no image has a box; give the annotated ones")
    missing = [name for name in expected if name not in guesses]
    if missing:
        where = f"{display_name(predictions)}: {len(missing)} of {len(expected)} images are not there ({some(missing)})"
        raise InputError(f"{where}; give a line for each, with no predictions where there are none")
    judged = [_judged(guesses[name], objects[name]) for name in expected]
    localised, classified = np.array(judged, np.int64).T
    return Localisation(localised, classified, len(objects) - len(expected))


LEAST_OVERLAP = 0.5

_LONGEST_LINE = 1 << 16
_LARGEST_FILE = 1 << 28
_LARGEST_COORDINATE = 10**9  # areas stay far from the end of what floats hold


def _judged(guesses: list[LabelledBox], objects: list[LabelledBox]) -> tuple[int, int]:
    """How many guesses come before one of right class and box, and before one of right class."""
    localised = classified = TOP
    for place, guess in reversed(list(enumerate(guesses))):
        of_class = [one.box for one in objects if one.id == guess.id]
        if of_class:
            classified = place
        if any(_overlap(guess.box, box) >= LEAST_OVERLAP for box in of_class):
            localised = place
    return localised, classified


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)


def _predictions(path: FilePath, objects: Mapping[str, Any], truths: str) -> dict[str, list[LabelledBox]]:
    """The guesses for each image, by the name that it has among the truths."""
    found: dict[str, list[LabelledBox]] = {}
    line_of: dict[str, int] = {}
    for number, line in text_lines(path, _LONGEST_LINE, "prediction"):
        where = f"{display_name(path)}, line {number}"
        row = parse_json(line, where)
        if not (
            isinstance(row, dict) and isinstance(row.get("file"), str) and isinstance(row.get("predictions"), list)
        ):
            raise InputError(f'{where}: expected {{"file": ..., "predictions": [...]}}, found {shown(line.strip())}')
        name = row["file"] if row["file"] in objects else Path(row["file"]).name
        if name not in objects:
            raise InputError(f"{where}: {truths} has no image {shown(row['file'])}; leave the line out")
        if name in found:
            raise InputError(f"{where}: {shown(name)} stands in line {line_of[name]} already; keep one of them")
        if len(row["predictions"]) > TOP:
            raise InputError(f"{where}: {len(row['predictions'])} predictions, of which {TOP} count; keep the best")
        line_of[name] = number
        found[name] = [
            _object(guess, f"{where}, prediction {place}") for place, guess in enumerate(row["predictions"], start=1)
        ]
    return found


def _truths(path: FilePath) -> dict[str, list[LabelledBox]]:
    where = display_name(path)
    text = read_regular(path, _LARGEST_FILE, "list of boxes")
    if _are_predictions(text):
        raise InputError(f"{where}: predictions, where the truths belong; give the predictions first, then the truths")
    return labelled_boxes(parse_json(text, where), where)


def _are_predictions(content: bytes) -> bool:
    """Whether a file begins with a line of predictions."""
    first = content.lstrip().partition(b"\n")[0]
    try:
        row = json.loads(first) if len(first) <= _LONGEST_LINE else None
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and isinstance(row.get("file"), str) and "predictions" in row


def _object(value: Any, where: str, last: int = 0) -> LabelledBox:
    """Read a class and a box, of which `last` is how much its end lies before that of a half-open one."""
    if isinstance(value, dict):
        value = {"id": value.get("id", value.get("wnid")), "box": value.get("box")}
        value = {name: given for name, given in value.items() if given is not None}
    found = decode(LabelledBox, value, where)
    if max(map(abs, found.box)) > _LARGEST_COORDINATE:
        raise InputError(f"{where}: a box beyond {_LARGEST_COORDINATE:,} pixels, {list(found.box)}; give pixels")
    x0, y0, x1, y1 = found.box
    if x0 >= x1 + last or y0 >= y1 + last:
        raise InputError(
            f"{where}: a box without area, {list(found.box)}; give [x0, y0, x1, y1], the left upper corner first"
        )
    return LabelledBox(id_key(found.id), (x0, y0, x1 + last, y1 + last))
