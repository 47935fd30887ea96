"""`googlenet data check`: reads everything once and lists what would spoil or bias a training."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from googlenet.data.check import DataCheck, PartCheck, check
from googlenet.data.sources import open_dataset
from googlenet.detection.datasets.check import AnnotatedCheck, AnnotatedPartCheck, check_annotated
from googlenet.detection.datasets.opening import is_annotated, open_files
from googlenet.reporting.console import data_on_stdout, json_line, printable, table
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Read every image of a data set once; name bad images, wrong annotations, empty classes, duplicates, sizes."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """A folder of class folders, a list file, tar shards; a VOC or ILSVRC folder or list, COCO's JSON, YOLO's YAML."""
    validation: Annotated[str | None, arg(metavar="DATA")] = None
    """The images to evaluate on, in which none of DATA should appear."""
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print what was found; return 1 where something is wrong."""
    if options.json:
        data_on_stdout()
    found = _check_annotated(options) if is_annotated(options.data) else _check(options)
    print(json_line(found.to_json()) if options.json else _with_problems(found))
    return 1 if found.problems else 0


def _check(options: Options) -> DataCheck:
    training = open_dataset(options.data)
    validation = open_dataset(options.validation, training.classes) if options.validation else None
    with Progress("checking", total=len(training) + len(validation or ())) as progress:
        return check(training, validation, progress.update, options.data)


def _check_annotated(options: Options) -> AnnotatedCheck:
    training = open_files(options.data)
    validation = open_files(options.validation, classes=training.classes) if options.validation else None
    with Progress("checking", total=len(training) + len(validation or ())) as progress:
        return check_annotated(training, validation, progress.update)


def _page(found: DataCheck) -> str:
    parts = {"training": found.training} | ({"validation": found.validation} if found.validation else {})
    return table(
        ["part", "images", "classes", "in the smallest", "in the largest", "widths", "heights", "bad images"],
        [(name, *_row(part)) for name, part in parts.items()],
        separators=True,
    )


def _annotated_page(found: AnnotatedCheck) -> str:
    parts = {"training": found.training} | ({"validation": found.validation} if found.validation else {})
    of_class = found.training.objects_of_class
    return "\n\n".join(
        [
            table(
                ["part", "images", "without objects", "objects", "classes", "widths", "heights"],
                [(name, *_annotated_row(part)) for name, part in parts.items()],
                separators=True,
            ),
            table(
                ["class", *(f"objects in {name}" for name in parts)],
                [(one, *(part.objects_of_class.get(one) for part in parts.values())) for one in of_class],
                separators=True,
            ),
        ]
    )


def _with_problems(found: DataCheck | AnnotatedCheck) -> str:
    page = _annotated_page(found) if isinstance(found, AnnotatedCheck) else _page(found)
    count = len(found.problems)
    lines = [printable(line) for lines in found.problems_by_kind for line in _first(lines)]
    return "\n".join([page, "", *lines, f"{count} thing{'s' * (count != 1)} to mend" if count else "nothing is wrong"])


_MOST = 20  # lines of one kind


def _first(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of one kind of problem, or the first of many."""
    if len(lines) <= _MOST:
        return lines
    return *lines[:_MOST], f"... and {len(lines) - _MOST:,} more like these; --json lists all"


def _row(part: PartCheck) -> tuple[object, ...]:
    counts = part.images_of_class.values()
    return part.images, len(part.images_of_class), min(counts), max(counts), *_sizes(part), len(part.bad_images)


def _annotated_row(part: AnnotatedPartCheck) -> tuple[object, ...]:
    return part.images, part.images_without_objects, part.objects, len(part.objects_of_class), *_sizes(part)


def _sizes(part: PartCheck | AnnotatedPartCheck) -> list[str | None]:
    return [
        None if side is None else f"{side.smallest} to {side.largest}, median {side.median}"
        for side in (part.width, part.height)
    ]
