"""Box regression: for each class, how the box of an object lies to a window on it, from the window's features.

Girshick et al., 2014, appendix C: ridge regression to whitened targets, trained on windows that overlap an object of
the class by as much as makes them positives of the classifier (R-CNN: 0.6). Applied once; again it would gain nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, areas, clip
from googlenet.detection.regions.refinement.examples import BLOCK, Examples
from googlenet.reporting.progress import Progress

__all__ = ["NEAR", "BoxRegression", "decode", "encode", "fit_regression", "ridge"]

NEAR = 0.5
"""Intersection over union with an object from which on a window is learnt from."""

RIDGE, WHITENING = 1000.0, 0.001

LARGEST_CHANGE = np.log(16.0)
"""Of a box's width and height: a window that is so wrong is none that was learnt from."""


def encode(boxes: Boxes, targets: Boxes) -> NDArray[np.float64]:
    """Return how `targets` lie to `boxes`, both [N, 4] with areas: centres in widths and heights, logarithms of sizes.

    [N, 4]: x, y, width, height.
    """
    sizes, target_sizes = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    centres, target_centres = (boxes[:, :2] + boxes[:, 2:]) / 2, (targets[:, :2] + targets[:, 2:]) / 2
    return np.concatenate([(target_centres - centres) / sizes, np.log(target_sizes / sizes)], 1)


def decode(boxes: NDArray[np.float64], moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo `encode`: return the boxes to which `moves` lead; both [..., 4]."""
    sizes, centres = boxes[..., 2:] - boxes[..., :2], (boxes[..., :2] + boxes[..., 2:]) / 2
    found, halves = centres + moves[..., :2] * sizes, np.exp(moves[..., 2:]) * sizes / 2
    return np.concatenate([found - halves, found + halves], -1)


@dataclass(frozen=True)
class BoxRegression:
    """The regressions of C classes: weights times features, and biases, are moves."""

    weights: NDArray[np.float32]
    """[C, 4, D]"""
    biases: NDArray[np.float32]
    """[C, 4]"""

    def moves(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the move for each class of boxes with features [N, D]: [N, C, 4]."""
        found: NDArray[np.float32] = features @ self.weights.reshape(-1, features.shape[1]).T
        return found.reshape(-1, *self.biases.shape) + self.biases

    @staticmethod
    def moved(boxes: Boxes, moves: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
        """Return boxes [N, 4] of a picture of `size` (width, height) moved for each class, [N, C, 4].

        They lie in the picture; where nothing of one does, the box stays where it was.
        """
        limits = [np.inf, np.inf, LARGEST_CHANGE, LARGEST_CHANGE]
        given = np.broadcast_to(boxes[:, None], moves.shape)
        found = clip(decode(given, np.clip(moves.astype(np.float64), np.negative(limits), limits)), *size)
        has_area = areas(found.reshape(-1, 4)).reshape(found.shape[:2]) > 0
        return np.where(has_area[..., None], found, given)


def fit_regression(examples: Examples) -> tuple[BoxRegression, list[int]]:
    """Fit the regressions; also return the classes that no window shows well enough, whose boxes stay as they are."""
    weights = np.zeros((examples.classes, 4, examples.width), np.float32)
    biases = np.zeros((examples.classes, 4), np.float32)
    unseen = []
    with Progress("box regression", total=examples.classes, unit="classes") as progress:
        for label, (rows, targets) in enumerate(_pairs(examples)):
            if len(rows):
                found, mean, root = ridge(examples, rows, targets)
                weights[label] = (found[:-1] @ root).T * examples.scale
                biases[label] = found[-1] @ root + mean
            else:
                unseen.append(label)
            progress.update()
    return BoxRegression(weights, biases), unseen


def ridge(
    examples: Examples, rows: NDArray[np.int64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Return the ridge regression from scaled features, and a 1 after them, to whitened targets: [D + 1, 4].

    The targets are the whitened ones times the root [4, 4], which is the third, and their mean [4], the second.
    """
    mean = targets.mean(0)
    lengths, axes = np.linalg.eigh(np.cov(targets.T, bias=True) + WHITENING * np.eye(4))
    root, inverse = ((axes * lengths**power) @ axes.T for power in (0.5, -0.5))
    whitened = (targets - mean) @ inverse
    square, product = RIDGE * np.eye(examples.width + 1), np.zeros((examples.width + 1, 4))
    for at in range(0, len(rows), BLOCK):
        values = examples.values(rows[at : at + BLOCK]).astype(np.float64)
        values = np.concatenate([values, np.ones((len(values), 1))], 1)
        square += values.T @ values
        product += values.T @ whitened[at : at + BLOCK]
    return np.linalg.solve(square, product), mean, root


def _pairs(examples: Examples) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Of each class, the rows of windows on an object, the objects' own left out, and where it lies to them [N, 4]."""
    rows: list[list[NDArray[np.int64]]] = [[np.empty(0, np.int64)] for _ in range(examples.classes)]
    targets: list[list[NDArray[np.float64]]] = [[np.empty((0, 4))] for _ in range(examples.classes)]
    for example in examples:
        counts = ~(example.objects.crowd | example.objects.difficult)
        for label in np.unique(example.objects.labels[counts]).tolist():
            of_class = counts & (example.objects.labels == label)
            overlaps, boxes = example.overlaps[:, of_class], example.objects.boxes[of_class]
            best = boxes[overlaps.argmax(1)]
            near = (overlaps.max(1) >= NEAR) & ~(example.boxes == best).all(1)
            rows[label].append(example.rows[near])
            targets[label].append(encode(example.boxes[near], best[near]))
    return [(np.concatenate(own), np.concatenate(to)) for own, to in zip(rows, targets, strict=True)]
