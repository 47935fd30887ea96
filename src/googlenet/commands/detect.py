"""`googlenet detect`: objects and where they are, of images, folders, patterns, or of a list on standard input."""

import csv
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from googlenet.detection.detections import Detections
from googlenet.detection.detector.file import read_detector
from googlenet.detection.detector.settings import Choice, check_rejection, chosen, fast
from googlenet.detection.proposals.sources import Source, open_source
from googlenet.errors import InputError
from googlenet.files import expect_folder
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images, image_arguments
from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import json_line, percent, printable, say
from googlenet.reporting.progress import Progress

if TYPE_CHECKING:
    from googlenet.weights.classes import Class

Write = Callable[[Detections], None]

LONGEST = 200
"""Bytes of a drawing's name; file systems take 255."""


@dataclass(frozen=True)
class Options:
    """Detect objects in images."""

    detector: Annotated[Positional[Path], arg(metavar="DETECTOR")]
    """The detector.safetensors of `googlenet detector train`, or the JSON of an ensemble."""
    images: Annotated[Positional[tuple[str, ...]], arg(metavar="IMAGE...")]
    """Images, folders, patterns; - reads a list of paths from standard input, one a line."""
    choice: Annotated[Choice, OmitArgPrefixes] = Choice()  # noqa: RUF009  frozen
    source: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="SOURCE")] = ()
    """What proposes boxes, in place of the detector's own: as for `googlenet propose`; several are united."""
    fast: bool = False
    """Classify the best 50 boxes of the detector's MultiBox alone: sooner done, and finds less."""
    draw: Annotated[Optional[Path], arg(metavar="FOLDER")] = None  # noqa: UP045
    """Write a PNG of each image with what is detected surely."""
    null: Annotated[bool, arg(aliases=["-0"])] = False
    """The paths on standard input end in zero bytes, as `find -print0` writes them."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print one JSON object a line for each image (docs/json.md)."""
    csv: bool = False
    """Print rows of file, index, id, name, score, x0, y0, x1, y1."""


def run(options: Options) -> int:
    """Print what is detected in each image; name those that could not be read and return 1 for them."""
    if options.json and options.csv:
        raise InputError("--json and --csv say two things; give one of them")
    choice = options.choice
    if options.fast and (options.source or (choice.proposals, choice.reject_by) != (None, None)):
        raise InputError("--fast says what is classified; leave --source, --proposals and --reject-by out")
    if options.draw:
        expect_folder(options.draw)
    described = read_detector(options.detector)
    classes = described.classes
    settings = chosen(described.settings, choice, described.path)
    if options.fast:
        fast(settings, described.path)
    sources = [open_source(text, options.computing) for text in dict.fromkeys(options.source)]
    if choice.reject_by and not sources:
        check_rejection(settings, described.path, needs_number=True)
    found = find_images(image_arguments(options.images, options.null))
    if options.draw and os.path.realpath(options.draw) in {os.path.realpath(path.parent) for path in found.paths}:
        raise InputError(f"{options.draw}: the images themselves lie there; draw into another folder")
    if passed_over := found.describe_passed_over():
        say(passed_over)
    write = _json(classes) if options.json else _csv_writer(classes) if options.csv else _text(classes)
    keep_freed_memory()
    failed, not_drawn, total = 0, 0, len(found.failures) + len(found.paths)
    not_found = [Detections.failed(name, str(error)) for name, error in found.failures]
    with Progress("detecting", total=total, threshold=2) as progress:
        for place, one in enumerate(_detected(options, not_found, found.paths, sources)):
            progress.update()
            with progress.aside():
                if one.error is not None:
                    failed += 1
                    say(one.error)
                write(one)
                if one.error is None and options.draw:
                    not_drawn += not _draw(options.draw, f"{place + 1}-{Path(one.image).stem}", one, classes)
    if failed:
        say(f"{failed} of {total} images could not be read")
    if not_drawn:
        say(f"{not_drawn} of {total} images could not be drawn")
    return 1 if failed or not_drawn else 0


def _detected(
    options: Options, failed: list[Detections], paths: list[Path], sources: list[Source]
) -> Iterator[Detections]:
    from googlenet.detection.detector.detector import load_detector

    how = options.computing
    detector = load_detector(
        options.detector,
        device=how.device,
        precision=how.precision,
        engine=how.engine,
        sources=sources,
        fast=options.fast,
        choice=options.choice,
    )
    yield from failed
    yield from detector.detect(paths)


def _draw(folder: Path, name: str, found: Detections, classes: "tuple[Class, ...]") -> bool:
    """Draw what is found; false, once that is said, where the drawing cannot be written: the others go on."""
    from googlenet.detection.detector.drawing import draw_detections

    path = folder / f"{os.fsencode(name)[:LONGEST].decode(errors='ignore')}.png"
    try:
        draw_detections(path, decode(found.image), found, {one.id: one.name for one in classes})
    except InputError as error:
        say(str(error))
        return False
    return True


def _json(classes: "tuple[Class, ...]") -> Write:
    return lambda found: print(json_line(found.to_json(classes)))


def _csv_writer(classes: "tuple[Class, ...]") -> Write:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["file", "index", "id", "name", "score", "x0", "y0", "x1", "y1"])

    def write(found: Detections) -> None:
        for one in found.to_json(classes).get("detections", ()):
            box = [f"{value:.6g}" for value in one["box"]]
            rows.writerow([found.image, one["index"], one["id"], one["name"], f"{one['score']:.6g}", *box])

    return write


def _text(classes: "tuple[Class, ...]") -> Write:
    """Sure detections, and how many others there are."""
    from googlenet.detection.detector.drawing import SURE

    def write(found: Detections) -> None:
        if found.error is not None:
            return
        print(printable(found.image))
        rows = found.to_json(classes)["detections"]
        sure = [one for one in rows if one["score"] >= SURE]
        for one in sure:
            box = ", ".join(f"{value:.0f}" for value in one["box"])
            print(f"  {percent(one['score']):>8}  {printable(one['name'])}  [{box}]")
        if len(rows) > len(sure):
            print(f"  {len(rows) - len(sure)} less sure than {percent(SURE, 0)}; --json has them")

    return write
