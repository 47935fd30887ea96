"""`googlenet evaluate`: the protocol of section 7 on labelled images, for any weights: Table 3 from one command."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import expect_apart, stopped
from googlenet.data.sources import expect_source
from googlenet.errors import BrokenOff, InputError, counted
from googlenet.evaluation.protocol import find_protocols
from googlenet.inference.engine import Computing
from googlenet.machine import keep_freed_memory
from googlenet.processes import launch
from googlenet.reporting.console import json_line, percent, say, scaled, table
from googlenet.weights.ensemble import expect_weights

if TYPE_CHECKING:
    from googlenet.evaluation.results import Evaluation, Row


@dataclass(frozen=True)
class Options:
    """Judge weights on labelled images, with 1, 10 or 144 crops, alone and together."""

    weights_and_data: Annotated[Positional[tuple[str, ...]], arg(metavar="WEIGHTS... DATA")]
    """Checkpoints and ensembles; then a folder of class folders, a list file, or tar shards."""
    crops: tuple[str, ...] = ("1",)
    """Protocols: 1, 10, 144, howard-90, or .json files (see `googlenet views`)."""
    combination: tuple[Literal["mean", "max", "logits"], ...] = ("mean",)
    """How views become one answer: mean probabilities, their maximum, or mean logits."""
    until_sure: Annotated[float | None, arg(metavar="RISK")] = None
    """Add views until more cannot change the answer (0), or change it with at most this probability."""
    report: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write a page to pass on, and the figures behind it; a command that was ended goes on from here."""
    logits: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Keep the logits of every view here; what is here already is not computed again."""
    logits_as: Literal["float32", "float16"] = "float32"
    """In which numbers they are kept."""
    classes_of_data: bool = False
    """Only classes that the data have can be answered."""
    fit_temperature: Annotated[str | None, arg(metavar="SPLIT")] = None
    """Calibrate WEIGHTS on other labelled images first; written to --output, and judged beside them."""
    output: Annotated[Path | None, arg(aliases=["-o"], metavar="FILE")] = None
    """The calibrated checkpoint."""
    save_ensemble: Annotated[Path | None, arg(metavar="FILE")] = None
    """First write the ensemble of all WEIGHTS, a .json file that stands for them wherever weights are asked for."""
    processes: Annotated[int, arg(metavar="N")] = 1
    """Share the images among so many processes; `torchrun -m googlenet evaluate ...` does so too."""
    computing: Annotated[Computing, OmitArgPrefixes] = Computing()  # noqa: RUF009  frozen
    json: bool = False
    """Print the table as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Evaluate, and print the table."""
    if len(options.weights_and_data) < 2:
        raise InputError("WEIGHTS and DATA are both needed: googlenet evaluate bvlc.safetensors photographs/")
    *weights, data = options.weights_and_data
    for path in weights:
        expect_weights(path)
    expect_source(data)
    for folder in filter(None, (options.report, options.logits)):
        expect_apart(str(folder), data)
    find_protocols(options.crops)
    if (options.fit_temperature is None) != (options.output is None) or (options.output and len(weights) > 1):
        raise InputError("--fit-temperature SPLIT and --output FILE go together, with one checkpoint")
    if options.output and options.processes > 1:
        raise InputError("--fit-temperature is for one process; calibrate first, then evaluate what was written")
    if (status := launch(sys.argv[1:], options.processes)) is not None:
        return status
    keep_freed_memory()
    from googlenet.evaluation.run import evaluate
    from googlenet.weights.ensemble import save_ensemble

    if options.save_ensemble:
        save_ensemble(options.save_ensemble, weights)
        say(f"{options.save_ensemble}: stands for {len(weights)} weights")
    if options.fit_temperature is not None:
        weights.append(str(_calibrated(options, weights, data)))
    try:
        found = evaluate(
            weights,
            data,
            crops=options.crops,
            combination=options.combination,
            classes_of_data=options.classes_of_data,
            logits=options.logits,
            logits_as=options.logits_as,
            until_sure=options.until_sure,
            report=options.report,
            together=options.output is None,
            **vars(options.computing),
        )
    except (BrokenOff, KeyboardInterrupt) as error:
        return stopped(error)
    if found is None:  # another process has the whole
        return 0
    print(json_line(found.to_json()) if options.json else _page(found))
    if options.report:
        say(f"{options.report / 'report.html'}: the report")
    if found.unreadable:
        say(f"{len(found.unreadable)} of {found.images + len(found.unreadable)} images could not be read")
    return 1 if found.unreadable else 0


def _calibrated(options: Options, weights: Sequence[str], data: str) -> Path:
    """Write the calibrated checkpoint, in the first of several processes, and return its path."""
    from googlenet.evaluation.temperature import write_calibrated

    assert options.output is not None
    temperature = write_calibrated(
        weights[0], options.fit_temperature or "", options.output, reported=data, **vars(options.computing)
    )
    say(f"{options.output}: the logits of {weights[0]} divided by {temperature:.3f}")
    return options.output


def _page(found: "Evaluation") -> str:
    headers = ["models", "crops", "combination", "top-1", "95 %", "top-5", "95 %", "loss"]
    headers += ["multiply-adds", "performed", "s/image"]
    checked = any(row.checked for row in found.rows)
    left_out = sum(found.lacking.values())
    also = f"; {left_out:,} more are of classes that the weights lack" if left_out else ""
    rows = [[*_cells(row), *([f"{row.changed} of {row.checked}"] if checked else [])] for row in found.rows]
    return f"{counted(found.images, 'images')} of {found.source}{also}\n\n" + table(
        [*headers, *(["changed"] if checked else [])], rows
    )


def _cells(row: "Row") -> Sequence[object]:
    told = row.to_json()
    return [
        row.models_in_words,
        row.crops,
        row.combination,
        *_share(told["top1"], told["top1_interval"]),
        *_share(told["top5"], told["top5_interval"]),
        f"{row.outcome.loss:.3f}",
        scaled(row.multiply_adds),
        scaled(row.multiply_adds_performed),
        f"{row.seconds_per_image:.3f}",
    ]


def _share(value: float | None, interval: tuple[float, float] | None) -> list[str | None]:
    if value is None or interval is None:
        return [None, None]
    return [percent(value), f"{100 * interval[0]:.1f} - {100 * interval[1]:.1f}"]
