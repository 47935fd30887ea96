"""The stage of proposals: boxes of each picture, what they show, and how many objects they cover."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from googlenet.data.labels import some
from googlenet.detection.annotations import AnnotatedImages, Objects
from googlenet.detection.boxes import reach_beyond
from googlenet.detection.detector.work import DetectorData, DetectorWork
from googlenet.detection.proposals.coverage import Coverage, arms_of
from googlenet.detection.proposals.pictures import Pictures
from googlenet.detection.proposals.proposing import propose
from googlenet.detection.proposals.report import write_report
from googlenet.detection.proposals.sources import Found
from googlenet.detection.proposals.union import ranked
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.setup import RegionData
from googlenet.detection.regions.windows import Labelled, Windows, label_windows, open_windows, write_windows
from googlenet.errors import BrokenOff, InputError, counted
from googlenet.images.finding import display_name
from googlenet.reporting.console import say, warn
from googlenet.reporting.progress import Progress

__all__ = ["make_proposals", "windows_of"]

WINDOWS, COVERAGE = "windows", "evaluation/proposals"
"""Folders of the run's."""


def make_proposals(work: DetectorWork) -> dict[str, Any]:
    """Propose boxes for all pictures, keep them as windows, and judge those of the validation pictures."""
    bad: dict[str, str] = {}
    for name, part in work.parts.items():
        place, key = work.folder / WINDOWS / name, _key(work, name, part)
        found = open_windows(place)
        if found is None or found.key != key:
            found = _write(work, name, part, key)
            _tell(name, part.images, found)
        bad |= found.bad
    return {"proposals": _cover(work) if work.validation else None, "bad_images": bad}


def windows_of(work: DetectorWork, name: str) -> RegionData:
    """Return the pictures of a part of the data with their windows; `InputError` where those are damaged."""
    part = work.parts[name]
    found = open_windows(work.folder / WINDOWS / name)
    if found is None:
        raise InputError(f"{work.folder / WINDOWS / name}: damaged; delete it, and it is made anew")
    return RegionData(part.source, RegionImages(part.images, found))


def _key(work: DetectorWork, name: str, part: DetectorData) -> str:
    """All that the windows of a part are made of, as a hash; those of training have the objects themselves, too."""
    digest = hashlib.sha256(f"{name} {part.identity.sha256}\n".encode())
    for source in work.sources:
        digest.update(f"{source.key}\n".encode())
    return digest.hexdigest()


def _write(work: DetectorWork, name: str, part: DetectorData, key: str) -> Windows:
    """Make the windows of a part; what was proposed stays kept where the rest fails."""
    bad: dict[str, str] = {}
    beyond: list[str] = []
    with Progress(f"proposing, {name}", total=len(part.images)) as progress:
        parts = _labelled(work, part.images, bad, beyond, progress, with_objects=name == "train")
        try:
            found = write_windows(work.folder / WINDOWS / name, parts, len(part.images.classes), key, bad)
        except InputError as error:
            raise error if not progress.done else BrokenOff(str(error)) from error
    if beyond:
        told = f"{name}: objects of {counted(len(beyond), 'pictures')} ({some(beyond, 2)}) reach beyond them"
        warn(f"{told}; if their boxes are of another convention, mend them: googlenet data check names all")
    return found


def _labelled(
    work: DetectorWork,
    images: AnnotatedImages,
    bad: dict[str, str],
    beyond: list[str],
    progress: Progress,
    *,
    with_objects: bool,
) -> Iterator[Labelled]:
    """Yield the windows of each picture; note in `bad` why one has none, in `beyond` whose objects reach beyond it."""
    for index, (file, answer) in enumerate(propose(Pictures(None, images), work.sources, work.cache)):
        if isinstance(answer, InputError):
            if not work.recipe.skip_bad_images:
                what, _, mend = str(answer).rpartition("; ")
                raise InputError(f"{what or mend}; take it away, or give --skip-bad-images")
            bad[file] = str(answer)
            say(f"left out: {answer}")
            yield label_windows(np.empty((0, 4)), _nothing(), len(images.classes))
        else:
            objects, boxes = images.objects(index), ranked(answer.parts)
            if reach_beyond(objects.boxes, *answer.size).any():
                beyond.append(display_name(file))
            own = objects.boxes[~objects.crowd] if with_objects else boxes[:0]
            yield label_windows(np.concatenate([own, boxes]), objects, len(images.classes))
        progress.update()


def _cover(work: DetectorWork) -> dict[str, Any]:
    """Return how many objects the proposals cover, which no detector can better; the report is in the run's folder."""
    held_out = windows_of(work, "validation")
    images = held_out.images
    coverage = Coverage(images.classes, arms_of([" + ".join(one.text for one in work.settings.sources)]))
    for index in range(len(images)):
        boxes = images.windows(index).boxes
        coverage.add(images.objects(index), [Found(boxes, np.zeros(len(boxes)))])
    figures = coverage.to_json()
    write_report(figures, {one.id: one.name for one in images.classes}, held_out.source, work.folder / COVERAGE)
    arm = figures["arms"][0]
    return {name: arm[name] for name in ("boxes_per_image", "recall", "recall_interval", "average_recall")}


def _tell(name: str, images: AnnotatedImages, windows: Windows) -> None:
    size = 36 * len(windows) / 2**20
    counts = f"{len(windows.positives):,} of {len(windows):,} windows show objects"
    say(f"{name}: {counts}, {len(windows) / max(1, windows.pictures):,.0f} a picture, {size:,.1f} MiB on the disk")
    counts_of_classes = windows.counts(len(images.classes)).tolist()
    if lacking := [one.name for one, count in zip(images.classes, counts_of_classes, strict=True) if not count]:
        warn(f"{name}: no window shows {some(lacking, 5)}; what is never seen is never found")


def _nothing() -> Objects:
    none = np.empty(0, np.bool_)
    return Objects(np.empty((0, 4)), np.empty(0, np.int64), none, none, np.empty(0))
