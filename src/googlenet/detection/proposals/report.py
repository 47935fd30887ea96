"""The report of proposals: one page with the paper's question answered, its curves, and the figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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


def write_report(coverage: Mapping[str, Any], names: Mapping[str, str], truth: str, folder: Path) -> Path:
    """Write `report.html`, `coverage.json` and `curves.png`; return the page's path.

    `coverage` is `Coverage.to_json()`, `names` are the classes' names by id, `truth` is where the objects came from.
    """
    curves = folder / "curves.png"
    draw_curves(curves, _panels(coverage["arms"]), x_label="boxes an image (logarithmic)", x_logarithmic=True)
    page = render(
        "page.html",
        title="Proposals and what they cover",
        subtitle=f"{recorded_name(truth)}: {coverage['images']:,} images, {coverage['objects']:,} objects",
        figures=_figures(coverage["arms"]),
        charts=[Illustration(file_uri(curves), "Coverage, average recall and mean best overlap by number of boxes")],
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
            _name(arm),
            f"{arm['boxes_per_image']:,.1f}",
            _share(arm["share_of_first"]),
            _share(arm["recall"]),
            between(arm["recall_interval"]) if arm["recall_interval"] else None,
            _share(arm["average_recall"]),
            _number(arm["mabo"]),
        )
        for arm in arms
    ]


def _figures(arms: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The paper's two ratios, of each arm but the first, beside the paper's."""
    first = arms[0]
    figures = [Figure("Coverage of the first source", _share(first["recall"]) or "no object", note=_name(first))]
    for arm in arms[1:]:
        told = f"{_share(arm['recall']) or 'no object'}, with {_share(arm['share_of_first']) or 'no'} of the boxes"
        figures.append(Figure("Coverage", told, note=_name(arm)))
    before, after = PROPOSALS["coverage_before"], PROPOSALS["coverage"]
    paper = f"{percent(after, 0)}, with about {percent(PROPOSALS['share'], 0)} of the boxes"
    note = f"twice the superpixels and 200 boxes of MultiBox, where R-CNN's boxes cover {percent(before, 0)}"
    return [*figures, Figure("In the paper", paper, note=note)]


def _panels(arms: Sequence[Mapping[str, Any]]) -> list[Panel]:
    panels = (
        ("coverage (recall at 0.5)", "recall"),
        ("average recall, 0.5 to 0.95", "average_recall"),
        ("MABO", "mabo"),
    )
    return [
        Panel(label, tuple(_curve(arm, figure) for arm in arms if _curve(arm, figure).x), share=figure != "mabo")
        for label, figure in panels
    ]


def _curve(arm: Mapping[str, Any], figure: str) -> Curve:
    points = [point for point in arm["curve"] if point[figure] is not None and point["boxes"] > 0]
    return Curve(_name(arm), [point["boxes"] for point in points], [point[figure] for point in points])


def _tables(coverage: Mapping[str, Any], names: Mapping[str, str]) -> list[Table]:
    arms = coverage["arms"]
    left_out = (
        f" ({coverage['left_out']:,} objects that are difficult or a crowd are left out)"
        if coverage["left_out"]
        else ""
    )
    every = Table(HEADERS, rows_of(arms), f"All boxes of each source, and of sources together{left_out}", heads=1)
    by_count = Table(
        ("sources", "boxes an image", "coverage", "average recall", "MABO"),
        [
            (_name(arm), f"{p['boxes']:,.1f}", _share(p["recall"]), _share(p["average_recall"]), _number(p["mabo"]))
            for arm in arms
            for p in arm["curve"]
        ],
        "The first boxes of each image",
        heads=1,
    )
    return [every, by_count, *(_groups(arms, kind, names) for kind in ("sizes", "classes"))]


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
    return Table(headers, rows, caption, groups=[("", 2), *((_name(arm), 2) for arm in arms)], heads=1)


def _name(arm: Mapping[str, Any]) -> str:
    return " + ".join(arm["sources"])


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
