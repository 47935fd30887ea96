"""`googlenet train`: the recipe of section 6, on any images; fine-tuning; goes on when it is given again."""

import json
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import carry_through, expect_apart
from googlenet.data.sources import expect_source
from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError, counted
from googlenet.machine import keep_freed_memory
from googlenet.network.stages import check_processes, check_trained
from googlenet.network.zoo import specification
from googlenet.processes import launch, ranks
from googlenet.reporting.console import duration, percent
from googlenet.training.recipe import Recipe
from googlenet.weights.checkpoint import describe

if TYPE_CHECKING:
    from googlenet.training.exchange import Exchange


@dataclass(frozen=True)
class Options:
    """Train a network. Give the same command again to go on with an interrupted run."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """Folder of class folders, list file, tar shards, or digits."""
    output: Annotated[str, arg(aliases=["-o"], metavar="FOLDER")]
    """Where the run is kept: recipe, metrics, checkpoints, report."""
    validation: str | None = None
    """Images to evaluate on, in any of the forms of DATA."""
    pretrained: Path | None = None
    """Weights to begin with; where their classes are others, their classifiers start fresh."""
    recipe: Annotated[Recipe, OmitArgPrefixes] = Recipe()  # noqa: RUF009  frozen
    processes: Annotated[int, arg(metavar="N")] = 1
    """Processes on this machine that share each batch; over several machines, torchrun starts them."""
    restarts: Annotated[int, arg(metavar="K")] = 0
    """Times that the processes are started again, from the last checkpoint, when one was killed."""
    wire: Literal["float32", "bfloat16"] = "float32"
    """What gradients are sent as between processes; bfloat16 halves what goes over a slow link."""
    stages: Annotated[int, arg(metavar="N")] = 1
    """Share the network's rows out among so many of the processes; --accumulate parts follow one another."""
    exchange: Literal["step", "downpour"] = "step"
    """How gradients come together: in step, or as each comes to parameter shards on Ray (the extra cluster)."""
    downpour: Annotated[Downpour, OmitArgPrefixes] = Downpour()  # noqa: RUF009  frozen
    json: bool = False
    """Print the summary as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Train, and print what came of it."""
    expect_source(options.data)
    if options.validation is not None:
        expect_source(options.validation)
    expect_apart(options.output, options.data, options.validation)
    if options.exchange == "downpour" and (options.processes > 1 or ranks().size > 1 or options.stages > 1):
        raise InputError("--exchange downpour: Ray starts processes; leave --processes, --stages and torchrun out")
    start = None if options.pretrained is None else describe(options.pretrained).specification
    if options.stages != 1:
        check_trained(start or specification(options.recipe.network or "googlenet"), options.stages)
        check_processes(options.stages, max(options.processes, ranks().size))
    if options.exchange == "step" and options.downpour != Downpour():
        differing = [one.name for one in fields(Downpour) if getattr(options.downpour, one.name) != one.default]
        name = differing[0].replace("_", "-")
        raise InputError(f"--{name}: is of --exchange downpour; give that too, or leave it out")
    if (status := launch(sys.argv[1:], options.processes, restarts=options.restarts)) is not None:
        return status
    keep_freed_memory()
    from googlenet.training.run import train

    with _exchange(options) as exchange:
        finished = carry_through(
            lambda: train(
                options.data,
                options.recipe,
                validation=options.validation,
                pretrained=options.pretrained,
                output=options.output,
                exchange=exchange,
            )
        )
    if isinstance(finished, int):
        return finished
    if exchange.rank:  # the first one speaks
        return 0
    if options.json:
        print(json.dumps(finished.summary))
        return 0
    summary = finished.summary
    measured = summary["evaluation"].get(summary["weights"])
    if measured:
        print(
            f"top-1 of the {summary['weights']} weights: {percent(measured['top1'])}"
            f" of {counted(measured['images'], 'images')}"
        )
    print(f"{counted(summary['steps'], 'steps')} in {duration(summary['seconds'])}; {finished.weights}")
    return 0


def _exchange(options: Options) -> AbstractContextManager["Exchange"]:
    if options.exchange == "downpour":
        from googlenet.distributed.downpour.cluster import connected

        return connected(options.downpour, options.wire)
    from googlenet.distributed.meeting import all_processes

    return all_processes(options.wire, options.stages)
