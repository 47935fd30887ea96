"""`googlenet detector train`: from annotated pictures to a detector, in one folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from googlenet.commands.runs import carry_through, expect_apart
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.detector.settings import Choice
from googlenet.detection.detector.work import MULTIBOX_RECIPE, StageName, own_boxes
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.errors import InputError, counted
from googlenet.files import expect_folder
from googlenet.machine import keep_freed_memory
from googlenet.reporting.console import percent
from googlenet.weights.checkpoint import describe


@dataclass(frozen=True)
class Options:
    """Train a detector: proposals, region classifier, evaluation. Give the same command again to go on."""

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """VOC or ILSVRC folder, one of its lists, COCO's or ImageNet's JSON, or YOLO's YAML."""
    output: Annotated[str, arg(aliases=["-o"], metavar="FOLDER")]
    """Where everything is kept: proposals, windows, the run, the detector, its report."""
    pretrained: Annotated[Path, arg(metavar="WEIGHTS")]
    """Weights of a classifier, which gets the classes of DATA and background."""
    split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of DATA to train on, such as train; by default all of it."""
    validation: Annotated[str | None, arg(metavar="DATA")] = None
    """Pictures to evaluate on, in any of the forms of DATA."""
    validation_split: Annotated[str | None, arg(metavar="NAME")] = None
    """Part of it; where there is no --validation, part of DATA."""
    source: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="SOURCE")] = ()
    """selective-search:SETTINGS (the default), multibox:FILE,boxes=200, or multibox:boxes=200, which is trained on DATA
    first; give several for their union."""
    multibox: MultiBoxRecipe = MULTIBOX_RECIPE
    """How that MultiBox is trained; --device, --precision, --workers and --skip-bad-images hold for it, too."""
    refinement: Annotated[RefinementRecipe, OmitArgPrefixes] = RefinementRecipe()  # noqa: RUF009  frozen
    choice: Annotated[Choice, OmitArgPrefixes] = Choice()  # noqa: RUF009  frozen
    cache: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where proposals, as of `googlenet propose`, and answers are kept and found again; by default in -o."""
    stages: Annotated[tuple[StageName, ...], arg(metavar="NAME...")] = ()
    """Do these alone, of multibox, proposals, regions, refinement, detector, evaluation; those before must be done."""
    recipe: Annotated[RegionRecipe, OmitArgPrefixes] = RegionRecipe()  # noqa: RUF009  frozen
    json: bool = False
    """Print the summary as JSON (docs/json.md)."""


def run(options: Options) -> int:
    """Train, and print what came of it."""
    if options.multibox != MULTIBOX_RECIPE and not any(own_boxes(text) for text in options.source):
        raise InputError("--multibox... is about a MultiBox that this run trains; give --source multibox, too")
    describe(options.pretrained)
    expect_folder(options.output)
    expect_apart(options.output, options.data, options.validation)
    data = open_annotated(options.data, options.split)
    has_validation = options.validation is not None or options.validation_split is not None
    place = options.validation or options.data
    held_out = open_annotated(place, options.validation_split) if has_validation else None
    keep_freed_memory()
    from googlenet.detection.detector.training import SELECTIVE_SEARCH, DetectorData, train_detector

    finished = carry_through(
        lambda: train_detector(
            DetectorData(options.data, data),
            options.recipe,
            validation=None if held_out is None else DetectorData(place, held_out),
            pretrained=options.pretrained,
            output=options.output,
            sources=tuple(dict.fromkeys(options.source)) or SELECTIVE_SEARCH,
            multibox=options.multibox,
            refinement=options.refinement,
            choice=options.choice,
            cache=options.cache,
            stages=options.stages,
        )
    )
    if isinstance(finished, int):
        return finished
    summary = finished.summary
    if options.json:
        print(json.dumps(summary))
        return 0
    if summary["evaluation"]:
        print(_told(summary["evaluation"]))
    print(f"{finished.detector if summary['detector'] else finished.folder}")
    return 0


def _told(found: Mapping[str, Any]) -> str:
    """The evaluation in a line."""
    mean, ends = found["mean_average_precision"], found["mean_average_precision_interval"]
    interval = f"  [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
    told = "no ground truth" if mean is None else f"{percent(mean)}{interval}"
    return f"mean average precision {told} on {counted(found['images'], 'images')}, {found['protocol']}"
