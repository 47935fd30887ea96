"""`googlenet detector train-multibox`: boxes around any object, learnt from annotated pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import carry_through, expect_apart
from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.datasets.joined import Joined
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.errors import InputError, counted
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import duration, percent
from googlenet.weights.checkpoint import describe


@dataclass(frozen=True)
class Options:
    """Train a MultiBox. Give the same command again to go on with an interrupted run."""

    data: Annotated[Positional[tuple[str, ...]], arg(metavar="DATA [DATA ...]")]
    """VOC or ILSVRC folder, one of its lists, COCO's or ImageNet's JSON, or YOLO's YAML; several are joined."""
    output: Annotated[str, arg(aliases=["-o"], metavar="FOLDER")]
    """Where the run is kept: recipe, metrics, checkpoints, report."""
    pretrained: Annotated[Path, arg(metavar="WEIGHTS")]
    """Weights of a classifier, whose last layers give way to boxes; or of a MultiBox."""
    split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of each DATA to train on, such as train; by default all of it."""
    validation: Annotated[str | None, arg(metavar="DATA")] = None
    """Pictures to evaluate on, in any of the forms of DATA."""
    validation_split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of it; where there is no --validation, part of each DATA."""
    recipe: Annotated[MultiBoxRecipe, OmitArgPrefixes] = MultiBoxRecipe()  # noqa: RUF009  frozen
    json: bool = False
    """Print the summary as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Train, and print what came of it."""
    describe(options.pretrained)
    expect_apart(options.output, *options.data, options.validation)
    data = _opened(options.data, options.split)
    has_validation = options.validation is not None or options.validation_split is not None
    held_out = (options.validation,) if options.validation is not None else options.data
    validation = _opened(held_out, options.validation_split) if has_validation else None
    keep_freed_memory()
    from googlenet.detection.multibox.setup import prepare
    from googlenet.training.run import carry_out

    finished = carry_through(
        lambda: carry_out(lambda: prepare(data, options.recipe, validation, options.pretrained), options.output)
    )
    if isinstance(finished, int):
        return finished
    summary = finished.summary
    if options.json:
        print(json.dumps(summary))
        return 0
    found = summary["evaluation"].get(summary["weights"])
    if found:
        print(
            f"recall of the {summary['weights']} weights: {percent(found['recall'])}"
            f" of {counted(found['objects'], 'objects')} in {counted(found['images'], 'images')},"
            f" with {counted(summary['boxes'], 'boxes')} an image, at IoU 0.5"
        )
    print(f"{counted(summary['steps'], 'steps')} in {duration(summary['seconds'])}; {finished.weights}")
    return 0


def _opened(sources: tuple[str, ...], split: str | None) -> tuple[str | tuple[str, ...], AnnotatedImages]:
    """Return what is opened and what it holds: of several data sets one after the other."""
    if not sources:
        raise InputError("DATA: give a data set with annotated pictures")
    first, *others = (open_annotated(source, split) for source in sources)
    return (sources, Joined([first, *others])) if others else (sources[0], first)
