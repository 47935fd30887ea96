"""`train_detector`: from annotated pictures to a detector in one folder, stage by stage.

MultiBox where it is asked for, proposals, region classifier, the detector's file, its evaluation. Whatever ends a run,
the same call goes on.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from googlenet.data.identity import Identity, difference
from googlenet.detection.detector.estimate import estimate
from googlenet.detection.detector.settings import (
    OWN,
    Choice,
    DetectorSettings,
    ProposedBy,
    check_rejection,
    chosen,
)
from googlenet.detection.detector.stages import DETECTOR, STAGES
from googlenet.detection.detector.staging import StageRecords, carry_out_stages, check_chosen
from googlenet.detection.detector.work import MULTIBOX_RECIPE, DetectorData, DetectorWork, StageName
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.detection.regions.setup import check_data
from googlenet.errors import InputError, shown
from googlenet.files import atomic_write, write_json
from googlenet.network.module import Network
from googlenet.reporting.console import say
from googlenet.training.folder import alone_in, expect_ours
from googlenet.training.setup import check_fit
from googlenet.weights.checkpoint import describe, expect_classes

__all__ = ["DetectorData", "DetectorRun", "train_detector"]

SELECTIVE_SEARCH = ("selective-search",)

SAID = ("detector", "settings", "multibox", "proposals", "regions", "refinement", "evaluation")
"""What the summary always has, None where it was not done; and `bad_images` and `seconds`."""


@dataclass(frozen=True)
class DetectorRun:
    """A finished run: its folder and what `summary.json` says."""

    folder: Path
    summary: Mapping[str, Any]

    @property
    def detector(self) -> Path:
        """The file for `load_detector`."""
        return self.folder / DETECTOR


def train_detector(
    data: DetectorData,
    recipe: RegionRecipe = RegionRecipe(),  # noqa: B008  frozen
    *,
    validation: DetectorData | None = None,
    pretrained: str | os.PathLike[str],
    output: str | os.PathLike[str],
    sources: Sequence[str] = SELECTIVE_SEARCH,
    multibox: MultiBoxRecipe = MULTIBOX_RECIPE,
    refinement: RefinementRecipe = RefinementRecipe(),  # noqa: B008  frozen
    choice: Choice = Choice(),  # noqa: B008  frozen
    cache: str | os.PathLike[str] | None = None,
    stages: Sequence[StageName] = (),
) -> DetectorRun:
    """Train a detector on the objects of `data` by `recipe`, in the folder `output`, and return the finished run.

    `sources` propose boxes, as `googlenet propose --source` names them; one that is "multibox", or
    "multibox:boxes=100", is first trained on `data` by the recipe `multibox`. What they propose is kept in the folder
    `cache`, which several runs may share; by default in `output`. `pretrained` is the checkpoint of a classifier; what
    `refinement` asks for is fitted to its features. The finished detector is judged on the pictures of `validation`,
    by all their proposals, or by those of the `choice` that its file remembers. With `stages` only those of multibox,
    proposals, regions, refinement, detector and evaluation are done.

    Given again with the same folder, an interrupted run goes on, nothing of it is done twice, and a finished one is
    only returned. Raises `InputError` for whatever does not fit together, before the first stage where that can be
    seen; others as `train`.
    """
    work = DetectorWork(
        Path(output),
        data,
        validation,
        recipe,
        multibox,
        pretrained,
        tuple(sources),
        refinement,
        choice,
        None if cache is None else Path(cache),
    )
    network = _check(work)
    check_chosen(STAGES, work, stages)
    expect_ours(work.folder, "stages.json")
    with alone_in(work.folder):
        records = StageRecords(work.folder)
        is_new = not records.exists
        _claim(work, records)
        if is_new and (expected := estimate(work, network)):
            say(str(expected))
        found = carry_out_stages(STAGES, work, records, stages)
        done = [stage.name for stage in STAGES if not stage.lacks(work)]
        summary = dict.fromkeys(SAID) | {"bad_images": {}} | found | {"seconds": records.seconds(done)}
        write_json(work.folder / "summary.json", summary)
        return DetectorRun(work.folder, summary)


def _check(work: DetectorWork) -> Network:
    """Look at what can be seen to be wrong before hours of work; return a network like the one to be trained."""
    start = describe(work.pretrained)
    expect_classes(start, work.pretrained)
    if not work.texts:
        raise InputError("sources: give one")
    _ = work.given_sources, work.own_boxes
    if work.kept is not None:
        _ = work.cache
    if work.choice.reject_by and os.path.realpath(work.choice.reject_by) == os.path.realpath(work.folder / DETECTOR):
        raise InputError(f"--reject-by {work.choice.reject_by}: the file that is made here; give another detector")
    sources = tuple(ProposedBy(text, "" if text.startswith(OWN) else None) for text in work.texts)
    settings = chosen(DetectorSettings(sources), work.choice, work.folder / DETECTOR)
    check_rejection(settings, work.folder / DETECTOR, needs_number=True)
    held_out = work.validation.images if work.validation else None
    check_data(work.data.images, held_out)
    network = Network(work.recipe.specification(start.specification))
    check_fit(work.recipe, network, held_out)
    return network


def _claim(work: DetectorWork, records: StageRecords) -> None:
    """Make the folder that of these data and sources; `InputError` where a training has begun in it with others.

    The training itself would refuse them, too, but what it learns from would have been made anew before.
    """
    listings = {name: work.folder / f"{name}.txt.gz" for name in ("train", "validation")}
    now = {name: work.parts[name].identity if name in work.parts else None for name in listings}
    changed = [f"{name}: {words}" for name, path in listings.items() if (words := _changed(path, now[name]))]
    begun = [name for name in ("multibox", "regions") if records.made_of(name) is not None]
    proposed = records.made_of("proposals")
    if "regions" in begun and isinstance(proposed, dict) and proposed.get("sources") != work.sources_to_json():
        changed.append("sources of proposals")
    if begun and changed:
        raise InputError(
            f"{work.folder}: belongs to another run ({'; '.join(changed)}); give all as it was, or another folder"
        )
    records.begin()
    for name, path in listings.items():
        found = now[name]
        if found is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != found.listing:
            with atomic_write(path) as file:
                file.write(found.listing)


def _changed(path: Path, now: Identity | None) -> str:
    """Say in words how data differ from those that were listed before; empty where they do not."""
    before = path.read_bytes() if path.is_file() else None
    if before == (now.listing if now else None):
        return ""
    if before is None or now is None:
        return "there were none" if now else "there were some"
    return shown(difference(before, now), 300) or "there were others"
