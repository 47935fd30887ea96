"""Evaluations of networks that were never there: answers drawn so that more crops and models are right more often."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.evaluation.results import Evaluation, Row
from googlenet.evaluation.validation import Outcome
from googlenet.weights.classes import Class

GRID = list(product((("bvlc",), ("google",), ("bvlc", "google")), ("1", "10", "144"), ("mean", "max")))


@dataclass(frozen=True)
class Drawn:
    """Labelled images of one colour each, 60 x 40, drawn when they are asked for."""

    classes: tuple[Class, ...]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", (60, 40), (index * 37 % 256, index * 91 % 256, 120)).save(content, "PNG")
        return content.getvalue()

    def name(self, index: int) -> str:
        return f"photographs/{self.classes[self.labels[index]].id}/{index:05d}.png"


def evaluation(
    classes: Sequence[Class], images: int, rows: Sequence[tuple[tuple[str, ...], str, str]] = GRID, **more: object
) -> Evaluation:
    """Return an evaluation of `images` that take the classes in turn; rows are (models, crops, combination)."""
    labels = (np.arange(images) * 7 % len(classes)).astype(np.int32)
    found = [
        Row(
            *(models, crops, combination),  # type: ignore[arg-type]
            outcome(labels, len(classes), right=0.6 + 0.02 * len(models) + 0.01 * min(int(crops), 12), seed=place),
            multiply_adds=1_430_000_000 * len(models) * int(crops),
            multiply_adds_performed=1_410_000_000.0 * len(models) * int(crops),
            seconds_per_image=0.011 * len(models) * int(crops),
        )
        for place, (models, crops, combination) in enumerate(rows)
    ]
    return Evaluation("photographs", tuple(classes), Drawn(tuple(classes), labels), tuple(found), **more)  # type: ignore[arg-type]


def outcome(labels: NDArray[np.integer], classes: int, right: float, seed: int = 0) -> Outcome:
    """Return an outcome whose share of right answers is about `right`."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += np.where(np.random.default_rng(1).random(len(labels)) < right, 8.0, 1.0)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    truth = probabilities[np.arange(len(labels)), labels]
    empty = max(0, 5 - classes)
    return Outcome(
        classes=classes,
        indices=np.arange(len(labels)),
        labels=labels.astype(np.int64),
        first=np.pad(order[:, :5], ((0, 0), (0, empty)), constant_values=-1),
        probabilities=np.pad(np.take_along_axis(probabilities, order, 1)[:, :5], ((0, 0), (0, empty))).astype(
            "float32"
        ),
        ranks=(order == labels[:, None]).argmax(axis=1),
        losses=-np.log(truth).astype(np.float32),
        brier=((probabilities**2).sum(axis=1) - truth**2 + (1 - truth) ** 2).astype(np.float32),
    )


def ranked(ranks: NDArray[np.integer], classes: int) -> Outcome:
    """Return an outcome whose true class, 0 for all images, stands in these places; its answers have half of all."""
    empty = max(0, 5 - classes)
    places = np.arange(1, classes)
    first = np.array([np.insert(places, rank, 0)[:5] for rank in ranks.tolist()]).reshape(len(ranks), -1)
    probabilities = np.full((len(ranks), classes), 0.5 / (classes - 1), np.float32)
    probabilities[:, 0] = 0.5
    true = np.where(ranks == 0, 0.5, 0.5 / (classes - 1))
    return Outcome(
        classes=classes,
        indices=np.arange(len(ranks)),
        labels=np.zeros(len(ranks), np.int64),
        first=np.pad(first, ((0, 0), (0, empty)), constant_values=-1),
        probabilities=np.pad(probabilities[:, :5], ((0, 0), (0, empty))),
        ranks=ranks.astype(np.int64),
        losses=-np.log(true).astype(np.float32),
        brier=np.full(len(ranks), 0.25, np.float32),
    )
