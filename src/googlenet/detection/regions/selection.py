"""From the scores of all boxes of a picture to what is detected in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, suppress, suppress_classes
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
    boxes: NDArray[np.float64], scores: NDArray[np.floating], selection: Selection
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of what is detected, and the class of each, the surest first, by scores [N, C].

    Boxes are [N, 4], or [N, C, 4] where each class has its own. Every class is suppressed by itself: a box may show two
    things. A box below the least score keeps none away.
    """
    kept = _of_shared if boxes.ndim == 2 else _of_own
    rows = [np.empty(0, np.int64), *kept(boxes, scores, selection)]
    labels = np.repeat(np.arange(-1, scores.shape[1]), [len(found) for found in rows])
    row = np.concatenate(rows)
    order = np.argsort(-scores[row, labels], kind="stable")[: selection.most]
    return row[order], labels[order]


def _of_shared(boxes: Boxes, scores: NDArray[np.floating], selection: Selection) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each class that are kept of boxes [N, 4]."""
    candidates = np.flatnonzero((scores >= selection.score).any(1))
    for place, kept in enumerate(suppress_classes(boxes[candidates], scores[candidates], selection.overlap)):
        found = candidates[kept]
        yield found[scores[found, place] >= selection.score]


def _of_own(
    boxes: NDArray[np.float64], scores: NDArray[np.floating], selection: Selection
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each class that are kept of boxes [N, C, 4]."""
    for place, column in enumerate(scores.T):
        candidates = np.flatnonzero(column >= selection.score)
        yield candidates[suppress(boxes[candidates, place], column[candidates], selection.overlap)]
