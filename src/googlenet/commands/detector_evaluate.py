"""`googlenet detector evaluate`: average precision of predicted boxes or of a detector, by the protocol named."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import after_work
from googlenet.detection.average_precision.protocols import ProtocolName
from googlenet.files import expect, expect_folder
from googlenet.inference.engine import Computing
from googlenet.reporting.console import json_line, percent, say, table

if TYPE_CHECKING:
    from googlenet.detection.annotations import AnnotatedImages
    from googlenet.detection.average_precision.predictions import Predictions
    from googlenet.detection.average_precision.results import AveragePrecision


@dataclass(frozen=True)
class Options:
    """Judge predicted boxes by annotated ones, as VOC, ILSVRC or COCO does, with intervals and types of error."""

    predictions: Annotated[Positional[Path], arg(metavar="DETECTOR|PREDICTIONS")]
    """A detector; or COCO's results, lines of `googlenet detect --json`, or a folder of VOC's text files."""
    truth: Annotated[Positional[Path], arg(metavar="TRUTH")]
    """A VOC or ILSVRC folder, one of its lists, COCO's .json, YOLO's .yaml, or boxes.json."""
    protocol: ProtocolName
    """When a box is right and what is averaged: VOC 2007, VOC 2010 and later, ILSVRC, COCO."""
    split: Annotated[str | None, arg(metavar="NAME")] = None
    """One list or part of TRUTH: test, val, val2 ..."""
    report: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write a page to pass on, and the figures behind it; what a detector found is kept there, and gone on with."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print what was found."""
    expect(options.predictions, "file or folder")
    expect(options.truth, "file or folder")
    if options.report:
        expect_folder(options.report)
    from googlenet.detection.average_precision import evaluate
    from googlenet.detection.average_precision.predictions import read_predictions
    from googlenet.detection.datasets.opening import open_annotated
    from googlenet.detection.detector.file import is_detector

    images, failed = open_annotated(options.truth, options.split), list[str]()
    if is_detector(options.predictions):
        predictions, failed = _detected(options, images)
    else:
        predictions = read_predictions(options.predictions)
    found = evaluate(predictions, images, options.protocol)
    _tell(found)
    print(json_line(found.to_json()) if options.json else _page(found))
    if options.report:
        from googlenet.detection.average_precision.report import write_report

        split = f" ({options.split})" if options.split else ""
        with after_work():
            page = write_report(found, options.report, str(options.predictions), f"{options.truth}{split}")
        say(f"{page}: the report")
    if failed:
        say(f"{len(failed)} of {len(images):,} images could not be read")
    return 1 if failed else 0


def _detected(options: Options, images: "AnnotatedImages") -> "tuple[Predictions, list[str]]":
    """What the detector finds in all pictures, and why it finds nothing in some."""
    from googlenet.detection.average_precision.names import places_of_classes
    from googlenet.detection.average_precision.predictions import read_predictions
    from googlenet.detection.detector.file import read_detector
    from googlenet.files import sha256
    from googlenet.machine import keep_freed_memory

    places_of_classes([one.id for one in read_detector(options.predictions).classes], images.classes)
    from googlenet.detection.detector.detector import load_detector
    from googlenet.detection.detector.evaluating import detect_all

    keep_freed_memory()
    how = options.computing
    detector = load_detector(options.predictions, device=how.device, precision=how.precision, engine=how.engine)
    with TemporaryDirectory(prefix="googlenet-") as temporary:
        lines = (options.report or Path(temporary)) / "detections.jsonl"
        lines.parent.mkdir(parents=True, exist_ok=True)
        failed = detect_all(detector, images, lines, f"{sha256(options.predictions)} {how.precision}")
        return read_predictions(lines), failed


def _tell(found: "AveragePrecision") -> None:
    """Say what was not as in the data set."""
    for what, names in (("pictures", found.left_out.pictures), ("classes", found.left_out.classes)):
        if names:
            say(f"{sum(names.values()):,} detections are left out: TRUTH has no such {what} ({_some(names)})")
    if found.seen < found.images:
        say(f"{found.images - found.seen:,} of {found.images:,} pictures are not among the predictions")


def _some(names: Mapping[str, int]) -> str:
    from googlenet.data.labels import some

    return some(list(names), 3)


def _page(found: "AveragePrecision") -> str:
    from googlenet.detection.average_precision.results import NO_GROUND_TRUTH

    def told(value: float | None) -> str:
        return NO_GROUND_TRUTH if value is None else percent(value)

    classes = [
        (one.name, objects, len(rows), told(ap), _between(interval))
        for one, objects, rows, ap, interval in zip(
            found.classes, found.objects, found.rows, found.by_class, found.intervals.classes, strict=True
        )
    ]
    errors = [(name, error.count, f"{100 * error.gain:+.1f}") for name, error in found.errors.items()]
    parts = [
        f"{found.protocol.name}: {found.protocol.words}",
        f"mean average precision {percent(found.mean)}  {_between(found.intervals.mean)}, {found.images:,} images",
        "",
        table(["class", "objects", "detections", "average precision", "95 %"], classes, separators=True),
    ]
    if found.figures:
        parts += ["", table([*found.figures], [[told(value) for value in found.figures.values()]])]
    parts += ["", table(["error", "how often", "gain without it, points"], errors, separators=True)]
    return "\n".join(parts)


def _between(interval: tuple[float, float] | None) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "-"
