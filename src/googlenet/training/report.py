"""curves.png and report.html of a finished run, made from what its folder holds."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.errors import InputError
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.metrics import confusion, most_confident_errors, right_by_class
from googlenet.evaluation.validation import Outcome
from googlenet.files import atomic_write
from googlenet.images.decoding import decode
from googlenet.reporting.console import duration, number, percent, printable, warn
from googlenet.reporting.curves import Curve, Panel, draw_curves
from googlenet.reporting.html import ClassScore, Confusion, Figure, Illustration, render, share
from googlenet.reporting.pictures import data_uri, file_uri
from googlenet.training.folder import RunFolder
from googlenet.training.losses import MAIN
from googlenet.training.recipe import to_json
from googlenet.training.setup import Setup
from googlenet.versions import hardware, versions

__all__ = ["write_report"]

SHOWN_MISTAKES = 24


def write_report(folder: RunFolder, setup: Setup, summary: Mapping[str, Any], outcome: Outcome | None) -> None:
    """Write both files; `outcome` is what the final weights answered on the validation images, if there are any."""
    panels = _panels(folder.metrics)
    if panels:
        draw_curves(folder.curves, panels)
    page = render(
        "training.html",
        title=f"Training of {summary['network']}",
        subtitle=_subject(setup),
        figures=_figures(summary, outcome),
        charts=[Illustration(file_uri(folder.curves), "Losses and accuracies over the steps")] if panels else [],
        classes=_classes(setup, outcome) if outcome else [],
        confusion=_confusion(setup, outcome) if outcome and outcome.images else None,
        mistakes=_mistakes(setup, outcome) if outcome else [],
        recipe=_recipe(setup),
        command=_command() or "",
        versions=versions(),
        hardware={"machine": hardware(), "computed": summary["execution"]},
    )
    with atomic_write(folder.report) as file:
        file.write(page.encode())


def _subject(setup: Setup) -> str:
    data = setup.origin["data"]
    return f"{data['source']}: {data['images']:,} images, {len(setup.classes):,} classes"


def _recipe(setup: Setup) -> dict[str, Any]:
    """What was trained on and from, and every option that has a value."""
    origin = {name: found["source"] for name, found in setup.origin.items() if found}
    return {**origin, **{name: value for name, value in to_json(setup.recipe).items() if value not in (None, [])}}


def _panels(metrics: Path) -> list[Panel]:
    """Losses by head beside accuracies, training faint and smoothed, validation with marks."""
    try:
        with metrics.open() as lines:
            records = [json.loads(line) for line in lines]
        return _curves(records)
    except (OSError, ValueError, LookupError, TypeError) as error:  # a log alone, which nothing else depends on
        warn(f"{metrics}: cannot be read ({error}); the report has no curves")
        return []


def _curves(records: list[dict[str, Any]]) -> list[Panel]:
    taken = [record for record in records if record["event"] == "step" and record["images"]]
    judged = [record for record in records if record["event"] == "evaluation"]
    smoothing = max(5, len(taken) // 40)
    losses, rights = [], []
    for head in taken[0].get("losses", ()) if taken else ():
        steps = [record["step"] for record in taken]
        losses.append(Curve(f"training {head}", steps, [record["losses"][head] for record in taken], smoothing))
        if head == MAIN:
            rights.append(Curve(f"training {head}", steps, [record["top1"][head] for record in taken], smoothing))
    for weights in dict.fromkeys(record["weights"] for record in judged):
        points = [record for record in judged if record["weights"] == weights]
        steps = [record["step"] for record in points]
        losses.append(Curve(f"validation, {weights} weights", steps, [record["loss"] for record in points]))
        rights.append(Curve(f"validation, {weights} weights", steps, [record["top1"] for record in points]))
    return [Panel("loss", tuple(losses)), Panel("top-1", tuple(rights), share=True)] if losses else []


def _figures(summary: Mapping[str, Any], outcome: Outcome | None) -> list[Figure]:
    time = Figure("Time", duration(summary["seconds"]), note=f"{summary['steps']:,} steps, epochs: {summary['epochs']}")
    if outcome is None or not outcome.images:
        return [time]
    shown = [_share("Top-1", outcome.top1, outcome.images, f"{summary['weights']} weights")]
    if outcome.top5 is not None:
        shown.append(_share("Top-5", outcome.top5, outcome.images))
    return [*shown, Figure("Loss", number(outcome.loss), note=f"{outcome.images:,} validation images"), time]


def _classes(setup: Setup, outcome: Outcome) -> list[ClassScore]:
    right, images = right_by_class(outcome.labels, outcome.ranks, len(setup.classes))
    answers = np.bincount(outcome.answers, minlength=len(setup.classes))
    columns = zip(setup.classes, right.tolist(), images.tolist(), answers.tolist(), strict=True)
    return [ClassScore(item.name, k, n, taken, share_interval(k, n)) for item, k, n, taken in columns]


def _confusion(setup: Setup, outcome: Outcome) -> Confusion:
    counts = confusion(outcome.labels, outcome.answers).tolist()
    return Confusion([item.name for item in setup.classes], [tuple(row) for row in counts])


def _mistakes(setup: Setup, outcome: Outcome) -> list[Illustration]:
    """Where the network was surest and wrong, as pictures."""
    assert setup.validation is not None
    shown = []
    for place in most_confident_errors(outcome.ranks, outcome.probability, SHOWN_MISTAKES).tolist():
        index = int(outcome.indices[place])
        answer, truth = (setup.classes[labels[place]].name for labels in (outcome.answers, outcome.labels))
        name = setup.validation.name(index)
        caption = (
            f"{percent(float(outcome.probability[place]))} {answer}; truth: {truth} ({printable(Path(name).name)})"
        )
        try:
            picture = decode(setup.validation.read(index), name)
        except InputError:  # gone or changed since it was evaluated
            continue
        shown.append(Illustration(data_uri(picture), caption, correct=False))
    return shown


def _share(name: str, value: float, images: int, note: str = "") -> Figure:
    return share(name, value, share_interval(round(value * images), images), note)


def _command() -> str | None:
    """The command line, where there was one."""
    program = Path(sys.argv[0])
    is_ours = program.name == "googlenet" or program.parts[-2:] == ("googlenet", "__main__.py")
    return shlex.join(["googlenet", *sys.argv[1:]]) if is_ours else None
