"""A detector ready for use: `load_detector(path).detect(images)`."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.detections import Detections
from googlenet.detection.detector.file import read_detector, read_refinement
from googlenet.detection.detector.kept_answers import KeptAnswers, key_of
from googlenet.detection.detector.rejection import Rejector, in_rounds, open_rejector
from googlenet.detection.detector.settings import Choice, DetectorSettings, chosen, open_sources
from googlenet.detection.detector.settings import fast as fast_settings
from googlenet.detection.proposals.cache import ProposalCache, digest_of
from googlenet.detection.proposals.sources import Found, Source
from googlenet.detection.proposals.union import ranked
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.judging import detections_of
from googlenet.detection.regions.pipeline import Read, read_boxes
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.scoring import Boxed, Member, Scored, looked_at, score, scored
from googlenet.errors import InputError, whole
from googlenet.images.reading import Image, images_of, read_images
from googlenet.inference.engine import Computing, DeviceName, EngineName, Precision
from googlenet.inference.predictor import Predictor
from googlenet.weights.checkpoint import Checkpoint, read
from googlenet.weights.class_sets import common
from googlenet.weights.classes import Class
from googlenet.weights.creation import build

__all__ = ["Detector", "load_detector"]


def load_detector(
    path: str | os.PathLike[str],
    *,
    device: DeviceName = "auto",
    precision: Precision = "float32",
    engine: EngineName = "auto",
    sources: Sequence[Source] = (),
    cache: ProposalCache | None = None,
    fast: bool = False,
    choice: Choice = Choice(),  # noqa: B008  frozen
) -> "Detector":
    """Return the detector in a file, ready for use.

    `sources` of proposals take the place of its own; what they propose is kept in `cache`, and found there again. A
    `fast` one classifies the best 50 boxes of its MultiBox alone. A `choice` says which proposals are classified, and
    which are detections, in place of what the file says.

    Raises `InputError` for a file that is none, a member or MultiBox that has changed, or what this machine has not.
    """
    found = read_detector(path)
    own = fast_settings(found.settings, found.path) if fast else found.settings
    settings = chosen(own, choice, found.path)
    computing = Computing(device, precision, engine)
    given = tuple(sources) or open_sources(settings, found.path, computing)
    by = settings.reject_by
    rejector = None if by is None else open_rejector(by, found.path, given, computing)
    checkpoints = [read(member) for member in found.members]
    refinements = [read_refinement(*pair) for pair in zip(found.members, checkpoints, strict=True)]
    return Detector(checkpoints, given, settings, computing, cache, refinements, rejector)


class Detector:
    """Region classifiers that answer together, what refines each, what proposes boxes, how detections are chosen.

    `classes` is what it detects. Made by `load_detector`; it can be used again and again, by one thread at a time.
    """

    def __init__(
        self,
        classifiers: Sequence[Checkpoint],
        sources: Sequence[Source],
        settings: DetectorSettings,
        computing: Computing = Computing(),  # noqa: B008  frozen
        cache: ProposalCache | None = None,
        refinements: Sequence[Refinement] = (),
        rejector: Rejector | None = None,
    ) -> None:
        if computing.precision == "int8" or computing.calibrate:
            raise InputError("--precision int8 is for networks of whole pictures; give float32 or bfloat16")
        *classes, background = classifiers[0].classes
        if background.id != BACKGROUND.id:
            raise InputError(f"a network whose last class is {background.id}, not background; train a detector with it")
        self.classes: tuple[Class, ...] = tuple(classes)
        self.settings, self.sources, self.cache, self.rejector = settings, tuple(sources), cache, rejector
        self._classifiers = tuple(classifiers)
        same = common([one.classes for one in classifiers], classifiers[0].classes)
        if len(same.places) != len(classifiers[0].classes):
            raise InputError("the members of the ensemble have other classes; make it of detectors of the same")
        how = (computing.device, computing.precision, computing.engine)
        self._members = [
            Member(Predictor(build(one, auxiliary=False).eval(), None, *how), outputs[:-1], own.ordered(outputs[:-1]))
            for one, outputs, own in zip(
                classifiers, same.outputs, refinements or [Refinement()] * len(classifiers), strict=True
            )
        ]

    def detect(self, images: Image | Iterable[Image], *, proposals: int | None = None) -> Iterator[Detections]:
        """Yield what is detected in each image, in order, the surest first; `images` is taken as it comes.

        With `proposals` only so many boxes of a picture are classified, the best. An image that cannot be read gives
        detections with an `error`; the others are done all the same.
        """
        found = read_images(images_of(images), self._first(proposals))
        pictures = (Boxed(name, one) if isinstance(one, InputError) else Boxed(name, *one) for name, one in found)
        return (self.detected(one) for one in self.score(pictures))

    def score(self, pictures: Iterable[Boxed]) -> Iterator[Scored]:
        """Yield each picture with the scores of its boxes; pictures are taken as they come, some batches ahead."""
        return score(pictures, self._members, self.settings.context)

    def looked_at(self, picture: Boxed) -> Boxed:
        """Return a picture with all boxes that the networks are asked about."""
        return looked_at(picture, self._members)

    def read(self, pictures: Iterable[Boxed]) -> Iterator[Read]:
        """Yield what the networks say of the boxes of each picture, which depends on nothing that refines it."""
        return read_boxes(pictures, self._members, self.settings.context)

    def scored(self, read: Read) -> Scored:
        """Return the scores of a picture that was `looked_at` from what the networks said of it."""
        return scored(read, self._members)

    @property
    def features_width(self) -> int:
        """How many features of each box are asked of the networks, all together; 0 where probabilities are enough."""
        return sum(member.refinement.width for member in self._members)

    def answers_in(self, folder: Path) -> KeptAnswers:
        """Return what is kept in a folder of what the networks have said, for whatever detector of the same ones."""
        how = self._members[0].predictor.precision, self.settings.context
        keys = [key_of(one, *how) for one in self._classifiers]
        return KeptAnswers(folder, keys, [2 if member.refinement.width else 1 for member in self._members])

    def detected(self, scored: Scored, rows: slice | NDArray[np.int64] = slice(None)) -> Detections:
        """Return what is detected in a picture among its boxes, or among some of their rows."""
        image, name = scored.picture.image, scored.picture.name
        if isinstance(image, InputError):
            return Detections.failed(name, str(image))
        size = (image.shape[1], image.shape[0])
        boxes, scores = scored.boxes[rows], scored.scores[rows]
        return detections_of(name, size, boxes, scores, self.classes, self.settings.selection)

    def propose(self, image: NDArray[np.uint8]) -> tuple[Found, ...]:
        """Return what each source proposes for a picture, uint8 [h, w, 3] RGB."""
        ask = self._asking(image)
        return tuple(ask(source) for source in self.sources)

    def judged(self, image: NDArray[np.uint8], found: Sequence[Found]) -> Found:
        """Return all boxes of a picture for which the sources proposed `found`, in the order of what rejects them.

        Their scores are its confidences. Only where there is a `rejector`.
        """
        rejector, ask = self.rejector, self._asking(image)
        assert rejector is not None

        def judge() -> Found:
            boxes, known = ranked(found), {one.key: part for one, part in zip(self.sources, found, strict=True)}
            confidences = rejector.confidences(image, boxes, lambda one: known.get(one.key) or ask(one))
            order = in_rounds(boxes, confidences)
            return Found(boxes[order], confidences[order])

        if self.cache is None or not rejector.is_kept:
            return judge()
        of = " + ".join(source.key for source in self.sources)
        return self.cache.find(_Judged(f"{rejector.key} of {of}"), digest_of(image), judge)

    def boxes(self, image: NDArray[np.uint8]) -> Boxes:
        """Return all boxes that are proposed for a picture, uint8 [h, w, 3] RGB, the best first."""
        found = self.propose(image)
        return self.judged(image, found).boxes if self.rejector else ranked(found)

    def _asking(self, image: NDArray[np.uint8]) -> Callable[[Source], Found]:
        """Return what asks a source about a picture, or finds what it said before."""
        if self.cache is None:
            return lambda source: source.propose(image)
        picture, cache = digest_of(image), self.cache
        return lambda source: cache.find(source, picture, partial(source.propose, image))

    def _first(self, proposals: int | None) -> Callable[[NDArray[np.uint8]], tuple[NDArray[np.uint8], Boxes]]:
        most = self.settings.proposals if proposals is None else whole("proposals", proposals)
        if most is None:  # nothing is rejected
            return lambda image: (image, ranked(self.propose(image)))
        return lambda image: (image, self.boxes(image)[:most])


@dataclass(frozen=True)
class _Judged:
    """The boxes of all sources in a rejector's order, as the cache calls them."""

    key: str
