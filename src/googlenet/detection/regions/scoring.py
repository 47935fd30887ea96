"""The scores of all boxes of many pictures: the mean of several region classifiers, each with what refines it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.regions.crop import CONTEXT
from googlenet.detection.regions.pipeline import Answer, Boxed, Read, read_boxes, whole_box
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.errors import InputError
from googlenet.inference.predictor import LOGITS, Predictor
from googlenet.network.graph import expand, features_of

__all__ = ["Boxed", "Member", "Scored", "score"]


@dataclass(frozen=True)
class Member:
    """A region classifier, which of its outputs are the classes that are asked for, [C], and what refines those."""

    predictor: Predictor
    outputs: NDArray[np.int64]
    refinement: Refinement = field(default_factory=Refinement)

    def read(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Answer:
        """Return the score of each class for crops, [N, C], and how far its box is to be moved, [N, C, 4]."""
        svms, regression = self.refinement.svms, self.refinement.regression
        if svms is None and regression is None:
            return (self._probabilities(self.predictor(pixels, mask).double().softmax(1).numpy()),)
        layer = self._layer
        found = self.predictor.features(pixels, [layer] if svms else [layer, LOGITS], mask)
        features = found[layer].flatten(1).numpy()
        scores = svms.scores(features) if svms else self._probabilities(found[LOGITS].double().softmax(1).numpy())
        return (scores, regression.moves(features)) if regression else (scores,)

    @cached_property
    def _layer(self) -> str:
        return features_of(expand(self.predictor.specification, auxiliary=False))

    def _probabilities(self, all_outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return all_outputs[:, self.outputs]


@dataclass(frozen=True)
class Scored:
    """A picture, and for each of its boxes the score of each class, the mean over the members: [N, C]."""

    picture: Boxed
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    """[N, 4] as they were proposed, or [N, C, 4] where they are moved for each class, the mean of those who move"""


def score(pictures: Iterable[Boxed], members: Sequence[Member], context: float = CONTEXT) -> Iterator[Scored]:
    """Yield each picture with its scores, in order; pictures are taken as they come, a few batches of boxes ahead."""
    looks_around = any(member.refinement.context for member in members)
    boxed = (_with_whole(picture) for picture in pictures) if looks_around else pictures
    for read in read_boxes(boxed, members, context):
        yield _scored(read, members, looks_around)


def _with_whole(picture: Boxed) -> Boxed:
    """Add the whole picture to its boxes, as the last one."""
    if isinstance(picture.image, InputError):
        return picture
    return replace(picture, boxes=np.concatenate([picture.boxes, whole_box(picture.image)]))


def _scored(read: Read, members: Sequence[Member], has_whole: bool) -> Scored:
    picture = read.picture
    if isinstance(picture.image, InputError):
        return Scored(picture, np.mean([answer[0] for answer in read.answers], axis=0), picture.boxes)
    size, count = (picture.image.shape[1], picture.image.shape[0]), len(picture.boxes) - has_whole
    picture = replace(picture, boxes=picture.boxes[:count])
    scores, moved = [], []
    for member, answer in zip(members, read.answers, strict=True):
        of_boxes, refinement = answer[0][:count], member.refinement
        scores.append(refinement.context.rescored(of_boxes, answer[0][-1]) if refinement.context else of_boxes)
        if refinement.regression:
            moved.append(refinement.regression.moved(picture.boxes, answer[1][:count], size))
    return Scored(picture, np.mean(scores, axis=0), np.mean(moved, axis=0) if moved else picture.boxes)
