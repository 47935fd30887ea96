"""The tables of a report of an evaluation, as values of the reporting kit."""

from collections.abc import Sequence

import numpy as np

from googlenet.evaluation.calibration import Calibration
from googlenet.evaluation.comparison import Comparison
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.neighbours import Neighbours
from googlenet.evaluation.results import Evaluation, Row
from googlenet.paper import TABLE_3
from googlenet.reporting.console import duration, percent, scaled
from googlenet.reporting.html import Bar, Notable, Table, between

__all__ = [
    "UNLIKELY",
    *["beside_table_3", "calibration_table", "confidence", "lacking_table"],
    *["neighbours_table", "rows_table", "time_in_words", "unreadable_table"],
]

UNLIKELY = 0.05
"""Below this p a difference is said to be more than chance."""

SHOWN_UNREADABLE = 100


def rows_table(rows: Sequence[Row]) -> Table:
    """Return what each row is, how often it was right, and what it cost."""
    measures, stopped = _measures(rows), any(row.checked for row in rows)
    least = min(row.multiply_adds for row in rows) or 1
    cells = []
    for place, row in enumerate(rows, start=1):
        images = row.outcome.images
        right = (row.right, row.right_of_five)[: len(measures)]
        rates = [None if k is None else Bar(k / images, share_interval(k, images)) for k in right]
        cost = [scaled(row.multiply_adds), _times(row.multiply_adds / least), scaled(row.multiply_adds_performed)]
        cost += [time_in_words(row.seconds_per_image), *[f"{row.changed:,} of {row.checked:,}"] * stopped]
        cells.append([place, row.models_in_words, row.crops, row.combination, *rates, *cost])
    headers = ["row", "models", "crops", "combination", *measures]
    headers += ["multiply-adds", "relative", "performed", "time", *["changed"] * stopped]
    groups = [("", 4), ("recognised", len(measures)), ("cost of an image", 4), *[("", 1)] * stopped]
    return Table(headers, cells, "The rows", groups, heads=1)


def beside_table_3(rows: Sequence[Row]) -> Table | None:
    """Return the top-5 errors of averaged rows beside those of the paper's Table 3; None where no row is in it."""
    paper = {(models, str(crops)): error for models, crops, error in TABLE_3}
    listed = [place for place, row in enumerate(rows) if row.combination == "mean" and row.right_of_five is not None]
    if not any((len(rows[place].models), rows[place].crops) in paper for place in listed):
        return None
    cells: list[list[object]] = []
    for place in listed:
        row = rows[place]
        low, high = share_interval(row.right_of_five or 0, row.outcome.images) or (0.0, 1.0)
        ours = [percent(_error(row), 2), between((1 - high, 1 - low)), _gain(row, [rows[place] for place in listed])]
        error = paper.get((len(row.models), row.crops))
        gain = None if error in (None, paper[1, "1"]) else _points((error - paper[1, "1"]) / 100, 2)
        cells.append([place + 1, row.models_in_words, row.crops, *ours, error and f"{error:.2f} %", gain])
    headers = ["row", "models", "crops", "top-5 error", "95 % interval", "against base", "top-5 error", "against base"]
    return Table(headers, cells, "Beside the paper's Table 3", [("", 3), ("ours", 3), ("the paper", 2)], heads=1)


def neighbours_table(rows: Sequence[Row], pairs: Sequence[Neighbours]) -> Table | None:
    """Return how each row did against the row that is nearest to it; None without pairs."""
    cells = []
    for pair in pairs:
        compared = (pair.top1, pair.top5)[: len(_measures(rows))]
        names = [f"{pair.earlier + 1} to {pair.later + 1}", _change(rows[pair.earlier], rows[pair.later], pair.differs)]
        cells.append([*names, *(cell for one in compared for cell in _comparison(one))])
    headers = ["rows", "what changes", *["gain", "95 % interval", "better", "worse", "p"] * len(_measures(rows))]
    groups = [("", 2), *((name, 5) for name in _measures(rows))]
    return Table(headers, cells, "Neighbouring rows compared", groups, heads=2) if pairs else None


def calibration_table(rows: Sequence[Row], judged: Sequence[Calibration]) -> Table:
    """Return how far the probabilities of each row mean what they say."""
    cells = []
    for place, (row, found) in enumerate(zip(rows, judged, strict=True), start=1):
        means = [percent(confidence(row)), percent(row.outcome.top1)]
        errors = [percent(found.ece, 2), percent(found.equal_mass_ece, 2)]
        cells.append([place, row.name, *means, *errors, f"{found.nll:.3f}", f"{found.brier:.3f}"])
    headers = [
        "row",
        "models, crops, combination",
        "confidence",
        "right",
        "equal width",
        "equal mass",
        "log loss",
        "Brier score",
    ]
    return Table(headers, cells, "Calibration", [("", 4), ("calibration error", 2), ("", 2)], heads=2)


def unreadable_table(evaluation: Evaluation) -> Table | None:
    """Return the images that could not be read, and why: the first hundred; None where all could."""
    shown = evaluation.unreadable[:SHOWN_UNREADABLE]
    return Table(["image", "why"], shown, "Images that could not be read", heads=1) if shown else None


def lacking_table(evaluation: Evaluation) -> Table | None:
    """Return the classes that the weights lack, the most frequent first; None where they have all."""
    cells = sorted(evaluation.lacking.items(), key=lambda item: -item[1])
    return Table(["class", "images"], cells, "Classes that the weights lack", heads=1) if cells else None


def time_in_words(seconds: float) -> str:
    """Return a time that may be short: "12.3 ms", "4.2 s"."""
    if seconds >= 1:
        return duration(seconds)
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{1000 * seconds:.0f} ms"


def confidence(row: Row) -> float:
    """Return the mean probability of the row's answers."""
    return float(row.outcome.probability.mean(dtype=np.float64)) if row.outcome.images else 0.0


def _measures(rows: Sequence[Row]) -> list[str]:
    """What is counted: the first five answers say nothing where no row has more than five classes."""
    return ["top-1"] if all(row.right_of_five is None for row in rows) else ["top-1", "top-5"]


def _change(earlier: Row, later: Row, differs: str) -> str:
    """What is different in the later row, and what both have in common."""
    if differs == "crops":
        return f"{earlier.crops} to {later.crops_in_words} ({later.models_in_words}, {later.combination})"
    if differs == "models":
        models = f"{earlier.models_in_words} to {later.models_in_words}"
        return f"{models} ({later.crops_in_words}, {later.combination})"
    if differs == "combination":
        return f"{earlier.combination} to {later.combination} ({later.models_in_words}, {later.crops_in_words})"
    return f"{earlier.name} to {later.name}"


def _comparison(found: Comparison | None) -> list[object]:
    if found is None:
        return [None] * 5
    interval = found.interval or (0.0, 0.0)
    p = "<0.001" if found.p < 0.001 else f"{found.p:.3f}"
    told = Notable(p) if found.p < UNLIKELY else p
    between_points = f"{_points(interval[0])} to {_points(interval[1])}"
    return [_points(found.difference), between_points, found.first_alone, found.second_alone, told]


def _gain(row: Row, listed: Sequence[Row]) -> str | None:
    """How much less the error of a row is than that of one model and one crop; None for the base itself."""
    single = [other for other in listed if len(other.models) == 1 and other.crops == "1"]
    base = next((other for other in single if other.models == row.models), single[0] if single else row)
    return None if row is base else _points(_error(row) - _error(base), 2)


def _error(row: Row) -> float:
    return 1 - (row.outcome.top5 or 0.0)


def _points(share: float, decimals: int = 1) -> str:
    """A difference of shares in points of percent, with its sign."""
    text = f"{100 * share:+.{decimals}f}"
    return f"{0:.{decimals}f}" if float(text) == 0 else text.replace("-", "−")


def _times(ratio: float) -> str:
    return f"{ratio:.2g}x" if ratio < 9.95 else f"{ratio:,.0f}x"
