"""The report of an evaluation: one page that needs nothing else, and the figures behind it as JSON and CSV."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from googlenet.errors import counted
from googlenet.evaluation import report_tables as tables
from googlenet.evaluation.calibration import Bin, Calibration, calibration
from googlenet.evaluation.findings import class_scores, confusions, mistakes, shares
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.neighbours import Neighbours, neighbours
from googlenet.evaluation.results import Evaluation, Row
from googlenet.evaluation.tables import write_rows, write_tables
from googlenet.files import atomic_write, recorded_name
from googlenet.reporting.console import percent
from googlenet.reporting.html import ConfidenceBin, Figure, render
from googlenet.versions import command

__all__ = ["write_report"]


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.html`, `evaluation.json`, `rows.csv`, and a folder of tables for each row; return the page's path.

    The page shows every row, and of the one that costs the most its classes, confusions and errors too.
    """
    pairs = neighbours(evaluation.rows)
    judged = [_calibration(row) for row in evaluation.rows]
    page = _page(evaluation, pairs, judged)
    behind = evaluation.to_json() | {
        "source": recorded_name(evaluation.source),
        "neighbours": [pair.to_json() for pair in pairs],
        "calibration": [one.to_json() for one in judged],
        "command": command(),
    }
    content = json.dumps(_finite(behind), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in (("evaluation.json", content), ("report.html", page)):
        with atomic_write(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    write_rows(folder / "rows.csv", evaluation.rows)
    for place, row in enumerate(evaluation.rows, start=1):
        write_tables(folder / f"row-{place}", evaluation.classes, row.outcome, evaluation.dataset)
    return folder / "report.html"


def _page(evaluation: Evaluation, pairs: Sequence[Neighbours], judged: Sequence[Calibration]) -> str:
    rows = evaluation.rows
    place = max(range(len(rows)), key=lambda place: rows[place].multiply_adds)  # the first of several
    row, outcome = rows[place], rows[place].outcome
    has_images = bool(outcome.images)
    scores = [score for score in class_scores(evaluation.classes, outcome) if score.images or score.answers]
    counts = f"{counted(outcome.images, 'images')}, {counted(len(evaluation.classes), 'classes')}"
    return render(
        "evaluation.html",
        title=f"Evaluation of {_models(rows)}",
        subtitle=f"{recorded_name(evaluation.source)}: {counts}",
        figures=[*shares(outcome, row.name), *_facts(evaluation, row)],
        words=_words(evaluation, place, pairs, judged[place]),
        rows=tables.rows_table(rows) if has_images else None,
        table_3=tables.beside_table_3(rows) if has_images else None,
        compared=tables.neighbours_table(rows, pairs) if has_images else None,
        calibration=tables.calibration_table(rows, judged) if has_images else None,
        bins=[_bin(one) for one in judged[place].bins],
        details=f"Row {place + 1}: {row.name}.",
        classes=scores if has_images else [],
        confusion=confusions(evaluation.classes, outcome) if has_images else None,
        mistakes=mistakes(evaluation.dataset, evaluation.classes, outcome),
        unreadable=tables.unreadable_table(evaluation),
        lacking=tables.lacking_table(evaluation),
        left_out=(len(evaluation.unreadable), sum(evaluation.lacking.values())),
        settings=evaluation.settings,
        command=command(),
    )


def _models(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.models))
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} models"


def _facts(evaluation: Evaluation, row: Row) -> list[Figure]:
    left_out = len(evaluation.unreadable) + sum(evaluation.lacking.values())
    note = f"{left_out:,} others are left out, see below" if left_out else ""
    time = tables.time_in_words(row.seconds_per_image)
    return [Figure("Images", f"{row.outcome.images:,}", note=note), Figure("Time of an image", time)]


def _words(evaluation: Evaluation, place: int, pairs: Sequence[Neighbours], judged: Calibration) -> list[str]:
    """What the figures say, and what so many images cannot say."""
    row, images = evaluation.rows[place], evaluation.images
    interval = share_interval(row.right, images)
    if interval is None:
        return ["No image was evaluated; below is why."]
    words = [
        f"{row.right:,} of {images:,} images were recognised at the first answer by row {place + 1}"
        f" ({row.name}), which costs the most. The details below are about this row.",
        f"So many images tell such a share to about ±{50 * (interval[1] - interval[0]):.1f} points: of a hundred"
        " evaluations of other images of the same kind, 95 would have an interval that holds the true share.",
    ]
    if pairs:
        told = sum(pair.top1.p < tables.UNLIKELY for pair in pairs)
        words.append(
            f"Of {len(pairs)} pair{'s' * (len(pairs) > 1)} of neighbouring rows, {told or 'none'} differ in top-1 by"
            f" more than chance (p < {tables.UNLIKELY}); by chance alone about {tables.UNLIKELY * len(pairs):.1f} would"
            " seem to."
        )
    excess = tables.confidence(row) - row.outcome.top1
    words.append(
        f"The answers of row {place + 1} claim a probability of {percent(tables.confidence(row))} in the mean, and"
        f" {percent(row.outcome.top1)} are right: it is {'too sure' if excess > 0 else 'not sure enough'} by"
        f" {100 * abs(excess):.1f} points (expected calibration error {percent(judged.ece)})."
    )
    return words


def _calibration(row: Row) -> Calibration:
    outcome = row.outcome
    return calibration(outcome.probability, outcome.ranks == 0, outcome.losses, outcome.brier)


def _bin(found: Bin) -> ConfidenceBin:
    interval = share_interval(round((found.accuracy or 0) * found.images), found.images)
    return ConfidenceBin(found.low, found.high, found.images, found.confidence, found.accuracy, interval)


def _finite(value: Any) -> Any:
    """JSON values without what JSON cannot say: None for what is not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
