"""`googlenet detector train-multibox`: boxes around any object, learnt from annotated pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import carry_through
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import duration, percent
from googlenet.weights.checkpoint import describe


@dataclass(frozen=True)
class Options:
    """Train a MultiBox. Give the same command again to go on with an interrupted run."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """VOC or ILSVRC folder, one of its lists, COCO's or ImageNet's JSON, or YOLO's YAML."""
    output: Annotated[str, arg(aliases=["-o"], metavar="FOLDER")]
    """Where the run is kept: recipe, metrics, checkpoints, report."""
    pretrained: Annotated[Path, arg(metavar="WEIGHTS")]
    """Weights of a classifier, whose last layers give way to boxes; or of a MultiBox."""
    split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of DATA to train on, such as train; by default all of it."""
    validation: Annotated[str | None, arg(metavar="DATA")] = None
    """Pictures to evaluate on, in any of the forms of DATA."""
    validation_split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of it; where there is no --validation, part of DATA."""
    recipe: Annotated[MultiBoxRecipe, OmitArgPrefixes] = MultiBoxRecipe()  # noqa: RUF009  frozen
    json: bool = False
    """Print the summary as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Train, and print what came of it."""
    describe(options.pretrained)
    data = open_annotated(options.data, options.split)
    has_validation = options.validation is not None or options.validation_split is not None
    held_out = options.validation or options.data
    validation = (held_out, open_annotated(held_out, options.validation_split)) if has_validation else None
    keep_freed_memory()
    from googlenet.detection.multibox.setup import prepare
    from googlenet.training.run import carry_out

    finished = carry_through(
        lambda: carry_out(
            lambda: prepare((options.data, data), options.recipe, validation, options.pretrained), options.output
        )
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
            f"recall of the {summary['weights']} weights: {percent(found['recall'])} of {found['objects']:,} objects"
            f" in {found['images']:,} images, with {summary['boxes']} boxes an image, at IoU 0.5"
        )
    print(f"{summary['steps']:,} steps in {duration(summary['seconds'])}; {finished.weights}")
    return 0
