"""`googlenet predict`: the classes of images, folders, patterns, or of a list on standard input."""

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.detection.detector.file import expect_no_detector
from googlenet.errors import InputError
from googlenet.images.finding import find_images, image_arguments
from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.prediction.results import Answer
from googlenet.reporting.console import json_line, percent, printable, say
from googlenet.reporting.progress import Progress
from googlenet.weights.ensemble import expect_weights


@dataclass(frozen=True)
class Options:
    """Classify images: one centre crop each, prepared as the weights say."""

    weights: Annotated[Positional[Path], arg(metavar="WEIGHTS")]
    """A checkpoint (`googlenet import` makes one of public weights)."""
    images: Annotated[Positional[tuple[str, ...]], arg(metavar="IMAGE...")]
    """Images, folders, patterns; - reads a list of paths from standard input, one a line."""
    null: Annotated[bool, arg(aliases=["-0"])] = False
    """The paths on standard input end in zero bytes, as `find -print0` writes them."""
    top: int = 5
    """How many classes to print for each image."""
    batch_size: int = 32
    """How many images go through the network at once."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print one JSON object a line for each image (docs/json.md)."""
    csv: bool = False
    """Print rows of file, rank, index, id, name, probability."""


def run(options: Options) -> int:
    """Print an answer for each image; name those that could not be read and return 1 for them."""
    if options.json and options.csv:
        raise InputError("--json and --csv say two things; give one of them")
    expect_no_detector(options.weights)
    expect_weights(options.weights)
    found = find_images(image_arguments(options.images, options.null))
    from googlenet.prediction.loading import load

    keep_freed_memory()
    model = load(options.weights, **vars(options.computing))
    write = _json if options.json else _csv_writer() if options.csv else _text
    failed, total = 0, len(found.failures) + len(found.paths)
    if passed_over := found.describe_passed_over():
        say(passed_over)
    not_found = [Answer(name, error=str(error)) for name, error in found.failures]
    with Progress("predicting", total=total) as progress:
        for answer in chain(not_found, model.predict(found.paths, top=options.top, batch_size=options.batch_size)):
            if answer.error is not None:
                failed += 1
                say(answer.error)
            with progress.aside():
                write(answer)
            progress.update()
    if failed:
        say(f"{failed} of {total} images could not be read")
    return 1 if failed else 0


def _json(answer: Answer) -> None:
    print(json_line(answer.to_json()))


def _csv_writer() -> Callable[[Answer], None]:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["file", "rank", "index", "id", "name", "probability"])

    def write(answer: Answer) -> None:
        for place, found in enumerate(answer.predictions, start=1):
            rows.writerow([answer.file, place, found.index, found.id, found.name, f"{found.probability:.6g}"])

    return write


def _text(answer: Answer) -> None:
    if answer.error is None:
        print(printable(answer.file))
        for found in answer.predictions:
            name = found.name if found.id == found.name else f"{found.name}  ({found.id})"
            print(f"  {percent(found.probability):>8}  {printable(name)}")
