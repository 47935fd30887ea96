"""From the scores of all boxes of a picture to what is detected in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, suppress_classes
from googlenet.errors import InputError

__all__ = ["Selection", "select"]


@dataclass(frozen=True)
class Selection:
    """Which boxes are detections; creating one checks it."""

    score: float = 0.01
    """the least probability of the class; below it lies little but background"""
    overlap: float = 0.3
    """intersection over union with a surer box of the same class above which a box goes (Girshick et al.)"""
    most: int = 100
    """detections of a picture, the surest"""

    def __post_init__(self) -> None:
        for name, value in (("score", self.score), ("overlap", self.overlap)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} {value}: give a number from 0 to 1")
        if self.most < 1:
            raise InputError(f"most {self.most}: give at least 1")


def select(
    boxes: Boxes, scores: NDArray[np.floating], selection: Selection
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of what is detected, and the class of each, the surest first; boxes [N, 4], scores [N, C].

    Every class is suppressed by itself: a box may show two things. A box below the least score keeps none away.
    """
    candidates = np.flatnonzero((scores >= selection.score).any(1))
    rows, labels = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for place, kept in enumerate(suppress_classes(boxes[candidates], scores[candidates], selection.overlap)):
        found = candidates[kept]
        found = found[scores[found, place] >= selection.score]
        rows.append(found)
        labels.append(np.full(len(found), place))
    row, label = np.concatenate(rows), np.concatenate(labels)
    order = np.argsort(-scores[row, label], kind="stable")[: selection.most]
    return row[order], label[order]
