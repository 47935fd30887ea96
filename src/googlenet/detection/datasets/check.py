"""What is wrong with a data set of annotated objects: all is read once, and what would spoil a training is listed."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

import numpy as np

from googlenet.data.check import Checked, Duplicates, Look, SizeRange, look_through, size_ranges
from googlenet.detection.boxes import Boxes, areas, clip
from googlenet.detection.datasets.files import AnnotatedFiles, Annotation
from googlenet.errors import InputError
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class

__all__ = ["KINDS", "AnnotatedCheck", "AnnotatedPartCheck", "check_annotated"]

KINDS = (
    *("bad_images", "missing_images", "bad_annotations", "unknown_classes", "degenerate_boxes", "boxes_outside"),
    *("sizes_that_differ", "rotated_images", "images_without_entry", "entries_without_image", "near_equal_names"),
    "empty_classes",
)
"""Of what can be wrong in one part, the gravest first."""


@dataclass(frozen=True)
class AnnotatedPartCheck:
    """One data set: its counts, and a line for each thing that is wrong, by kind (`KINDS`)."""

    images: int
    objects: int
    objects_of_class: dict[str, int]
    images_without_objects: int
    width: SizeRange | None
    height: SizeRange | None
    faults: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class AnnotatedCheck(Checked[AnnotatedPartCheck]):
    """All that was found in pictures with annotated objects."""

    def _kinds(self) -> Iterable[Sequence[str]]:
        for kind in KINDS:
            yield [f"{prefix}{line}" for prefix, part in self._parts for line in part.faults.get(kind, ())]
        for both in (True, False):
            yield [one.line for one in self.duplicates if one.in_training_and_validation == both]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "training": asdict(self.training),
            "validation": asdict(self.validation) if self.validation else None,
            "duplicates": [
                {"names": one.names, "in_training_and_validation": one.in_training_and_validation}
                for one in self.duplicates
            ],
            "problems": list(self.problems),
        }


def check_annotated(
    training: AnnotatedFiles,
    validation: AnnotatedFiles | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> AnnotatedCheck:
    """Read and decode every picture and read every annotation once; `progress` is told how many more were done."""
    parts = [part for part in (training, validation) if part is not None]
    looks, groups = look_through(parts, progress)
    checks = [_check_part(part, own) for part, own in zip(parts, looks, strict=True)]
    duplicates = tuple(Duplicates.of(parts, group) for group in groups)
    return AnnotatedCheck(checks[0], checks[1] if validation else None, duplicates)


def _check_part(part: AnnotatedFiles, looks: Sequence[Look]) -> AnnotatedPartCheck:
    faults: dict[str, list[str]] = {kind: [] for kind in KINDS}
    counts: Counter[int] = Counter()
    without = 0
    for index, look in enumerate(looks):
        name = part.name(index)
        if look.reason:
            missing = not os.path.lexists(name)
            faults["missing_images" if missing else "bad_images"].append(look.reason)
        try:
            annotation = part.annotation(index)
        except InputError as error:
            if str(error) != look.reason:  # where the picture is needed to read it
                faults["bad_annotations"].append(str(error))
            continue
        labels = annotation.objects.labels.tolist()
        counts.update(labels)
        without += not labels
        faults["unknown_classes"] += annotation.unknown
        faults["degenerate_boxes"] += annotation.degenerate
        if not look.reason:
            for kind, line in _misfit(look, annotation):
                faults[kind].append(f"{display_name(name)}: {line}")
    strays = part.strays()
    faults["images_without_entry"] += (f"{display_name(path)}: no annotation is for it" for path in strays.pictures)
    faults["entries_without_image"] += (
        entry if ": " in entry else f"{display_name(entry)}: no picture is there for it" for entry in strays.entries
    )
    faults["near_equal_names"] += _near_equal(part.classes)
    faults["empty_classes"] += (f"class {one.id} has no objects" for k, one in enumerate(part.classes) if not counts[k])
    of_class = {one.id: counts[place] for place, one in enumerate(part.classes)}
    found = {kind: tuple(lines) for kind, lines in faults.items() if lines}
    return AnnotatedPartCheck(len(looks), sum(counts.values()), of_class, without, *size_ranges(looks), found)


_TOLERANCE = 0.5  # of a pixel: what rounding does to shares and scaled boxes


def _misfit(look: Look, annotation: Annotation) -> Iterator[tuple[str, str]]:
    """Say where a picture and what is annotated in it do not fit together: kind and line."""
    width, height = look.size
    boxes = annotation.objects.boxes
    if look.orientation > 1 and (why := _rotation(look, annotation)):
        yield "rotated_images", why
        return
    if annotation.size not in (None, look.size):
        declared = " x ".join(map(str, annotation.size or ()))
        yield "sizes_that_differ", f"{width} x {height} pixels, where the annotation says {declared}; mend one of them"
    if over := _outside(boxes, look.size):
        nothing = int((areas(clip(boxes, width, height)) == 0).sum())
        wholly = f", {nothing} of them wholly" if nothing else ""
        box = ", ".join(f"{side:.10g}" for side in boxes[over[0]])
        told = f"{len(over)} of {len(boxes)} boxes lie outside of its {width} x {height} pixels{wholly}"
        yield "boxes_outside", f"{told}, first [{box}] (from 0); mend them"


def _rotation(look: Look, annotation: Annotation) -> str:
    """Say why the boxes of a picture that EXIF turns may be those of the picture as it is stored; empty if not so."""
    stored = look.size[::-1] if look.orientation >= 5 else look.size
    fits = {size: not _outside(annotation.objects.boxes, size) for size in (look.size, stored)}
    told = f"EXIF orientation {look.orientation} turns it, and "
    if stored != look.size:
        if annotation.size == look.size and fits[look.size]:
            return ""
        if annotation.size == stored or (fits[stored] and not fits[look.size]):
            return f"{told}its boxes are those of the picture as stored; turn them, or take EXIF out"
    if not len(annotation.objects):
        return ""
    return f"{told}whether its boxes are turned too cannot be told; look at it, and save it turned"


def _outside(boxes: Boxes, size: tuple[int, int]) -> list[int]:
    """The numbers of the boxes that reach over the border of a picture."""
    over = (boxes[:, :2] < -_TOLERANCE) | (boxes[:, 2:] > np.array(size) + _TOLERANCE)
    return np.flatnonzero(over.any(1)).tolist()


_MOST_COMPARED = 500
_ALIKE = 0.9


def _near_equal(classes: Sequence[Class]) -> list[str]:
    """Say which names are probably meant as one class. What has a WordNet id is a class of its own."""
    named = [one.name for one in classes if one.name == one.id or not re.fullmatch(r"n\d{8}", one.id)]
    keys = {name: re.sub(r"[\W_]+", "", name.casefold()).removesuffix("s") for name in named}
    pairs = combinations(named, 2) if len(named) <= _MOST_COMPARED else ()
    near = [(one, other) for one, other in pairs if _alike(keys[one], keys[other])]
    return [
        f"classes {one} and {other}: nearly equal names; if they mean one class, give it one" for one, other in near
    ]


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other)
    if matcher.real_quick_ratio() < _ALIKE or any(map(str.isdigit, one + other)):
        return False
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE
