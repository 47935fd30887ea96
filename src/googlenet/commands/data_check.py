"""`googlenet data check`: reads everything once and lists what would spoil or bias a training."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from googlenet.data.check import DataCheck, PartCheck, check
from googlenet.data.sources import open_dataset
from googlenet.reporting.console import data_on_stdout, json_line, printable, table
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Read every image of a data set once; name bad images, empty classes, duplicates, sizes and imbalance."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """A folder of class folders, a list file, or tar shards."""
    validation: Annotated[str | None, arg(metavar="DATA")] = None
    """The images to evaluate on, in which none of DATA should appear."""
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print what was found; return 1 where something is wrong."""
    if options.json:
        data_on_stdout()
    training = open_dataset(options.data)
    validation = open_dataset(options.validation, training.classes) if options.validation else None
    with Progress("checking", total=len(training) + len(validation or ())) as progress:
        found = check(training, validation, progress.update, options.data)
    print(json_line(found.to_json()) if options.json else _page(found))
    return 1 if found.problems else 0


def _page(found: DataCheck) -> str:
    parts = {"training": found.training} | ({"validation": found.validation} if found.validation else {})
    lines = [
        table(
            ["part", "images", "classes", "in the smallest", "in the largest", "widths", "heights", "bad images"],
            [(name, *_row(part)) for name, part in parts.items()],
            separators=True,
        ),
        "",
        *(printable(line) for lines in found.problems_by_kind for line in _first(lines)),
        f"{len(found.problems)} thing{'s' * (len(found.problems) != 1)} to mend"
        if found.problems
        else "nothing is wrong",
    ]
    return "\n".join(lines)


_MOST = 20  # lines of one kind


def _first(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of one kind of problem, or the first of many."""
    if len(lines) <= _MOST:
        return lines
    return *lines[:_MOST], f"... and {len(lines) - _MOST:,} more like these; --json lists all"


def _row(part: PartCheck) -> tuple[object, ...]:
    counts = part.images_of_class.values()
    sizes = (
        None if side is None else f"{side.smallest} to {side.largest}, median {side.median}"
        for side in (part.width, part.height)
    )
    return part.images, len(part.images_of_class), min(counts), max(counts), *sizes, len(part.bad_images)
