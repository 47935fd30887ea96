"""A detector ready for use: `load_detector(path).detect(images)`."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.detections import Detections
from googlenet.detection.detector.file import read_detector, read_refinement
from googlenet.detection.detector.settings import DetectorSettings, open_sources
from googlenet.detection.detector.settings import fast as fast_settings
from googlenet.detection.proposals.cache import ProposalCache, digest_of
from googlenet.detection.proposals.sources import Found, Source
from googlenet.detection.proposals.union import ranked
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.judging import detections_of
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.scoring import Boxed, Member, Scored, score
from googlenet.errors import InputError, whole
from googlenet.images.reading import Image, Kept, images_of, read_images, read_prepared
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
) -> "Detector":
    """Return the detector in a file, ready for use.

    `sources` of proposals take the place of its own; what they propose is kept in `cache`, and found there again. A
    `fast` one classifies the best 50 boxes of its MultiBox alone.

    Raises `InputError` for a file that is none, a member or MultiBox that has changed, or what this machine has not.
    """
    found = read_detector(path)
    settings = fast_settings(found.settings, found.path) if fast else found.settings
    computing = Computing(device, precision, engine)
    given = tuple(sources) or open_sources(settings, found.path, computing)
    checkpoints = [read(member) for member in found.members]
    refinements = [read_refinement(*pair) for pair in zip(found.members, checkpoints, strict=True)]
    return Detector(checkpoints, given, settings, computing, cache, refinements)


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
    ) -> None:
        if computing.precision == "int8" or computing.calibrate:
            raise InputError("--precision int8 is for networks of whole pictures; give float32 or bfloat16")
        *classes, background = classifiers[0].classes
        if background.id != BACKGROUND.id:
            raise InputError(f"a network whose last class is {background.id}, not background; train a detector with it")
        self.classes: tuple[Class, ...] = tuple(classes)
        self.settings, self.sources, self.cache = settings, tuple(sources), cache
        chosen = common([one.classes for one in classifiers], classifiers[0].classes)
        if len(chosen.places) != len(classifiers[0].classes):
            raise InputError("the members of the ensemble have other classes; make it of detectors of the same")
        how = (computing.device, computing.precision, computing.engine)
        self._members = [
            Member(Predictor(build(one, auxiliary=False).eval(), None, *how), outputs[:-1], own.ordered(outputs[:-1]))
            for one, outputs, own in zip(
                classifiers, chosen.outputs, refinements or [Refinement()] * len(classifiers), strict=True
            )
        ]

    def detect(self, images: Image | Iterable[Image], *, proposals: int | None = None) -> Iterator[Detections]:
        """Yield what is detected in each image, in order, the surest first; `images` is taken as it comes.

        With `proposals` only so many boxes of a picture are classified, the best. An image that cannot be read gives
        detections with an `error`; the others are done all the same.
        """
        scored = self._scored(read_images(images_of(images), self._first(proposals)))
        return (self.detected(one) for one in scored)

    def score_named(
        self, named: Iterable[tuple[str, Kept]], boxes: Callable[[NDArray[np.uint8]], Boxes]
    ) -> Iterator[Scored]:
        """Yield each picture, which has a name, with the scores of the boxes that `boxes` gives for its pixels."""
        return self._scored(read_prepared(named, lambda image: (image, boxes(image))))

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
        if self.cache is None:
            return tuple(source.propose(image) for source in self.sources)
        picture, cache = digest_of(image), self.cache
        return tuple(cache.find(source, picture, partial(source.propose, image)) for source in self.sources)

    def boxes(self, image: NDArray[np.uint8]) -> Boxes:
        """Return all boxes that are proposed for a picture, uint8 [h, w, 3] RGB, the best first."""
        return ranked(self.propose(image))

    def _first(self, proposals: int | None) -> Callable[[NDArray[np.uint8]], tuple[NDArray[np.uint8], Boxes]]:
        most = self.settings.proposals if proposals is None else whole("proposals", proposals)
        return lambda image: (image, self.boxes(image)[:most])

    def _scored(self, found: Iterable[tuple[str, tuple[NDArray[np.uint8], Boxes] | InputError]]) -> Iterator[Scored]:
        pictures = (Boxed(name, one) if isinstance(one, InputError) else Boxed(name, *one) for name, one in found)
        return score(pictures, self._members, self.settings.context)
