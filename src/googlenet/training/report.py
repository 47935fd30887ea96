"""curves.png and report.html of a finished run, made from what its folder holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from googlenet.errors import counted
from googlenet.files import atomic_write
from googlenet.reporting.console import duration, number, warn
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import Figure, Illustration, render
from googlenet.reporting.pictures import file_uri
from googlenet.training import exchange_report
from googlenet.training.folder import RunFolder
from googlenet.training.loop_recipe import to_json
from googlenet.training.losses import MAIN
from googlenet.training.setup import Outcome, Score, Setup
from googlenet.versions import command, hardware, versions

__all__ = ["write_report"]


_FEW = 10
"""Steps whose losses are drawn as they are: the mean of so few says nothing more."""


def write_report(folder: RunFolder, setup: Setup, summary: Mapping[str, Any], outcome: Outcome | None) -> None:
    """Write both files; `outcome` is what the final weights answered on the validation images, if there are any."""
    panels = _panels(folder.metrics, setup.score)
    if panels:
        draw_curves(folder.curves, panels)
    charts = [_chart(folder, setup)] if panels else []
    exchange = summary.get("exchange", {})
    if late := exchange_report.staleness_chart(folder.staleness, exchange):
        charts.append(late)
    found = setup.findings(outcome, summary["weights"])
    page = render(
        found.template,
        title=f"Training of {summary['network']}",
        subtitle=_subject(setup),
        figures=[*found.figures, *_figures(summary, outcome), *exchange_report.figures(exchange)],
        charts=charts,
        recipe=_recipe(setup) | exchange_report.facts(exchange),
        command=command(),
        versions=versions(),
        hardware={"machine": hardware(), "computed": summary["execution"]},
        **found.content,
    )
    with atomic_write(folder.report) as file:
        file.write(page.encode())


def _chart(folder: RunFolder, setup: Setup) -> Illustration:
    return Illustration(file_uri(folder.curves), f"Losses and {setup.score.words} over the steps")


def _subject(setup: Setup) -> str:
    data = setup.origin["data"]
    more = "".join(f", {counted(count, name)}" for name, count in setup.counts.items())
    return f"{data['source']}: {counted(data['images'], 'images')}{more}"


def _recipe(setup: Setup) -> dict[str, Any]:
    """What was trained on and from, and every option that has a value."""
    origin = {name: found["source"] for name, found in setup.origin.items() if found}
    return {**origin, **{name: value for name, value in to_json(setup.recipe).items() if value not in (None, [])}}


def _panels(metrics: Path, score: Score) -> list[Panel]:
    """Losses by head beside the score, training faint and smoothed, validation with marks."""
    try:
        with metrics.open() as lines:
            records = [json.loads(line) for line in lines]
        return _curves(records, score)
    except (OSError, ValueError, LookupError, TypeError) as error:  # a log alone, which nothing else depends on
        warn(f"{metrics}: cannot be read ({error}); the report has no curves")
        return []


def _curves(records: list[dict[str, Any]], score: Score) -> list[Panel]:
    taken = [record for record in records if record["event"] == "step" and record["images"]]
    judged = [record for record in records if record["event"] == "evaluation"]
    smoothing = max(5, len(taken) // 40) if len(taken) > _FEW else 0
    losses, rights = [], []
    for head in taken[0].get("losses", ()) if taken else ():
        steps = [record["step"] for record in taken]
        losses.append(Curve(f"training {head}", steps, [record["losses"][head] for record in taken], smoothing))
        if head == MAIN and score.name in taken[0]:
            rights.append(Curve(f"training {head}", steps, [record[score.name][head] for record in taken], smoothing))
    for weights in dict.fromkeys(record["weights"] for record in judged):
        points = [record for record in judged if record["weights"] == weights]
        steps = [record["step"] for record in points]
        losses.append(Curve(f"validation, {weights} weights", steps, [record["loss"] for record in points]))
        rights.append(Curve(f"validation, {weights} weights", steps, [record[score.name] for record in points]))
    return [Panel("loss", tuple(losses)), Panel(score.words, tuple(rights), share=True)] if losses else []


def _figures(summary: Mapping[str, Any], outcome: Outcome | None) -> list[Figure]:
    time = Figure(
        "Time", duration(summary["seconds"]), note=f"{counted(summary['steps'], 'steps')}, epochs: {summary['epochs']}"
    )
    if outcome is None or not outcome.images:
        return [time]
    loss = Figure("Loss", number(outcome.figures()["loss"] or 0.0), note=counted(outcome.images, "validation images"))
    return [loss, time]
