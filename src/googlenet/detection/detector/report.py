"""The report of detectors, or of predictions: one page that needs nothing else, and the figures behind it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.average_precision.report import figures_of, parts_of, write_tables
from googlenet.detection.detector import report_tables as tables
from googlenet.detection.detector.judging import Judged, WithFewer, differences, to_json
from googlenet.detection.detector.report_pictures import Balance, remarkable
from googlenet.errors import counted, shown
from googlenet.files import atomic_write, recorded_name
from googlenet.reporting.console import duration, percent
from googlenet.reporting.csv_file import write_csv
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import Figure, Illustration, render
from googlenet.reporting.pictures import file_uri
from googlenet.versions import command, versions

__all__ = ["write_report"]

_CAPTION = "Mean average precision, and coverage of the objects, by the number of proposals"
_LONGEST = 60
"""Characters of a row in the legend of the curves."""


def write_report(
    rows: Sequence[Judged],
    images: AnnotatedImages,
    folder: Path,
    truth: str,
    seconds: Mapping[str, float] = MappingProxyType({}),
) -> Path:
    """Write `report.html` and the figures behind it; return the page's path.

    `rows` were judged on `images`, which `truth` says where from; of several the page details the best. `seconds` are
    those of the stages by which a detector was made. Of one row `classes.csv` and `curves.csv` lie in `folder`, of
    several in folders of their own, `row-1` and so on.
    """
    behind = to_json(rows) | {"truth": recorded_name(truth), "command": command()}
    if len(rows) == 1:
        behind["predictions"] = recorded_name(rows[0].name)
        write_tables(rows[0].found, folder)
    else:
        for number, row in enumerate(rows, start=1):
            behind["rows"][number - 1]["name"] = recorded_name(row.name)
            write_tables(row.found, folder / f"row-{number}")
    _write_proposals(rows, folder / "proposals.csv")
    content = json.dumps(behind, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = _page(rows, images, folder, recorded_name(truth), seconds)
    for name, text in (("average-precision.json", content), ("report.html", page)):
        with atomic_write(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return folder / "report.html"


def _write_proposals(rows: Sequence[Judged], path: Path) -> None:
    """Write what fewer proposals cover and detect, where that is known."""
    lines = [
        [
            *(number, one.name, one.part.boxes, one.part.recall, one.mean, *(one.interval or ("", ""))),
            *(one.part.rejected_by or "", one.part.rejected, one.part.lost),
        ]
        for number, row in enumerate(rows, start=1)
        for one in row.by_proposals
    ]
    if lines:
        header = ["row", "proposals", "boxes_per_image", "recall", "mean_average_precision", "low", "high"]
        header += ["rejected_by", "rejected_per_image", "recall_lost"]
        write_csv(path, header, lines)


def _page(
    rows: Sequence[Judged], images: AnnotatedImages, folder: Path, truth: str, seconds: Mapping[str, float]
) -> str:
    place = max(range(len(rows)), key=lambda number: rows[number].found.mean)  # the first of several
    row, found = rows[place], rows[place].found
    balance = Balance(found)
    parts = parts_of(found)
    names = [recorded_name(one.name) for one in rows]
    counts = {"pictures": found.images, "objects": sum(found.objects), "classes": len(found.classes)}
    return render(
        "detection.html",
        title=f"Average precision of {names[0] if len(rows) == 1 else f'{len(rows)} detectors'}",
        subtitle=f"{truth}: {', '.join(counted(count, name) for name, count in counts.items())}",
        figures=[*figures_of(found), *_figures(row)],
        **parts | {"words": [*_words(rows, place), *parts["words"], *tables.words_of(row)]},
        rows=tables.rows_table(rows),
        compared=tables.differences_table(rows, differences(rows)),
        by_proposals=tables.proposals_table(row),
        charts_of_proposals=_charts(rows, folder),
        remarkable=remarkable(balance, images),
        balance=_balance(balance),
        beside=[one for one in (tables.beside_table_4(rows), tables.beside_table_5(rows)) if one is not None],
        tables=[one for one in [tables.stages_table(seconds)] if one is not None],
        command=command(),
        settings={"protocol": found.protocol.name, "truth": truth} | _predictions(names) | dict(row.settings),
        versions=versions(),
    )


def _predictions(names: Sequence[str]) -> dict[str, str]:
    if len(names) == 1:
        return {"predictions": names[0]}
    return {f"row {number}": name for number, name in enumerate(names, start=1)}


def _figures(row: Judged) -> list[Figure]:
    """What is known of a detector beside its precision."""
    if not row.by_proposals:
        return []
    every = row.by_proposals[-1]
    recall = "no object" if every.part.recall is None else percent(every.part.recall)
    figures = [Figure("Objects that proposals cover", recall, note=f"{every.part.boxes:,.0f} boxes a picture")]
    if "detection" in row.seconds:
        told = duration(row.seconds["detection"])
        figures.append(Figure("Time of a picture", told, note="crops and networks, with what ran beside"))
    return figures


def _words(rows: Sequence[Judged], place: int) -> list[str]:
    """What is said of several rows."""
    if len(rows) == 1:
        return []
    words = [f"The details below are about row {place + 1}, {recorded_name(rows[place].name)}, which has the most."]
    for one in differences(rows):
        if one.earlier == one.later - 1 and one.interval:
            low, high = one.interval
            told = "which is more than chance" if low > 0 or high < 0 else "which chance may make"
            words.append(
                f"Row {one.later + 1} lies {100 * abs(one.difference):.1f} points"
                f" {'above' if one.difference >= 0 else 'below'} row {one.earlier + 1} (interval of the difference"
                f" {tables.points(low)} to {tables.points(high)}), {told}."
            )
    return words


def _balance(balance: Balance) -> str:
    """At what score pictures are shown, in words."""
    if balance.score == float("inf"):
        return "No detection is right, and none is drawn."
    score = f"{balance.score:.3g}"
    right, wrong, missed = (int(counts.sum()) for counts in (balance.right, balance.wrong, balance.missed))
    return (
        f"At a score of {score} or more, where precision and recall are balanced best: in all pictures {right:,}"
        f" right, {wrong:,} wrong, {missed:,} missed."
    )


def _charts(rows: Sequence[Judged], folder: Path) -> list[Illustration]:
    """Average precision and coverage by the number of boxes, of all rows that have several."""
    panels = []
    for label, value in (
        ("mean average precision", lambda one: one.mean),
        ("objects covered, recall at 0.5", lambda one: one.part.recall),
    ):
        curves = [
            Curve(name, [one.part.boxes for one in points], [float(value(one)) for one in points])
            for number, row in enumerate(rows, start=1)
            for name, points in _lines(row, number if len(rows) > 1 else None)
        ]
        if curves:
            panels.append(Panel(label, tuple(curves), share=True))
    if not panels:
        return []
    path = folder / "proposals.png"
    draw_curves(path, panels, x_label="boxes an image (logarithmic)", x_logarithmic=True)
    return [Illustration(file_uri(path), _CAPTION)]


def _lines(row: Judged, number: int | None) -> Iterator[tuple[str, list[WithFewer]]]:
    """Yield the lines of a row in a chart, each with its name: all sources, what rejects the others, and fast."""
    name = "all sources" if number is None else f"{number}: {shown(recorded_name(row.name), _LONGEST)}"
    found: dict[str, list[WithFewer]] = {}
    for one in row.by_proposals:
        if one.part.boxes > 0 and one.part.recall is not None:  # nothing else has a place on a logarithmic axis
            by = one.part.rejected_by
            kind = "fast" if one.name == "fast" else f"best by {by}" if by else ""
            found.setdefault(kind, []).append(one)
    for kind, points in found.items():
        told = "fast: MultiBox alone" if kind == "fast" and number is None else kind
        yield (told if number is None else f"{name}, {told}") if told else name, points
