"""The scores of all boxes of many pictures: the mean of several region classifiers, each with what refines it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from googlenet.detection.regions.crop import CONTEXT
from googlenet.detection.regions.description import described, layers
from googlenet.detection.regions.pipeline import Answer, Boxed, Read, read_boxes, whole_box
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.errors import InputError
from googlenet.inference.predictor import LOGITS, Predictor

__all__ = ["Boxed", "Member", "Scored", "looked_at", "score", "scored"]


@dataclass(frozen=True)
class Member:
    """A region classifier, which of its outputs are the classes that are asked for, [C], and what refines those."""

    predictor: Predictor
    outputs: NDArray[np.int64]
    refinement: Refinement = field(default_factory=Refinement)

    def read(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Answer:
        """Return what the network says of crops, which depends on nothing else.

        The probability of each output, float64 [N, outputs], and, where they are needed, features, float16 [N, D].
        """
        if not self.refinement.width:
            return (_probabilities(self.predictor(pixels, mask)),)
        specification = self.predictor.specification
        found = self.predictor.features(pixels, [*layers(specification), LOGITS], mask)
        return _probabilities(found[LOGITS]), described(found, specification)

    def scores(self, answer: Answer) -> NDArray[np.float64]:
        """Return the score of each class, [N, C], from what `read` has said."""
        if self.refinement.svms:
            return self.refinement.svms.scores(answer[1].astype(np.float32))
        found: NDArray[np.float64] = answer[0][:, self.outputs]
        return found


def _probabilities(logits: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().softmax(1).numpy()
    return found


@dataclass(frozen=True)
class Scored:
    """A picture, and for each of its boxes the score of each class, the mean over the members: [N, C]."""

    picture: Boxed
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    """[N, 4] as they were proposed, or [N, C, 4] where they are moved for each class, the mean of those who move"""


def score(pictures: Iterable[Boxed], members: Sequence[Member], context: float = CONTEXT) -> Iterator[Scored]:
    """Yield each picture with its scores, in order; pictures are taken as they come, a few batches of boxes ahead."""
    for read in read_boxes((looked_at(picture, members) for picture in pictures), members, context):
        yield scored(read, members)


def looked_at(picture: Boxed, members: Sequence[Member]) -> Boxed:
    """Return the picture with all boxes that the members are asked about: where one looks around, the whole as last."""
    if isinstance(picture.image, InputError) or not _look_around(members):
        return picture
    return replace(picture, boxes=np.concatenate([picture.boxes, whole_box(picture.image)]))


def scored(read: Read, members: Sequence[Member]) -> Scored:
    """Return the scores of a picture that was `looked_at` from what the members' networks said of its boxes."""
    picture = read.picture
    if isinstance(picture.image, InputError):
        nothing = [member.scores(answer) for member, answer in zip(members, read.answers, strict=True)]
        return Scored(picture, np.mean(nothing, axis=0), picture.boxes)
    size, count = (picture.image.shape[1], picture.image.shape[0]), len(picture.boxes) - _look_around(members)
    picture = replace(picture, boxes=picture.boxes[:count])
    scores, moved = [], []
    for member, answer in zip(members, read.answers, strict=True):
        found, refinement = member.scores(answer), member.refinement
        around = refinement.context
        scores.append(around.rescored(found[:count], found[-1]) if around else found[:count])
        if refinement.regression:
            moves = refinement.regression.moves(answer[1][:count].astype(np.float32))
            moved.append(refinement.regression.moved(picture.boxes, moves, size))
    return Scored(picture, np.mean(scores, axis=0), np.mean(moved, axis=0) if moved else picture.boxes)


def _look_around(members: Sequence[Member]) -> bool:
    return any(member.refinement.context for member in members)
