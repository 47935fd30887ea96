"""What data sets of files have in common: from what was written of an object to `Objects`, and what is said of it."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from googlenet.data.dataset import read_file
from googlenet.data.labels import some
from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import areas, as_boxes
from googlenet.errors import InputError, shown
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class, id_key

__all__ = ["MOST_OBJECTS", "AnnotatedFiles", "Annotation", "Row", "Strays", "annotation_of"]
__all__ += ["files_in", "number", "places", "refuse_many"]

MOST_OBJECTS = 20_000
"""Of one picture."""

LARGEST_COORDINATE = 10**9
"""In pixels: areas stay far from the end of what floats hold."""


class Row(NamedTuple):
    """One object as it was written."""

    label: str
    """the id of its class, or a name that only one class has"""
    box: tuple[float, float, float, float]
    """half-open, in pixels"""
    written: str
    """the box as it stands in the file"""
    degenerate: bool
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Annotation:
    """What is annotated in one picture, and what is wrong with it: a line each that begins with the file."""

    objects: Objects
    """without the degenerate ones and those of unknown classes"""
    size: tuple[int, int] | None
    """width and height of the picture, where the file says them"""
    degenerate: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strays:
    """What lies in the folders of a data set and belongs to nothing, by path or in words."""

    pictures: tuple[str, ...] = ()
    """without an entry among the annotations"""
    entries: tuple[str, ...] = ()
    """without a picture in the list"""


class AnnotatedFiles:
    """The base of the data sets of this folder, each an `AnnotatedImages` whose pictures are files of their own."""

    classes: tuple[Class, ...]

    def __len__(self) -> int:
        raise NotImplementedError

    def name(self, index: int) -> str:
        raise NotImplementedError

    def annotation(self, index: int) -> Annotation:
        """Return all that is said of a picture; `InputError` that names file and object where it cannot be read."""
        raise NotImplementedError

    def strays(self) -> Strays:
        """Look through the folders for what belongs to nothing."""
        return Strays()

    def read(self, index: int) -> bytes:
        return read_file(self.name(index))

    def objects(self, index: int) -> Objects:
        annotation = self.annotation(index)
        if annotation.unknown:
            raise InputError(annotation.unknown[0])
        return annotation.objects


def annotation_of(
    rows: Sequence[Row],
    place_of: dict[str, int],
    classes: Sequence[Class],
    where: str,
    size: tuple[int, int] | None = None,
    excluded: frozenset[int] = frozenset(),
) -> Annotation:
    """Build the annotation of one picture; `place_of` as `places` gives it, `where` names the file in messages."""
    refuse_many(len(rows), where)
    kept: list[tuple[Row, int]] = []
    degenerate, unknown = [], []
    for order, row in enumerate(rows, start=1):
        told = f"{where}, object {order} ({shown(row.label)})"
        place = place_of.get(id_key(row.label))
        if place is None:
            known = some([c.id for c in classes])
            unknown.append(f"{told}: its class is not among the {len(classes)} ({known}); mend it, or add the class")
        elif row.degenerate:
            degenerate.append(f"{told}: a box without area, {row.written}; it is left out")
        else:
            kept.append((row, place))
    boxes = as_boxes([row.box for row, _ in kept])
    own = areas(boxes)
    objects = Objects(
        boxes,
        np.array([place for _, place in kept], np.int64),
        np.array([row.difficult for row, _ in kept], np.bool_),
        np.array([row.crowd for row, _ in kept], np.bool_),
        np.array([a if row.area is None else row.area for (row, _), a in zip(kept, own, strict=True)], np.float64),
        excluded,
    )
    return Annotation(objects, size, tuple(degenerate), tuple(unknown))


def refuse_many(objects: int, where: str) -> None:
    """Raise `InputError` for more objects than a picture may have."""
    if objects > MOST_OBJECTS:
        raise InputError(f"{where}: {objects:,} objects, of which {MOST_OBJECTS:,} are read; leave some out")


def places(classes: Iterable[Class]) -> dict[str, int]:
    """Return the place of each class by its id, and by its name where only one has it and it is nobody's id."""
    names: dict[str, int] = {}
    several = set()
    ids = {}
    for place, one in enumerate(classes):
        name = id_key(one.name)
        several |= {name} if name in names else set()
        names[name] = place
        ids[id_key(one.id)] = place
    return {name: place for name, place in names.items() if name not in several} | ids


def number(text: str, where: str) -> float:
    """Read a coordinate; `InputError` unless it is a finite number within bounds."""
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= LARGEST_COORDINATE:
        raise InputError(f"{where}: expected a number of at most {LARGEST_COORDINATE:,}, found '{shown(text)}'")
    return value


def files_in(folder: str) -> list[str]:
    """Return the names of the files in a folder, sorted; `InputError` where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir())
    except OSError as error:
        raise InputError(f"{display_name(folder)}: cannot be read ({error.strerror or error}); check it") from error


_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
