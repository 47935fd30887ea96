"""`googlenet detector evaluate`: average precision of predicted boxes or of detectors, by the protocol named."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from googlenet.commands.runs import stopped
from googlenet.detection.average_precision.protocols import ProtocolName
from googlenet.detection.detector.settings import Choice, check_rejection, chosen
from googlenet.detection.proposals.sources import Source, open_source
from googlenet.errors import InputError, after_work, counted
from googlenet.files import expect, expect_folder
from googlenet.inference.engine import Computing
from googlenet.reporting.console import json_line, percent, say, table, warn

if TYPE_CHECKING:
    from googlenet.detection.annotations import AnnotatedImages
    from googlenet.detection.average_precision.results import AveragePrecision
    from googlenet.detection.detector.file import DetectorFile
    from googlenet.detection.detector.judging import Judged


@dataclass(frozen=True)
class Options:
    """Judge predicted boxes by annotated ones, as VOC, ILSVRC or COCO does, with intervals and types of error."""

    predictions_and_truth: Annotated[Positional[tuple[Path, ...]], arg(metavar="DETECTOR|PREDICTIONS... TRUTH")]
    """Detectors; COCO's results, lines of `googlenet detect --json`, folders of VOC's text files; then a data set."""
    protocol: ProtocolName
    """When a box is right and what is averaged: VOC 2007, VOC 2010 and later, ILSVRC, COCO."""
    split: Annotated[str | None, arg(metavar="NAME")] = None
    """One list or part of TRUTH: test, val, val2 ..."""
    report: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write a page to pass on, and the figures behind it; what a detector found is kept there, and gone on with."""
    choice: Annotated[Choice, OmitArgPrefixes] = Choice()  # noqa: RUF009  frozen
    source: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="SOURCE")] = ()
    """What proposes boxes, in place of the detectors' own: as for `googlenet propose`; several are united."""
    cache: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where proposals, as of `googlenet propose`, and answers are kept and found again; by default with the report."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Print what was found."""
    if len(options.predictions_and_truth) < 2:
        raise InputError("DETECTOR or PREDICTIONS, and TRUTH, are needed: googlenet detector evaluate found.jsonl voc")
    *given, truth = options.predictions_and_truth
    for path in (*given, truth):
        expect(path, "file or folder")
    if options.report:
        expect_folder(options.report)
    from googlenet.detection.datasets.opening import open_annotated
    from googlenet.detection.detector.judging import to_json

    images = open_annotated(truth, options.split)
    with TemporaryDirectory(prefix="googlenet-") as temporary:
        try:
            rows, failed = _judged(options, given, images, options.report or Path(temporary))
        except KeyboardInterrupt as error:
            return stopped(error, goes_on=bool(options.report or options.cache))
        for row in rows:
            _tell(row.found)
        print(json_line(to_json(rows)) if options.json else _page(rows))
        if options.report:
            from googlenet.detection.detector.report import write_report

            split = f" ({options.split})" if options.split else ""
            with after_work():
                page = write_report(rows, images, options.report, f"{truth}{split}")
            say(f"{page}: the report")
    if failed:
        say(f"{len(failed)} of {len(images):,} images could not be read")
    return 1 if failed else 0


def _judged(
    options: Options, given: Sequence[Path], images: "AnnotatedImages", folder: Path
) -> "tuple[list[Judged], set[str]]":
    """Judge each of several; what a detector finds is kept in `folder`. Also, why some pictures cannot be read."""
    from googlenet.detection.average_precision import evaluate
    from googlenet.detection.average_precision.conventions import doubt_of
    from googlenet.detection.average_precision.names import places_of_classes
    from googlenet.detection.average_precision.predictions import read_predictions
    from googlenet.detection.detector.file import is_detector, read_detector
    from googlenet.detection.detector.judging import Judged

    detectors = {path: read_detector(path) for path in given if is_detector(path)}
    sources = [open_source(text, options.computing) for text in dict.fromkeys(options.source)]
    if not detectors and (options.choice != Choice() or options.source or options.cache):
        told = "--proposals, --reject-by, --least-score, --overlap, --most, --source and --cache"
        raise InputError(f"{told} are about detectors; give one")
    for described in detectors.values():
        settings = chosen(described.settings, options.choice, described.path)
        if not sources:
            check_rejection(settings, described.path)
        places_of_classes([one.id for one in described.classes], images.classes)
    places = {
        path: folder if len(given) == 1 else folder / f"row-{number}"
        for number, path in enumerate(given, start=1)
        if path in detectors
    }
    written = {os.path.realpath(place) for place in places.values()}
    for path in given:
        if path not in detectors and os.path.dirname(os.path.realpath(path)) in written:  # noqa: PTH120
            raise InputError(f"{path}: would be overwritten by what is detected; give --report another folder")
    rows, failed = list[Judged](), set[str]()
    for path in given:
        if path in detectors:
            row, errors = _detected(options, detectors[path], sources, images, places[path], folder)
            rows.append(row)
            failed |= set(errors)
        else:
            found = evaluate(read_predictions(path), images, options.protocol)
            if told := doubt_of(found, images):
                warn(f"{path}: {told}")
            rows.append(Judged(str(path), found))
    return rows, failed


def _detected(
    options: Options,
    described: "DetectorFile",
    sources: Sequence[Source],
    images: "AnnotatedImages",
    folder: Path,
    kept: Path,
) -> "tuple[Judged, Sequence[str]]":
    """Judge what a detector finds in all pictures; what was proposed, and what its networks say, is in `kept`."""
    from googlenet.detection.detector.detector import load_detector
    from googlenet.detection.detector.evaluating import detect_all
    from googlenet.detection.detector.judging import judge_detector
    from googlenet.detection.proposals.cache import ProposalCache
    from googlenet.machine import keep_freed_memory

    keep_freed_memory()
    how, path = options.computing, described.path
    expect_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    detector = load_detector(
        path,
        device=how.device,
        precision=how.precision,
        engine=how.engine,
        sources=sources,
        cache=ProposalCache(options.cache or kept / "proposals"),
        choice=options.choice,
    )
    answers = (options.cache or kept) / "answers"
    found = detect_all(detector, images, folder, f"{described.identity} {how.precision}", answers)
    return judge_detector(str(path), described.kind, found, images, options.protocol), found.errors


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


def _page(rows: "Sequence[Judged]") -> str:
    return _page_of_one(rows[0]) if len(rows) == 1 else _page_of_several(rows)


def _page_of_several(rows: "Sequence[Judged]") -> str:
    from googlenet.detection.detector.judging import differences

    found = rows[0].found
    cells = []
    for number, row in enumerate(rows, start=1):
        every = row.by_proposals[-1] if row.by_proposals else None
        boxes = [f"{every.part.boxes:,.0f}", _share(every.part.recall)] if every else [None, None]
        cells.append([number, row.name, *boxes, percent(row.found.mean), _between(row.found.intervals.mean)])
    compared = [
        (f"{one.later + 1} - {one.earlier + 1}", f"{100 * one.difference:+.1f}", _between(one.interval))
        for one in differences(rows)
    ]
    parts = [
        f"{found.protocol.words}, {counted(found.images, 'images')}",
        "",
        table(["row", "of", "boxes an image", "coverage", "mean average precision", "95 %"], cells),
        "",
        table(["rows", "difference, points", "95 %, on the same resampled pictures"], compared),
    ]
    return "\n".join(parts)


def _page_of_one(row: "Judged") -> str:
    from googlenet.detection.average_precision.results import NO_GROUND_TRUTH

    found = row.found

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
        f"{row.name}: {found.protocol.words}",
        f"mean average precision {percent(found.mean)}  {_between(found.intervals.mean)},"
        f" {counted(found.images, 'images')}",
        "",
        table(["class", "objects", "detections", "average precision", "95 %"], classes, separators=True),
    ]
    if found.figures:
        parts += ["", table([*found.figures], [[told(value) for value in found.figures.values()]])]
    parts += ["", table(["error", "how often", "gain without it, points"], errors, separators=True)]
    if row.by_proposals:
        headers = ["proposals", "boxes an image", "rejected", "coverage", "mean average precision", "95 %"]
        headers.append("against all, 95 %")
        fewer = [
            (
                one.name if one.part.rejected_by is None else f"{one.name} by {one.part.rejected_by}",
                f"{one.part.boxes:,.0f}",
                f"{one.part.rejected:,.0f}",
                _share(one.part.recall),
                percent(one.mean),
                *(_between(ends) for ends in (one.interval, one.difference)),
            )
            for one in row.by_proposals
        ]
        parts += ["", table(headers, fewer)]
    return "\n".join(parts)


def _share(value: float | None) -> Any:
    return None if value is None else percent(value)


def _between(interval: tuple[float, float] | None) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "-"
