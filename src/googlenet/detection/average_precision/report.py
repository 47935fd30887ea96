"""What a report says of average precision: the parts of its page, and the tables behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.detection.average_precision.results import NO_GROUND_TRUTH, AveragePrecision
from googlenet.detection.average_precision.tide import BACKGROUND
from googlenet.reporting.console import percent
from googlenet.reporting.csv_file import write_csv
from googlenet.reporting.html import Bar, Figure, Table, share

__all__ = ["figures_of", "parts_of", "write_tables"]

SHOWN_CURVES = 24
MOST_POINTS = 200
"""Of a curve on the page; `curves.csv` has them all."""


@dataclass(frozen=True)
class Drawn:
    """A curve of precision against recall, as the steps of an SVG path in a square of 100 x 100."""

    name: str
    average_precision: float
    path: str


def write_tables(found: AveragePrecision, folder: Path) -> None:
    """Write `classes.csv` and `curves.csv`."""
    rows = []
    for place, (one, ap) in enumerate(zip(found.classes, found.by_class, strict=True)):
        interval = found.intervals.classes[place] or ("", "")
        told = NO_GROUND_TRUTH if ap is None else ap
        rows.append([one.id, one.name, found.objects[place], len(found.rows[place]), told, *interval])
    header = ["id", "name", "objects", "detections", "average_precision", "low", "high"]
    write_csv(folder / "classes.csv", header, rows)
    write_csv(folder / "curves.csv", ["id", "score", "recall", "precision"], _points(found))


def parts_of(found: AveragePrecision) -> dict[str, Any]:
    """Return the parts of a page that `detection.html` asks for: words, classes, errors, curves."""
    curves = sorted(_drawn(found), key=lambda curve: curve.average_precision)
    return {
        "words": _words(found),
        "classes": _classes(found),
        "errors": _errors(found),
        "background": BACKGROUND,
        "threshold": found.protocol.thresholds[0],
        "curves": curves[:SHOWN_CURVES],
        "more_curves": curves[SHOWN_CURVES:],
    }


def figures_of(found: AveragePrecision) -> list[Figure]:
    """Return the mean average precision, and what else the protocol reports."""
    return [
        share("Mean average precision", found.mean, found.intervals.mean, found.protocol.name),
        *(Figure(name, _percent(value)) for name, value in found.figures.items() if name != "AP"),
    ]


def _points(found: AveragePrecision) -> list[list[object]]:
    """Score, recall and precision at each detection that is right, the surest of its class first."""
    points: list[list[object]] = []
    for label, one in enumerate(found.classes):
        if not found.objects[label]:
            continue
        curve, rows = found.curve(label), found.rows[label]
        scores = found.detected.scores[rows[found.matches.right[0, 0, rows]]]
        recalls = curve.found[0] / curve.positives[0]
        for values in zip(scores.tolist(), recalls.tolist(), curve.precision[0].tolist(), strict=True):
            points.append([one.id, *(f"{value:.6g}" for value in values)])
    return points


def _words(found: AveragePrecision) -> list[str]:
    without = sum(not count for count in found.objects)
    words = [
        f"Protocol {found.protocol.name}. {found.protocol.words}.",
        f"Detections that were judged: {len(found.detected):,}.",
    ]
    if found.seen < found.images:
        words.append(f"{found.images - found.seen:,} of {found.images:,} pictures are not among the predictions.")
    if without:
        words.append(f"{without:,} of {len(found.classes):,} classes have {NO_GROUND_TRUTH} and are in no mean.")
    for what, names in (("pictures", found.left_out.pictures), ("classes", found.left_out.classes)):
        if names:
            words.append(
                f"{sum(names.values()):,} detections are left out: the data have no such {what} ({len(names):,})."
            )
    worst, error = max(found.errors.items(), key=lambda item: item[1].gain)
    if error.gain > 0:
        words.append(f"Most would be gained without errors of the type {worst}: {100 * error.gain:.1f} points.")
    return words


def _classes(found: AveragePrecision) -> Table:
    rows = []
    for place, (one, ap) in enumerate(zip(found.classes, found.by_class, strict=True)):
        told = NO_GROUND_TRUTH if ap is None else Bar(ap, found.intervals.classes[place])
        rows.append([one.name, found.objects[place], len(found.rows[place]), told])
    return Table(["class", "objects", "detections", "average precision, 95 % interval"], rows, "Each class", heads=1)


def _errors(found: AveragePrecision) -> Table:
    rows: list[Sequence[object]] = [
        [name, error.count, f"{100 * error.gain:+.1f}".replace("-", "−")] for name, error in found.errors.items()
    ]
    return Table(["type", "how often", "gain without it, points"], rows, "Errors", heads=1)


def _drawn(found: AveragePrecision) -> list[Drawn]:
    drawn = []
    for label, one in enumerate(found.classes):
        if (ap := found.by_class[label]) is None:
            continue
        curve = found.curve(label)
        recalls, precisions = 100 * curve.found[0] / curve.positives[0], 100 - 100 * curve.precision[0]
        kept = np.unique(np.linspace(0, len(recalls) - 1, MOST_POINTS).astype(np.int64))[: len(recalls)]
        steps = "".join(f"V{precisions[place]:.1f}H{recalls[place]:.1f}" for place in kept.tolist())
        drawn.append(Drawn(one.name, ap, f"M0 100{steps}V100"))
    return drawn


def _percent(value: float | None) -> str:
    return NO_GROUND_TRUTH if value is None else percent(value)
