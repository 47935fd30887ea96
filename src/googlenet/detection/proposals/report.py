"""The report of proposals: one page with the paper's question answered, its curves, and the figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from googlenet.detection.proposals.coverage import COUNTS
from googlenet.errors import counted, shown
from googlenet.files import atomic_write, recorded_name
from googlenet.paper import PROPOSALS
from googlenet.reporting.console import percent
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import Figure, Illustration, Table, between, render
from googlenet.reporting.pictures import file_uri
from googlenet.versions import command, hardware, versions

__all__ = ["HEADERS", "rows_of", "write_report"]

HEADERS = ("sources", "boxes an image", "share of the first", "coverage", "95 % interval", "average recall", "MABO")
"""Coverage is recall at an overlap of 0.5; average recall is its mean over 0.5, 0.55 ... 0.95."""

_FIGURES = (
    ("Coverage", "recall at 0.5", "recall"),
    ("Average recall", "0.5 to 0.95", "average_recall"),
    ("MABO", "mean average best overlap", "mabo"),
)
"""What the curves show: its name, what it means, and what `Coverage` calls it."""

_CAPTION = (
    "Coverage, average recall and mean best overlap by number of boxes, the best of each source first, in proportion;"
    " markers of lines that meet lie around each other"
)

_LONGEST = 60
"""Characters of a source in the legend of the curves."""


def write_report(coverage: Mapping[str, Any], names: Mapping[str, str], truth: str, folder: Path) -> Path:
    """Write `report.html`, `coverage.json` and `curves.png`; return the page's path.

    `coverage` is `Coverage.to_json()`, `names` are the classes' names by id, `truth` is where the objects came from.
    """
    curves = folder / "curves.png"
    draw_curves(curves, _panels(coverage["arms"]), x_label="boxes an image (logarithmic)", x_logarithmic=True)
    counts = ", ".join(counted(coverage[name], name) for name in ("images", "objects"))
    page = render(
        "page.html",
        title="Proposals and what they cover",
        subtitle=f"{recorded_name(truth)}: {counts}",
        figures=_figures(coverage["arms"]),
        charts=[Illustration(file_uri(curves), _CAPTION)],
        tables=_tables(coverage, names),
        command=command(),
        versions=versions(),
        hardware={"machine": hardware()},
    )
    behind = {**coverage, "source": recorded_name(truth), "command": command()}
    for name, text in (
        ("coverage.json", json.dumps(behind, indent=1, ensure_ascii=False, allow_nan=False) + "\n"),
        ("report.html", page),
    ):
        with atomic_write(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return folder / "report.html"


def rows_of(arms: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Return a row of `HEADERS` for each arm."""
    return [
        (
            name,
            f"{arm['boxes_per_image']:,.1f}",
            _share(arm["share_of_first"]),
            _share(arm["recall"]),
            between(arm["recall_interval"]) if arm["recall_interval"] else None,
            _share(arm["average_recall"]),
            _number(arm["mabo"]),
        )
        for name, arm in zip(_names(arms), arms, strict=True)
    ]


def _figures(arms: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The paper's two ratios, of each arm but the first, beside the paper's."""
    names = _names(arms)
    first = "Coverage of the first source" if len(arms) > 1 else "Coverage"
    figures = [Figure(first, _share(arms[0]["recall"]) or "no object", note=names[0])]
    for name, arm in zip(names[1:], arms[1:], strict=True):
        told = f"{_share(arm['recall']) or 'no object'}, with {_share(arm['share_of_first']) or 'no'} of the boxes"
        figures.append(Figure("Coverage", told, note=name))
    before, after = PROPOSALS["coverage_before"], PROPOSALS["coverage"]
    paper = f"{percent(after, 0)}, with about {percent(PROPOSALS['share'], 0)} of the boxes"
    note = f"twice the superpixels and 200 boxes of MultiBox, where R-CNN's boxes cover {percent(before, 0)}"
    return [*figures, Figure("In the paper", paper, note=note)]


def _panels(arms: Sequence[Mapping[str, Any]]) -> list[Panel]:
    panels = []
    for name, meant, figure in _FIGURES:
        curves = [_curve(*named, figure) for named in zip(_names(arms), arms, strict=True)]
        panels.append(Panel(f"{name} ({meant})", tuple(one for one in curves if one.x), share=figure != "mabo"))
    return panels


def _curve(name: str, arm: Mapping[str, Any], figure: str) -> Curve:
    points = [point for point in arm["curve"] if point[figure] is not None and point["boxes"] > 0]
    return Curve(shown(name, _LONGEST), [point["boxes"] for point in points], [point[figure] for point in points])


def _tables(coverage: Mapping[str, Any], names: Mapping[str, str]) -> list[Table]:
    arms = coverage["arms"]
    left_out = (
        f" ({coverage['left_out']:,} objects that are difficult or a crowd are left out)"
        if coverage["left_out"]
        else ""
    )
    every = Table(HEADERS, rows_of(arms), f"All boxes of each source, and of sources together{left_out}", heads=1)
    by_count = [_first_boxes(arms, name, figure) for name, _, figure in _FIGURES]
    return [every, *by_count, *(_groups(arms, kind, names) for kind in ("sizes", "classes"))]


def _first_boxes(arms: Sequence[Mapping[str, Any]], name: str, figure: str) -> Table:
    """A figure by the number of boxes, of each arm that has more; and with all that each has."""
    told = _number if figure == "mabo" else _share
    by_count = [{point["first"]: told(point[figure]) for point in arm["curve"]} for arm in arms]
    counts = [count for count in COUNTS if any(count in of_arm for of_arm in by_count)]
    rows = [(count or "all", *(of_arm.get(count) for of_arm in by_count)) for count in (*counts, None)]
    return Table(("boxes", *_numbers(arms)), rows, f"{name} with the first boxes of each image, by source", heads=1)


def _groups(arms: Sequence[Mapping[str, Any]], kind: str, names: Mapping[str, str]) -> Table:
    """By class or size: objects, and for each arm coverage and mean best overlap."""
    rows = [
        (
            names.get(group, group) if kind == "classes" else group,
            of_first["objects"],
            *(cell for arm in arms for cell in (_share(arm[kind][group]["recall"]), _number(arm[kind][group]["abo"]))),
        )
        for group, of_first in arms[0][kind].items()
        if of_first["objects"]
    ]
    headers = ("class" if kind == "classes" else "size of the object", "objects", *["coverage", "ABO"] * len(arms))
    caption = "By class" if kind == "classes" else "By size: small under 32 x 32 pixels, large from 96 x 96"
    return Table(headers, rows, caption, groups=[("", 2), *((name, 2) for name in _numbers(arms))], heads=1)


def _names(arms: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each arm is called: a source by its number and text, several together by their numbers."""
    numbers = _numbers(arms)
    if len(arms) == 1:
        return numbers
    alone = [f"{number}: {arm['sources'][0]}" for number, arm in zip(numbers, arms, strict=True) if _is_alone(arm)]
    return alone + numbers[len(alone) :]


def _numbers(arms: Sequence[Mapping[str, Any]]) -> list[str]:
    """The numbers of each arm's sources; of the only one its text."""
    texts = [arm["sources"][0] for arm in arms if _is_alone(arm)]
    if len(arms) == 1:
        return texts
    return [" + ".join(str(texts.index(text) + 1) for text in arm["sources"]) for arm in arms]


def _is_alone(arm: Mapping[str, Any]) -> bool:
    return len(arm["sources"]) == 1


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
