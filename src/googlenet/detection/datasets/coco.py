"""COCO's JSON: `images`, `categories` and `annotations` of a whole split in one file."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import from_xywh
from googlenet.detection.datasets.files import (
    LARGEST_COORDINATE,
    AnnotatedFiles,
    Annotation,
    Row,
    Strays,
    annotation_of,
    files_in,
    places,
    refuse_many,
)
from googlenet.errors import InputError, shown
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class, id_key

__all__ = ["LEFT_OUT", "Coco"]

LEFT_OUT = frozenset({"segmentation", "keypoints", "caption", "licenses", "counts"})
"""What of the file is not read: it takes most of its room."""


class Coco(AnnotatedFiles):
    """The pictures of a file; `content` is its JSON without `LEFT_OUT`.

    The classes are the categories in the order of their numbers, which are the ids; with `classes`, a category is
    matched to an id, else to the name that only one class has. The pictures lie beside the file, or where COCO has
    them: for `annotations/instances_val2017.json` in `val2017` or `images/val2017`. `InputError` names the row of
    what is missing or of the wrong kind.
    """

    def __init__(self, path: Path, content: Any, classes: tuple[Class, ...] | None = None) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100
        where = display_name(path)
        images = _rows(content, "images", {"id": _whole, "file_name": _name}, where)
        categories = _rows(content, "categories", {"id": _whole, "name": _text}, where)
        boxes = _rows(content, "annotations", {"image_id": _whole, "category_id": _whole, "bbox": _box}, where)
        if not images or not categories:
            raise InputError(f"{where}: no {'categories' if images else 'images'}; give the annotations of some")
        category_of = _unique(categories, "category", where)
        numbers = sorted(category_of)
        found = tuple(Class(str(number), categories[category_of[number]]["name"]) for number in numbers)
        self.classes = classes or found
        place_of = places(self.classes)
        self._labels = {
            number: next((key for key in (one.id, one.name) if id_key(key) in place_of), one.name)
            for number, one in zip(numbers, found, strict=True)
        }
        self._place_of = place_of
        self._names = [row["file_name"] for row in images]
        self._sizes = [_size(row) for row in images]
        self.folder = _folder_of(Path(self.path), self._names)
        image_of = _unique(images, "image", where)
        self.image_ids = {str(number): place for number, place in image_of.items()}
        """The place of each picture by COCO's own number of it, as text: predictions name pictures so."""
        self._gather(boxes, image_of)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return os.path.join(self.folder, self._names[index])  # noqa: PTH118  once for each picture

    def annotation(self, index: int) -> Annotation:
        start, stop = self._starts[index : index + 2].tolist()
        where = f"{display_name(self.path)}, {shown(self._names[index])}"
        refuse_many(stop - start, where)
        rows = []
        for place, (x0, y0, x1, y1) in enumerate(from_xywh(self._boxes[start:stop]).tolist(), start=start):
            x, y, width, height = self._boxes[place].tolist()
            label = self._labels.get(int(self._categories[place]), str(self._categories[place]))
            written = f"[{x:.10g}, {y:.10g}, {width:.10g}, {height:.10g}]"
            area = float(self._areas[place])
            degenerate = not (width > 0 and height > 0)
            crowd = bool(self._crowd[place])
            rows.append(
                Row(label, (x0, y0, x1, y1), written, degenerate, crowd=crowd, area=None if math.isnan(area) else area)
            )
        return annotation_of(rows, self._place_of, self.classes, where, self._sizes[index])

    def strays(self) -> Strays:
        listed = set(map(os.path.normpath, self._names))
        there = [name for name in files_in(self.folder) if Path(name).suffix.lower() in ENDINGS]
        pictures = (os.path.join(self.folder, name) for name in there if name not in listed)  # noqa: PTH118
        lost = (f"{display_name(self.path)}, annotation {row}: no image has its image_id" for row in self._lost)
        return Strays(tuple(pictures), tuple(lost))

    def _gather(self, rows: list[dict[str, Any]], image_of: Mapping[int, int]) -> None:
        """Keep the annotations as arrays in the order of their images, and the rows that have none."""
        of_image = np.array([image_of.get(row["image_id"], -1) for row in rows], np.int64)
        self._lost = np.flatnonzero(of_image < 0).tolist()
        order = np.argsort(of_image, kind="stable")[len(self._lost) :]
        self._starts: NDArray[np.int64] = np.searchsorted(of_image[order], np.arange(len(self._names) + 1))
        self._boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)[order]
        self._categories = np.array([row["category_id"] for row in rows], np.int64)[order]
        self._crowd = np.array([row.get("iscrowd") == 1 for row in rows], np.bool_)[order]
        self._areas = np.array([_area(row) for row in rows], np.float64)[order]


def _rows(content: Any, table: str, fields: Mapping[str, Callable[[Any], bool]], where: str) -> list[dict[str, Any]]:
    """Return the rows of a table, each with fields that are as they must be."""
    rows = content.get(table)
    if not isinstance(rows, list):
        raise InputError(f"{where}: no list of {table}; give COCO's annotations")
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"{where}, {table}, row {place}: expected an object, found {shown(repr(row))}; mend it")
        for name, is_right in fields.items():
            if not is_right(row.get(name)):
                told = f"no {name}" if name not in row else f"{name} cannot be {shown(repr(row[name]))}"
                raise InputError(f"{where}, {table}, row {place}: {told}; mend it, or leave the row out")
    return rows


_LARGEST_NUMBER = 1 << 62


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _LARGEST_NUMBER


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1000


def _name(value: Any) -> bool:
    return _text(value) and "\0" not in value


def _box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_finite, value))


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST_COORDINATE


def _area(row: dict[str, Any]) -> float:
    value: Any = row.get("area")
    return float(value) if type(value) in (int, float) and 0 <= value <= LARGEST_COORDINATE**2 else math.nan


def _size(row: dict[str, Any]) -> tuple[int, int] | None:
    width: Any = row.get("width")
    height: Any = row.get("height")
    return (width, height) if _whole(width) and _whole(height) and min(width, height) > 0 else None


def _unique(rows: list[dict[str, Any]], what: str, where: str) -> dict[int, int]:
    """The row of each id; `InputError` where two rows have the same."""
    found: dict[int, int] = {}
    for place, row in enumerate(rows):
        if row["id"] in found:
            raise InputError(f"{where}: {what} {row['id']} is there twice, in rows {found[row['id']]} and {place}")
        found[row["id"]] = place
    return found


def _folder_of(path: Path, names: list[str]) -> str:
    """The folder in which the first picture lies; that of the file where it lies nowhere."""
    split = path.stem.removeprefix("instances_")
    beside, above = path.parent, path.parent.parent
    places = [beside, above, above / split, above / "images" / split, above / "images"]
    places += [beside / split, beside / "images"]
    tried = names[:5]
    return str(next((place for place in places if any((place / name).is_file() for name in tried)), beside))
