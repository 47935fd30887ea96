"""`googlenet propose`: boxes where objects may lie, of one source or several, and how many objects they cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from googlenet.commands.runs import stopped
from googlenet.detection.annotations import Objects
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.coverage import Coverage, arms_of
from googlenet.detection.proposals.pictures import Pictures
from googlenet.detection.proposals.proposing import Proposals, propose
from googlenet.detection.proposals.sources import open_source
from googlenet.detection.proposals.union import union
from googlenet.errors import BrokenOff, InputError, after_work, counted
from googlenet.files import expect_folder
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images, image_arguments
from googlenet.inference.engine import Computing
from googlenet.reporting.console import json_line, printable, say, table
from googlenet.reporting.progress import Progress


@dataclass(frozen=True)
class Options:
    """Propose boxes for images; with --truth, say how many of the annotated objects they cover."""

    images: Annotated[Positional[tuple[str, ...]], arg(metavar="IMAGE...")] = ()
    """Images, folders, patterns; - reads a list of paths from standard input. With --truth: those of its images."""
    source: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="SOURCE")] = ()
    """selective-search:SETTINGS (the default) or multibox:FILE,boxes=200; give several for their union."""
    cache: Annotated[Optional[Path], arg(metavar="FOLDER")] = None  # noqa: UP045
    """Where boxes are kept and found again, by picture, settings and weights."""
    truth: Annotated[Optional[str], arg(metavar="DATA")] = None  # noqa: UP045
    """A data set with annotated objects: VOC, ILSVRC, COCO, YOLO (docs/commands/data.md); all its images are taken."""
    split: Annotated[Optional[str], arg(metavar="NAME")] = None  # noqa: UP045
    """Which list or part of DATA (default: all of it)."""
    report: Annotated[Optional[Path], arg(metavar="FOLDER")] = None  # noqa: UP045
    """Write what is covered as a page with curves and tables, and as JSON; with --truth."""
    draw: Annotated[Optional[Path], arg(metavar="FOLDER")] = None  # noqa: UP045
    """Write a PNG of each image with its best boxes."""
    null: Annotated[bool, arg(aliases=["-0"])] = False
    """The paths on standard input end in zero bytes, as `find -print0` writes them."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print one JSON object a line for each image (docs/json.md)."""


def run(options: Options) -> int:
    """Print the boxes of each image, or how many there are; name what could not be read and return 1 for it."""
    sources = [open_source(text, options.computing) for text in dict.fromkeys(options.source or ("selective-search",))]
    pictures, failed = _pictures(options)
    cache = ProposalCache(options.cache) if options.cache else None
    names = [source.name for source in sources]
    coverage = Coverage(pictures.truth.classes, arms_of(names)) if pictures.truth else None
    for source in sources:
        source.load()
    for line in failed:
        _print_failure(options, line)
    total = len(pictures) + len(failed)
    try:
        with Progress("proposing", total=len(pictures)) as progress:
            for place, (name, answer) in enumerate(propose(pictures, sources, cache)):
                progress.update()
                with progress.aside():
                    try:
                        _take(options, pictures, place, answer, names, coverage)
                    except BrokenOff:
                        raise
                    except InputError as error:
                        failed.append({"file": name, "error": str(error)})
                        _print_failure(options, failed[-1])
        if coverage:
            _conclude(options, coverage)
    except (BrokenOff, KeyboardInterrupt) as error:
        return stopped(error, goes_on=cache is not None)
    if failed:
        say(f"{len(failed)} of {total} images could not be read")
    return 1 if failed else 0


def _pictures(options: Options) -> tuple[Pictures, list[dict[str, str]]]:
    """The images that were named or annotated, and those that cannot be."""
    if options.truth is None and (options.report or options.split):
        raise InputError("--report and --split are about annotated objects; give --truth DATA as well")
    for folder in filter(None, (options.report, options.draw, options.cache)):
        expect_folder(folder)
    truth = open_annotated(options.truth, options.split) if options.truth else None
    failed = []
    if truth is not None and not options.images:
        pictures = Pictures(None, truth)
    else:
        found = find_images(image_arguments(options.images, options.null))
        if told := found.describe_passed_over():
            say(told)
        pictures = Pictures(found.paths, truth)
        failed = [{"file": name, "error": str(error)} for name, error in found.failures]
    if options.draw and options.draw.resolve() in pictures.folders():
        raise InputError(f"{options.draw}: the images themselves lie there; draw into another folder")
    return pictures, failed


def _take(
    options: Options,
    pictures: Pictures,
    place: int,
    answer: Proposals | InputError,
    names: Sequence[str],
    coverage: Coverage | None,
) -> None:
    """Count, draw and print what is proposed for a picture; raises `InputError` where it cannot be read."""
    if isinstance(answer, InputError):
        raise answer
    name, objects = pictures.name(place), pictures.objects(place)
    if coverage and objects is not None:
        coverage.add(objects, answer.parts)
    if options.draw:
        _draw(options.draw, place, name, answer, names, objects)
    _print(options, name, answer, names)


def _print(options: Options, name: str, answer: Proposals, names: Sequence[str]) -> None:
    if options.json:
        print(json_line({"file": name, **answer.to_json(names)}))
        return
    counts = ", ".join(f"{source} {len(part.boxes):,}" for source, part in zip(names, answer.parts, strict=True))
    print(printable(f"{name}: {counted(len(union(answer.parts)[0]), 'boxes')} ({counts})"))


def _print_failure(options: Options, line: dict[str, str]) -> None:
    say(line["error"])
    if options.json:
        print(json_line(line))


_LONGEST_STEM = 50
"""Characters, so that what stands around them has room in a file name of 255 bytes."""


def _draw(
    folder: Path, place: int, name: str, answer: Proposals, names: Sequence[str], objects: Objects | None
) -> None:
    from googlenet.detection.proposals.drawing import draw_proposals

    path, image = folder / f"{place + 1}-{Path(name).stem[:_LONGEST_STEM]}.png", decode(name)
    with after_work():
        draw_proposals(path, image, answer, names, None if objects is None else objects.boxes)


def _conclude(options: Options, coverage: Coverage) -> None:
    """Say what is covered: as a table, where the lines are no JSON, and as a report."""
    from googlenet.detection.proposals.report import HEADERS, rows_of, write_report

    figures = coverage.to_json()
    if not options.json:
        print(f"\n{table(HEADERS, rows_of(figures['arms']))}")
        print(f"images {figures['images']:,}, objects {figures['objects']:,}, left out {figures['left_out']:,}")
    if options.report and options.truth:
        with after_work():
            path = write_report(figures, {one.id: one.name for one in coverage.classes}, options.truth, options.report)
        say(f"{path}: the report")
