"""The stages of a detector's training: what each is made of, makes and leaves. Another one is another entry."""

import time
from typing import Any

from googlenet.detection.detector.detector import load_detector
from googlenet.detection.detector.evaluating import detect_all
from googlenet.detection.detector.file import read_detector, save_detector
from googlenet.detection.detector.judging import judge_detector
from googlenet.detection.detector.proposing import make_proposals, windows_of
from googlenet.detection.detector.report import write_report
from googlenet.detection.detector.staging import Stage, StageRecords
from googlenet.detection.detector.work import MULTIBOX_WEIGHTS, DetectorWork
from googlenet.detection.multibox.setup import prepare as prepare_multibox
from googlenet.detection.regions.judging import PROTOCOL
from googlenet.detection.regions.refinement.fitting import FITTED, fit_refinement
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.training import train_regions
from googlenet.errors import after_work
from googlenet.files import sha256
from googlenet.records import encode
from googlenet.training.loop_recipe import LoopRecipe, names_that_may, to_json
from googlenet.training.run import carry_out
from googlenet.weights import checkpoint

__all__ = ["DETECTOR", "REGIONS", "STAGES"]

REGIONS, DETECTOR = "regions/final.safetensors", "detector.safetensors"
"""In the run's folder: the region classifier, and the detector."""

REFINEMENT = "refinement"
"""The folder, in the run's, of what refines the classifier's answers."""


def _train_multibox(work: DetectorWork) -> dict[str, Any]:
    held_out = None if work.validation is None else (work.validation.source, work.validation.images)
    training = (work.data.source, work.data.images)
    run = carry_out(
        lambda: prepare_multibox(training, work.multibox_recipe, held_out, work.pretrained),
        (work.folder / MULTIBOX_WEIGHTS).parent,
    )
    return {"multibox": run.summary}


def _train_regions(work: DetectorWork) -> dict[str, Any]:
    run = train_regions(
        windows_of(work, "train"),
        work.recipe,
        validation=windows_of(work, "validation") if work.validation else None,
        pretrained=work.pretrained,
        output=(work.folder / REGIONS).parent,
        sources=", ".join(one.text for one in work.settings.sources),
    )
    return {"regions": run.summary}


def _refine(work: DetectorWork) -> dict[str, Any]:
    _refinement(work)
    return {"refinement": encode(work.refinement)}


def _refinement(work: DetectorWork) -> Refinement:
    """Fit what refines the region classifier, or return what was fitted."""
    return fit_refinement(
        work.refinement,
        windows_of(work, "train").images,
        work.folder / REGIONS,
        work.folder / REFINEMENT,
        seed=work.recipe.seed,
        context=work.settings.context,
        device=work.recipe.device,
    )


def _make_detector(work: DetectorWork) -> dict[str, Any]:
    classifier = checkpoint.read(work.folder / REGIONS)
    save_detector(work.folder / DETECTOR, classifier, work.settings, _refinement(work))
    return {"detector": DETECTOR, "settings": encode(work.settings)}


def _judge(work: DetectorWork) -> dict[str, Any]:
    """Judge the finished detector by all proposals; the report is in the folder `evaluation`."""
    assert work.validation is not None
    begun = time.monotonic()
    detector, folder, images = work.folder / DETECTOR, work.folder / "evaluation", work.validation.images
    folder.mkdir(parents=True, exist_ok=True)
    described = read_detector(detector)
    made = load_detector(detector, cache=work.cache)
    found = detect_all(made, images, folder, f"{described.identity} float32", (work.kept or folder) / "answers")
    judged = judge_detector(str(detector), described.kind, found, images, PROTOCOL)
    seconds = StageRecords(work.folder).seconds([stage.name for stage in STAGES if stage.make is not _judge])
    seconds["evaluation"] = time.monotonic() - begun
    with after_work():
        write_report([judged], images, folder, work.validation.source, seconds)
    return {"evaluation": judged.to_json()}


def _data(work: DetectorWork) -> dict[str, Any]:
    return {name: part.identity.sha256 for name, part in work.parts.items()}


def _recipe(recipe: LoopRecipe) -> dict[str, Any]:
    """All of a recipe that its result depends on."""
    changing = names_that_may("change", type(recipe))
    return {name: value for name, value in to_json(recipe).items() if name not in changing}


STAGES: tuple[Stage[DetectorWork], ...] = (
    Stage(
        "multibox",
        _train_multibox,
        made_of=lambda work: {
            **{"data": _data(work), "pretrained": sha256(work.pretrained)},
            **{"recipe": _recipe(work.multibox_recipe)},
        },
        leaves=(MULTIBOX_WEIGHTS, "multibox/summary.json"),
        lacks=lambda work: "" if work.own_boxes else "give --source multibox, which is what it trains",
    ),
    Stage(
        "proposals",
        make_proposals,
        made_of=lambda work: {"data": _data(work), "sources": work.sources_to_json()},
        leaves=("windows/train/index",),
    ),
    Stage(
        "regions",
        _train_regions,
        made_of=lambda work: {"pretrained": sha256(work.pretrained), "recipe": _recipe(work.recipe)},
        leaves=(REGIONS, "regions/summary.json"),
    ),
    Stage(
        "refinement",
        _refine,
        made_of=lambda work: encode(work.refinement),
        leaves=(f"{REFINEMENT}/{FITTED}",),
        lacks=lambda work: "" if work.refinement else "give --scores svm, --box-regression or --context",
    ),
    Stage(
        "detector",
        _make_detector,
        made_of=lambda work: {"settings": encode(work.settings)},
        leaves=(DETECTOR,),
    ),
    Stage(
        "evaluation",
        _judge,
        made_of=lambda work: {"protocol": PROTOCOL},
        leaves=("evaluation/report.html", "evaluation/average-precision.json"),
        lacks=lambda work: "" if work.validation else "give pictures to judge by, --validation or --validation-split",
    ),
)
