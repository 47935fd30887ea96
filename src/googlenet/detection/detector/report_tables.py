"""The tables of a report of detectors, as values of the reporting kit."""

from collections.abc import Mapping, Sequence

from googlenet.detection.detector.judging import Difference, Judged, WithFewer
from googlenet.files import recorded_name
from googlenet.paper import TABLE_4, TABLE_5
from googlenet.reporting.console import duration, percent
from googlenet.reporting.html import Bar, Notable, Table, between

__all__ = [
    *["beside_table_4", "beside_table_5", "differences_table", "points", "proposals_table", "rows_table"],
    *["stages_table", "words_of"],
]

_TOLD = {"50": "best 50", "fast": "fast: best 50 of MultiBox", "all": "all"}


def rows_table(rows: Sequence[Judged]) -> Table | None:
    """Return what each of several rows is, and how it does; None of a single one."""
    if len(rows) == 1:
        return None
    cells = []
    for number, row in enumerate(rows, start=1):
        every = row.by_proposals[-1] if row.by_proposals else None
        boxes = [f"{every.boxes_per_image:,.0f}", _share(every.recall)] if every else [None, None]
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
        name = _TOLD.get(one.name, f"best {one.name}")
        precision = Bar(one.mean, one.interval)
        cells.append([name, precision, against, _share(one.recall), f"{one.boxes_per_image:,.1f}"])
    headers = ["proposals", "mAP, 95 % interval", "against all, points", "objects covered"]
    return Table([*headers, "boxes an image"], cells, "By the number of proposals", heads=1)


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
    recall = f"which cover {percent(every.recall)} of the objects" if every.recall is not None else "of no object"
    words = [f"{every.boxes_per_image:,.0f} proposals a picture were classified, {recall}: no detector finds more."]
    words += [_cost(one, every) for one in row.by_proposals if one.name == "fast"]
    enough = next((one for one in row.by_proposals if one.mean >= every.mean - 0.01 and one.name != "fast"), every)
    if enough is not every:
        words.append(f"The best {enough.name} proposals are within a point of all: {percent(enough.mean)}.")
    return words


def points(value: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _cost(one: WithFewer, every: WithFewer) -> str:
    told = f"--fast, {one.boxes_per_image:,.0f} boxes of MultiBox a picture, has {percent(one.mean)}"
    interval = "" if one.difference is None else f" ({points(one.difference[0])} to {points(one.difference[1])})"
    return f"{told}, {points(one.mean - every.mean)} points{interval} against all."


def _precision(row: Judged) -> list[object]:
    interval = row.found.intervals.mean
    return [Notable(percent(row.found.mean)), between(interval) if interval else None]


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)
