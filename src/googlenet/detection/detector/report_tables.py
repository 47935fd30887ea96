"""The tables of a report of detectors, as values of the reporting kit."""

from collections.abc import Mapping, Sequence

from googlenet.detection.detector.judging import Covered, Difference, Judged, WithFewer
from googlenet.files import recorded_name
from googlenet.paper import TABLE_4, TABLE_5
from googlenet.reporting.console import duration, percent
from googlenet.reporting.html import Bar, Notable, Table, between

__all__ = [
    *["beside_table_4", "beside_table_5", "differences_table", "points", "proposals_table", "rows_table"],
    *["stages_table", "words_of"],
]


def rows_table(rows: Sequence[Judged]) -> Table | None:
    """Return what each of several rows is, and how it does; None of a single one."""
    if len(rows) == 1:
        return None
    cells = []
    for number, row in enumerate(rows, start=1):
        every = row.by_proposals[-1] if row.by_proposals else None
        boxes = [f"{every.part.boxes:,.0f}", _share(every.part.recall)] if every else [None, None]
        kind = [row.kind.get(name) for name in ("members", "svms", "context", "box_regression")]
        precision = Bar(row.found.mean, row.found.intervals.mean)
        cells.append([number, recorded_name(row.name), precision, *boxes, *kind])
    headers = ["row", "of", "mAP, 95 % interval", "boxes an image", "coverage", "networks"]
    return Table([*headers, "SVMs", "context", "box regression"], cells, "The rows", heads=2)


def differences_table(rows: Sequence[Judged], compared: Sequence[Difference]) -> Table | None:
    """Return what is between each row and the one before it, and the first; None of a single row."""
    listed = [one for one in compared if one.earlier in (0, one.later - 1)]
    cells = []
    for one in listed:
        low, high = one.interval or (None, None)
        told = None if low is None or high is None else f"{points(low)} to {points(high)}"
        of = [recorded_name(rows[place].name) for place in (one.later, one.earlier)]
        difference: str | Notable = points(one.difference)
        if low is not None and high is not None and (low > 0 or high < 0):
            difference = Notable(points(one.difference))
        cells.append([f"{one.later + 1} − {one.earlier + 1}", difference, told, *of])
    headers = ["rows", "difference, points", "95 % interval", "of", "against"]
    return Table(headers, cells, "What is between the rows", heads=1) if cells else None


def proposals_table(row: Judged) -> Table | None:
    """Return what fewer proposals cover and detect; None where they are not known."""
    if not row.by_proposals:
        return None
    cells = []
    for one in row.by_proposals:
        low, high = one.difference or (None, None)
        against = None if low is None or high is None else f"{points(low)} to {points(high)}"
        part, precision = one.part, Bar(one.mean, one.interval)
        counts = [f"{part.boxes:,.1f}", f"{part.rejected:,.1f}"]
        cells.append([_told(one), precision, against, _share(part.recall), _lost(part), *counts])
    headers = ["proposals", "mAP, 95 % interval", "against all, points", "objects covered", "lost, points"]
    return Table([*headers, "boxes an image", "rejected"], cells, "By the number of proposals", heads=1)


def stages_table(seconds: Mapping[str, float]) -> Table | None:
    """Return how long each stage took; None where nothing was timed."""
    total = sum(seconds.values())
    if not total:
        return None
    cells = [[name, duration(value), percent(value / total)] for name, value in seconds.items()]
    return Table(["stage", "time", "share"], cells, "Time of each stage", heads=1)


def beside_table_4(rows: Sequence[Judged]) -> Table:
    """Return the paper's Table 4, and these rows below it."""
    cells: list[list[object]] = [
        [team, f"{precision:.1f} %", None, models, f"{place} of {year}", outside]
        for team, year, place, precision, outside, models in TABLE_4
    ]
    for row in rows:
        cells.append([recorded_name(row.name), *_precision(row), row.kind.get("members"), None, None])
    headers = ["team", "mAP", "95 % interval", "networks", "place", "outside data"]
    return Table(headers, cells, "Beside Table 4 of the paper", heads=1)


def beside_table_5(rows: Sequence[Judged]) -> Table | None:
    """Return the paper's Table 5, and the rows of single networks below it; None where there is none."""
    single = [row for row in rows if row.kind.get("members") == 1]
    cells: list[list[object]] = [
        [team, f"{precision:.2f}".rstrip("0").rstrip(".") + " %", None, context, regression]
        for team, precision, context, regression in TABLE_5
    ]
    for row in single:
        cells.append(
            [recorded_name(row.name), *_precision(row), row.kind.get("context"), row.kind.get("box_regression")]
        )
    headers = ["team", "mAP", "95 % interval", "contextual model", "box regression"]
    return Table(headers, cells, "Beside Table 5 of the paper, single networks", heads=1) if single else None


def words_of(row: Judged) -> list[str]:
    """Return what fewer proposals cost, in words."""
    if not row.by_proposals:
        return []
    every = row.by_proposals[-1]
    share = every.part.recall
    recall = "of no object" if share is None else f"which cover {percent(share)} of the objects"
    words = [f"{every.part.boxes:,.0f} proposals a picture were classified, {recall}: no detector finds more."]
    words += [_cost(one, every) for one in row.by_proposals if one.name == "fast"]
    fewer = [one for one in row.by_proposals if one.name != "fast" and one is not every]
    for by in dict.fromkeys(one.part.rejected_by for one in fewer):
        of_order = [one for one in fewer if one.part.rejected_by == by]
        enough = next((one for one in of_order if one.mean >= every.mean - 0.01), None)
        if enough is not None:
            lost = enough.part.lost
            told = f"; {100 * lost:.1f} points of the coverage are lost" if lost else ""
            who = f"The best {enough.name} proposals{f' by {by}' if by else ''}"
            words.append(f"{who} have {percent(enough.mean)}, no more than a point less than all{told}.")
    return words


def points(value: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _cost(one: WithFewer, every: WithFewer) -> str:
    told = f"--fast, {one.part.boxes:,.0f} boxes of MultiBox a picture, has {percent(one.mean)}"
    interval = "" if one.difference is None else f" ({points(one.difference[0])} to {points(one.difference[1])})"
    return f"{told}, {points(one.mean - every.mean)} points{interval} against all."


def _told(one: WithFewer) -> str:
    """Which boxes, in words."""
    if one.name == "fast":
        return "fast: best 50 of MultiBox"
    by = "" if one.part.rejected_by is None else f" by {one.part.rejected_by}"
    return f"best {one.name}{by}" if one.name != "all" else f"all{by and f' that are left{by}'}"


def _lost(part: Covered) -> str | None:
    return None if not part.lost else points(-part.lost)


def _precision(row: Judged) -> list[object]:
    interval = row.found.intervals.mean
    return [Notable(percent(row.found.mean)), between(interval) if interval else None]


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)
