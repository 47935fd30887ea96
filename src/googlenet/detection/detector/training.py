"""`train_detector`: from annotated pictures to a detector in one folder, stage by stage.

Proposals, windows, the region classifier, the detector's file, its evaluation. Each stage leaves what the next one
needs, whole or not at all, and is passed over where that is there for the same input. Whatever ends a run, the same
call goes on.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.data.dataset import file_size
from googlenet.data.labels import some
from googlenet.detection.annotations import AnnotatedImages, Objects, keys_of
from googlenet.detection.detector.detector import load_detector
from googlenet.detection.detector.estimate import estimate
from googlenet.detection.detector.evaluating import detect_all
from googlenet.detection.detector.file import read_detector, save_detector
from googlenet.detection.detector.judging import judge_detector
from googlenet.detection.detector.report import write_report
from googlenet.detection.detector.settings import DetectorSettings, proposed_by
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.coverage import Coverage, arms_of
from googlenet.detection.proposals.pictures import Pictures
from googlenet.detection.proposals.proposing import propose
from googlenet.detection.proposals.report import write_report as write_coverage
from googlenet.detection.proposals.sources import Found, Source, open_source
from googlenet.detection.proposals.union import ranked
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.judging import PROTOCOL
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.setup import RegionData, check_data
from googlenet.detection.regions.training import train_regions
from googlenet.detection.regions.windows import Labelled, Windows, label_windows, open_windows, write_windows
from googlenet.errors import InputError
from googlenet.files import sha256, write_json
from googlenet.network.module import Network
from googlenet.records import encode
from googlenet.reporting.console import say, warn
from googlenet.reporting.progress import Progress
from googlenet.training.setup import check_fit
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import describe, expect_classes

__all__ = ["DetectorData", "DetectorRun", "train_detector"]

SELECTIVE_SEARCH = ("selective-search",)


@dataclass(frozen=True)
class DetectorData:
    """Annotated pictures, and what they are called in records and reports."""

    source: str
    images: AnnotatedImages


@dataclass(frozen=True)
class DetectorRun:
    """A finished run: its folder and what `summary.json` says."""

    folder: Path
    summary: Mapping[str, Any]

    @property
    def detector(self) -> Path:
        """The file for `load_detector`."""
        return self.folder / "detector.safetensors"


def train_detector(
    data: DetectorData,
    recipe: RegionRecipe = RegionRecipe(),  # noqa: B008  frozen
    *,
    validation: DetectorData | None = None,
    pretrained: str | os.PathLike[str],
    output: str | os.PathLike[str],
    sources: Sequence[str] = SELECTIVE_SEARCH,
) -> DetectorRun:
    """Train a detector on the objects of `data` by `recipe`, in the folder `output`, and return the finished run.

    `sources` propose boxes, as `googlenet propose --source` names them; `pretrained` is the checkpoint of a classifier.
    The finished detector is judged on the pictures of `validation`, by all their proposals. Given again with the same
    folder, an interrupted run goes on, nothing of it is done twice, and a finished one is only returned. Raises
    `InputError` for whatever does not fit together, before the first stage where that can be seen; others as `train`.
    """
    folder, opened = Path(output), [open_source(text) for text in sources]
    network = _check(data, validation, recipe, pretrained)
    cache = ProposalCache(folder / "proposals")
    if not (folder / "windows").exists():
        judged_on = validation.images if validation else None
        if expected := estimate(data.images, judged_on, recipe, network, opened, cache):
            say(str(expected))
    stages = _Proposed(folder / "windows", opened, cache, recipe.skip_bad_images)
    training = stages.windows("train", data, with_objects=True)
    held_out = None if validation is None else stages.windows("validation", validation, with_objects=False)
    settings = DetectorSettings(tuple(proposed_by(source, folder) for source in opened))
    run = train_regions(
        training,
        recipe,
        validation=held_out,
        pretrained=pretrained,
        output=folder / "regions",
        sources=", ".join(one.text for one in settings.sources),
    )
    found = DetectorRun(folder, {})
    save_detector(found.detector, checkpoint.read(run.weights), settings)
    judged, covered = None, None
    if validation is not None and held_out is not None:
        covered = _cover(held_out, settings, folder / "evaluation/proposals")
        judged = _judge(found.detector, validation, cache, folder / "evaluation")
    parts = {"train": training, **({"validation": held_out} if held_out else {})}
    summary = {
        "detector": found.detector.name,
        "settings": encode(settings),
        "proposals": covered,
        "regions": dict(run.summary),
        "evaluation": judged,
        "bad_images": {name: why for part in parts.values() for name, why in part.images.all_windows.bad.items()},
    }
    write_json(folder / "summary.json", summary)
    return DetectorRun(folder, summary)


def _check(data: DetectorData, validation: DetectorData | None, recipe: RegionRecipe, pretrained: Any) -> Network:
    """Look at what can be seen to be wrong before hours of work; return a network like the one to be trained."""
    start = describe(pretrained)
    expect_classes(start, pretrained)
    check_data(data.images, validation.images if validation else None)
    network = Network(start.specification)
    check_fit(recipe, network, validation.images if validation else None)
    return network


@dataclass(frozen=True)
class _Proposed:
    """The first stages: boxes of each picture, kept in `cache`, and windows of them in folders of `folder`."""

    folder: Path
    sources: Sequence[Source]
    cache: ProposalCache
    skip_bad_images: bool

    def windows(self, name: str, part: DetectorData, *, with_objects: bool) -> RegionData:
        """Return pictures with their windows, which are made where they are not there.

        They are of proposals and, `with_objects`, before them of the objects themselves.
        """
        place, key = self.folder / name, self._key(part.images, with_objects)
        found = open_windows(place)
        if found is None or found.key != key:
            bad: dict[str, str] = {}
            parts = self._labelled(name, part.images, with_objects, bad)
            found = write_windows(place, parts, len(part.images.classes), key, bad)
            _tell(name, part.images, found)
        return RegionData(part.source, RegionImages(part.images, found))

    def _key(self, images: AnnotatedImages, with_objects: bool) -> str:
        """All that windows are made of, as a hash."""
        digest = hashlib.sha256(repr((with_objects, [one.id for one in images.classes])).encode())
        for source in self.sources:
            digest.update(f"{source.key}\n".encode())
        annotated = (_described(images, index) for index in range(len(images)))
        for key in keys_of(images, annotated):
            digest.update(f"{key}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _labelled(
        self, name: str, images: AnnotatedImages, with_objects: bool, bad: dict[str, str]
    ) -> Iterator[Labelled]:
        """Yield the windows of each picture; note in `bad` why one has none."""
        answers = propose(Pictures(None, images), self.sources, self.cache)
        with Progress(f"proposing, {name}", total=len(images)) as progress:
            for index, (file, answer) in enumerate(answers):
                progress.update()
                if isinstance(answer, InputError):
                    if not self.skip_bad_images:
                        what, _, mend = str(answer).rpartition("; ")
                        raise InputError(f"{what or mend}; take it away, or give --skip-bad-images")
                    bad[file] = str(answer)
                    say(f"left out: {answer}")
                    boxes = np.empty((0, 4))
                    yield label_windows(boxes, _nothing(), len(images.classes))
                    continue
                objects, boxes = images.objects(index), ranked(answer.parts)
                own = objects.boxes[~objects.crowd] if with_objects else boxes[:0]
                yield label_windows(np.concatenate([own, boxes]), objects, len(images.classes))


def _judge(detector: Path, validation: DetectorData, cache: ProposalCache, folder: Path) -> dict[str, Any]:
    """Return what the finished detector finds, by all proposals; the report is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = detect_all(load_detector(detector, cache=cache), validation.images, folder, sha256(detector))
    judged = judge_detector(str(detector), read_detector(detector).kind, found, validation.images, PROTOCOL)
    write_report([judged], validation.images, folder, validation.source)
    return judged.to_json()


def _cover(held_out: RegionData, settings: DetectorSettings, folder: Path) -> dict[str, Any]:
    """Return how many objects the proposals cover, which no detector can better; the report is in `folder`."""
    images = held_out.images
    coverage = Coverage(images.classes, arms_of([" + ".join(one.text for one in settings.sources)]))
    for index in range(len(images)):
        boxes = images.windows(index).boxes
        coverage.add(images.objects(index), [Found(boxes, np.zeros(len(boxes)))])
    figures = coverage.to_json()
    write_coverage(figures, {one.id: one.name for one in images.classes}, held_out.source, folder)
    arm = figures["arms"][0]
    return {name: arm[name] for name in ("boxes_per_image", "recall", "recall_interval", "average_recall")}


def _tell(name: str, images: AnnotatedImages, windows: Windows) -> None:
    size = 36 * len(windows) / 2**20
    counts = f"{len(windows.positives):,} of {len(windows):,} windows show objects"
    say(f"{name}: {counts}, {len(windows) / max(1, windows.pictures):,.0f} a picture, {size:,.1f} MiB on the disk")
    counts_of_classes = windows.counts(len(images.classes)).tolist()
    if lacking := [one.name for one, count in zip(images.classes, counts_of_classes, strict=True) if not count]:
        warn(f"{name}: no window shows {some(lacking, 5)}; what is never seen is never found")


def _described(images: AnnotatedImages, index: int) -> list[Any]:
    found = images.objects(index)
    flags = [found.difficult.tolist(), found.crowd.tolist(), sorted(found.excluded)]
    return [file_size(images.name(index)), found.boxes.tolist(), found.labels.tolist(), *flags]


def _nothing() -> Objects:
    none = np.empty(0, np.bool_)
    return Objects(np.empty((0, 4)), np.empty(0, np.int64), none, none, np.empty(0))
