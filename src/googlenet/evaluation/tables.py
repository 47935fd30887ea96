"""The tables behind a figure, as CSV files: a line for each row, for each class, for each confusion, for each image.

UTF-8 with a header line. Shares are between 0 and 1, and empty where there is nothing to divide by; names of files are
the real ones, byte for byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from googlenet.data.dataset import Dataset
from googlenet.data.truths import truths_of
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.metrics import TOP, confusion, counted_labels, right_by_class
from googlenet.evaluation.results import Row
from googlenet.evaluation.validation import Outcome
from googlenet.reporting.csv_file import write_csv
from googlenet.weights.classes import Class

__all__ = ["ClassRow", "class_rows", "write_classes", "write_confusion", "write_images", "write_rows", "write_tables"]


@dataclass(frozen=True)
class ClassRow:
    """How one class fared. An image of several right answers counts under the one that it got, or else the first."""

    id: str
    name: str
    images: int
    right: int
    answers: int
    """Images to which this class was the answer, rightly or not."""

    @property
    def recall(self) -> float | None:
        """The share of its images that were answered rightly; None without images."""
        return self.right / self.images if self.images else None

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of `recall`."""
        return share_interval(self.right, self.images)

    @property
    def precision(self) -> float | None:
        """The share of its answers that are right; None where it was never answered."""
        return self.right / self.answers if self.answers else None


def class_rows(classes: Sequence[Class], outcome: Outcome) -> tuple[ClassRow, ...]:
    """Return a row for each class, in their order."""
    labels = counted_labels(outcome.labels, outcome.answers, outcome.ranks)
    right, images = right_by_class(labels, outcome.ranks, len(classes))
    answers = np.bincount(outcome.answers, minlength=len(classes))
    columns = zip(classes, images.tolist(), right.tolist(), answers.tolist(), strict=True)
    return tuple(ClassRow(c.id, c.name, *counts) for c, *counts in columns)


def write_tables(folder: Path, classes: Sequence[Class], outcome: Outcome, dataset: Dataset) -> None:
    """Write `classes.csv`, `confusion.csv` and `images.csv`; raises `InputError` as `atomic_write` does."""
    write_classes(folder / "classes.csv", classes, outcome)
    write_confusion(folder / "confusion.csv", classes, outcome)
    write_images(folder / "images.csv", classes, outcome, dataset)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write what each row of an evaluation is, how often it was right, and what an image cost."""
    header = ["row", "models", "crops", "combination", "images"]
    header += [f"{what}{end}" for what in ("top1", "top5") for end in ("", "_low", "_high")]
    costs = ["loss", "multiply_adds", "multiply_adds_performed", "seconds_per_image"]
    lines = []
    for place, row in enumerate(rows, start=1):
        told = row.to_json()
        shares = [(told[what], *(told[f"{what}_interval"] or (None, None))) for what in ("top1", "top5")]
        choice = [place, " + ".join(row.models), row.crops, row.combination, row.outcome.images]
        lines.append(
            [*choice, *(_share(value) for three in shares for value in three), *(told[cost] for cost in costs)]
        )
    write_csv(path, [*header, *costs], lines)


def write_classes(path: Path, classes: Sequence[Class], outcome: Outcome) -> None:
    """Write `class_rows`, without classes that neither have images nor were answered."""
    header = ["id", "name", "images", "right", "recall", "recall_low", "recall_high", "answers", "precision"]
    rows = []
    for row in class_rows(classes, outcome):
        if not row.images and not row.answers:
            continue
        shares = map(_share, (row.recall, *(row.recall_interval or (None, None))))
        rows.append([row.id, row.name, row.images, row.right, *shares, row.answers, _share(row.precision)])
    write_csv(path, header, rows)


def write_confusion(path: Path, classes: Sequence[Class], outcome: Outcome) -> None:
    """Write how many images of which class got which answer; pairs that did not occur have no row."""
    counts = confusion(counted_labels(outcome.labels, outcome.answers, outcome.ranks), outcome.answers).tolist()
    rows = (
        [classes[truth].id, classes[truth].name, classes[answer].id, classes[answer].name, images]
        for truth, answer, images in counts
    )
    write_csv(path, ["true_id", "true_name", "answered_id", "answered_name", "images"], rows)


def write_images(path: Path, classes: Sequence[Class], outcome: Outcome, dataset: Dataset) -> None:
    """Write what was answered to each image of `dataset`, the five most probable classes.

    `truth` are its true ids, `a|b` where several are right, and `rank` is the place of the first right answer, from 1.
    """
    header = [
        "file",
        "truth",
        "rank",
        *(f"{what}_{place}" for place in range(1, TOP + 1) for what in ("id", "probability")),
    ]
    write_csv(path, header, _images(classes, outcome, dataset))


def _images(classes: Sequence[Class], outcome: Outcome, dataset: Dataset) -> Iterator[list[Any]]:
    truths = truths_of(dataset)
    columns = (outcome.indices, outcome.ranks, outcome.first, outcome.probabilities)
    for index, rank, first, probabilities in zip(*(column.tolist() for column in columns), strict=True):
        truth = "|".join(dataset.classes[label].id for label in truths[index])
        answers = [
            cell
            for answer, probability in zip(first, probabilities, strict=True)
            for cell in ((classes[answer].id, _share(probability)) if answer >= 0 else ("", ""))
        ]
        yield [dataset.name(index), truth, rank + 1, *answers]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
