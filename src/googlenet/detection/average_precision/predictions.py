"""Predictions of a detector, as a table, and the files of other programs that hold some.

Which kind of file it is, is decided by its content:

- COCO's results: a JSON list of `{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`.
- This package's own, `googlenet detect --json`: a line for each picture,
  `{"file", "detections": [{"box": [x0, y0, x1, y1], "id", "score"}]}`.
- VOC's: a folder of text files, `comp4_det_test_CLASS.txt` or `CLASS.txt`, or one of them, with lines of
  `picture score x0 y0 x1 y1`, whose boxes name their first and last pixel, counted from 1.
"""

import json
import os
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.json_entries import json_entries
from googlenet.detection.boxes import Boxes, as_boxes
from googlenet.detection.detections import Detections
from googlenet.errors import InputError, shown
from googlenet.files import open_regular, text_lines
from googlenet.images.finding import display_name
from googlenet.records import parse_json

__all__ = ["Predictions", "predictions_of", "read_predictions"]

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Predictions:
    """N detections in the pictures `files`, as they were given; pictures and classes are known by their names."""

    files: tuple[str, ...]
    """Pictures that were looked at, each once: paths, names, or numbers as text."""
    ids: tuple[str, ...]
    """Classes, each once: ids, names, or numbers as text."""
    images: NDArray[np.int64]
    """[N], indices into `files`"""
    labels: NDArray[np.int64]
    """[N], indices into `ids`"""
    boxes: Boxes
    """float64 [N, 4] as `googlenet.detection.boxes` has them"""
    scores: NDArray[np.float64]
    """[N], higher is surer"""

    def __len__(self) -> int:
        return len(self.scores)


def predictions_of(detections: Iterable[Detections]) -> Predictions:
    """Put what was detected in some pictures, each of which comes once, into one table."""
    table = _Table()
    for found in detections:
        if table.look_at(found.image):
            raise InputError(f"{shown(found.image)} comes twice; give all detections of a picture at once")
        for identifier, box, score in zip(found.ids, found.boxes.tolist(), found.scores.tolist(), strict=True):
            table.add(found.image, identifier, box, score)
    return table.read()


def read_predictions(path: FilePath) -> Predictions:
    """Read a file or folder as above; `InputError` names file, line or entry of what does not fit."""
    if os.path.isdir(path):  # noqa: PTH112
        return _read_voc(_voc_files(path), display_name(path))
    first = _first_character(path)
    if first == "[":
        return _read_coco(path)
    if first == "{":
        return _read_lines(path)
    return _read_voc([Path(path)], display_name(path))


_LARGEST_COORDINATE = 10**9  # areas stay far from the end of what floats hold
_NUMBERS = {int, float}
_LONGEST_LINE = 1 << 23
"""Bytes; tens of thousands of detections in one picture."""
_VOC_NAME = re.compile(r"(?:[^_]+_det_[^_]+_)?(.+)\.txt", re.DOTALL)


class _Table:
    """Detections while they are read."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._ids: dict[str, int] = {}
        self._images, self._labels = array("q"), array("q")
        self._boxes, self._scores = array("d"), array("d")

    def look_at(self, picture: str) -> bool:
        """Add a picture; return whether it is there already."""
        known = picture in self._files
        self._files.setdefault(picture, len(self._files))
        return known

    def add(self, picture: str, identifier: str, box: Sequence[float], score: float) -> None:
        """Add a detection of numbers; raises `InputError`, with no place in it, unless they are finite and in order."""
        x0, y0, x1, y1 = box
        most = _LARGEST_COORDINATE
        if not (-most <= x0 <= x1 <= most and -most <= y0 <= y1 <= most):
            raise InputError(
                f"a box that ends before it begins, or lies beyond {most:,} pixels, {list(box)};"
                " give the left upper corner first"
            )
        if not abs(score) < float("inf"):
            raise InputError(f"score {score}; give a finite number")
        self._images.append(self._files.setdefault(picture, len(self._files)))
        self._labels.append(self._ids.setdefault(identifier, len(self._ids)))
        self._boxes.extend(box)
        self._scores.append(score)

    def read(self) -> Predictions:
        images, labels = np.array(self._images, np.int64), np.array(self._labels, np.int64)
        scores = np.array(self._scores, np.float64)
        return Predictions(tuple(self._files), tuple(self._ids), images, labels, as_boxes(self._boxes), scores)


def _read_coco(path: FilePath) -> Predictions:
    table = _Table()
    for number, entry in enumerate(json_entries(path), start=1):
        try:
            left, top, width, height = _numbers(_field(entry, "bbox"), 4, "bbox")
            (score,) = _numbers([_field(entry, "score")], 1, "score")
            picture, category = (_name(_field(entry, name), name) for name in ("image_id", "category_id"))
            table.add(picture, category, (left, top, left + width, top + height), score)
        except InputError as error:
            raise InputError(f"{display_name(path)}, entry {number}: {error}") from None
    return table.read()


def _read_lines(path: FilePath) -> Predictions:
    table = _Table()
    for number, text in text_lines(path, _LONGEST_LINE, "prediction"):
        where = f"{display_name(path)}, line {number}"
        line = parse_json(text, where)
        found = _detections(line)
        if found is None:
            raise InputError(f'{where}: expected {{"file": ..., "detections": [...]}}, found {shown(text.strip())}')
        if table.look_at(line["file"]):
            raise InputError(f"{where}: {shown(line['file'])} stands in a line before already; keep one of them")
        for place, one in enumerate(found, start=1):
            try:
                (score,) = _numbers([_field(one, "score")], 1, "score")
                identifier = _name(_field(one, "id"), "id")
                table.add(line["file"], identifier, _numbers(_field(one, "box"), 4, "box"), score)
            except InputError as error:
                raise InputError(f"{where}, detection {place}: {error}") from None
    return table.read()


def _read_voc(files: Iterable[Path], source: str) -> Predictions:
    table = _Table()
    of_class: dict[str, Path] = {}
    for file in files:
        found = _VOC_NAME.fullmatch(file.name)
        if found is None:
            raise InputError(f"{source}: no predictions; give COCO's results, lines of JSON, or VOC's CLASS.txt")
        if (other := of_class.setdefault(found[1], file)) is not file:
            raise InputError(f"{source}: {other.name} and {file.name} are both of {shown(found[1])}; keep one of them")
        for number, line in text_lines(file, _LONGEST_LINE, "prediction"):
            try:
                picture, written = line.split(maxsplit=1)
                if "_" in written or not written.isascii():
                    raise ValueError("numbers of Python's alone")
                score, x0, y0, x1, y1 = map(float, written.split())
                table.add(picture, found[1], (x0 - 1, y0 - 1, x1, y1), score)
            except InputError as error:
                raise InputError(f"{display_name(file)}, line {number}: {error}") from None
            except ValueError:
                raise InputError(
                    f"{display_name(file)}, line {number}: expected picture, score and four corners,"
                    f" found '{shown(line.strip())}'; mend it"
                ) from None
    return table.read()


def _voc_files(folder: FilePath) -> list[Path]:
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ".txt")
    except OSError as error:
        raise InputError(f"{display_name(folder)}: cannot be read ({error.strerror or error}); check it") from None
    if not files:
        raise InputError(f"{display_name(folder)}: no .txt file in it; give a folder of VOC's CLASS.txt, or a file")
    return files


def _detections(line: Any) -> list[Any] | None:
    """Return those of a line, [] where it says why its picture could not be read; None where it is no such line."""
    if not isinstance(line, dict) or not isinstance(line.get("file"), str):
        return None
    found = [] if "error" in line else line.get("detections")
    return found if isinstance(found, list) else None


def _field(entry: Any, name: str) -> Any:
    if not isinstance(entry, dict):
        raise InputError(f"expected an object, found {shown(json.dumps(entry))}; give detections")
    if name not in entry:
        raise InputError(f"'{name}' is missing; give predictions with it")
    return entry[name]


def _numbers(values: Any, count: int, what: str) -> Sequence[float]:
    """Check that a value of JSON is so many numbers that floats can hold."""
    if not isinstance(values, list) or len(values) != count or not {*map(type, values)} <= _NUMBERS:
        told = values if count > 1 else values[0]
        raise InputError(
            f"{what} {shown(json.dumps(told))}: expected {'a number' if count == 1 else f'{count} numbers'}"
        )
    try:
        return [*map(float, values)]
    except OverflowError:
        raise InputError(f"{what}: a number beyond what floats hold; mend it") from None


def _name(value: Any, what: str) -> str:
    """Read the name of a picture or class, which may be a whole number."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise InputError(f"{what} {shown(json.dumps(value))}: expected a text or a whole number")
    return str(value)


def _first_character(path: FilePath) -> str:
    try:
        with open_regular(path) as file:
            return file.read(1 << 12).decode("utf-8-sig", "replace").lstrip()[:1]
    except OSError as error:
        raise InputError(f"{display_name(path)}: cannot be read ({error.strerror or error}); check the path") from None
