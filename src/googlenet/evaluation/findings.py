"""What a report shows of an outcome: shares, how each class did, who was taken for whom, and the surest mistakes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from googlenet.data.dataset import Dataset
from googlenet.errors import InputError
from googlenet.evaluation.intervals import share_interval
from googlenet.evaluation.metrics import confusion, counted_labels, most_confident_errors
from googlenet.evaluation.tables import class_rows
from googlenet.evaluation.validation import Outcome
from googlenet.images.decoding import decode
from googlenet.reporting.console import percent, printable
from googlenet.reporting.html import ClassScore, Confusion, Figure, Illustration, share
from googlenet.reporting.pictures import data_uri
from googlenet.weights.classes import Class

__all__ = ["class_scores", "confusions", "mistakes", "shares"]

SHOWN_MISTAKES = 24


def shares(outcome: Outcome, note: str = "") -> list[Figure]:
    """Return top-1 and, where it says something, top-5, each with its 95 % interval; nothing without images."""
    found = [("Top-1", outcome.top1, note), ("Top-5", outcome.top5, "")] if outcome.images else []
    return [
        share(name, value, share_interval(round(value * outcome.images), outcome.images), note)
        for name, value, note in found
        if value is not None
    ]


def class_scores(classes: Sequence[Class], outcome: Outcome) -> list[ClassScore]:
    """Return how each class did, in their order."""
    rows = zip(_names(classes), class_rows(classes, outcome), strict=True)
    return [ClassScore(name, row.right, row.images, row.answers, row.recall_interval) for name, row in rows]


def confusions(classes: Sequence[Class], outcome: Outcome) -> Confusion:
    """Return who was taken for whom, and how often."""
    labels = counted_labels(outcome.labels, outcome.answers, outcome.ranks)
    return Confusion(_names(classes), [tuple(row) for row in confusion(labels, outcome.answers).tolist()])


def mistakes(dataset: Dataset, classes: Sequence[Class], outcome: Outcome) -> list[Illustration]:
    """Return where the network was surest and wrong, as pictures; what cannot be read any more is left out."""
    shown, names = [], _names(classes)
    for place in most_confident_errors(outcome.ranks, outcome.probability, SHOWN_MISTAKES).tolist():
        index = int(outcome.indices[place])
        name = dataset.name(index)
        try:
            picture = decode(dataset.read(index), name)
        except InputError:  # gone or changed since it was evaluated
            continue
        answer, truth = names[outcome.answers[place]], names[outcome.labels[place]]
        file = printable(PurePath(name).name)
        claim, rank = percent(float(outcome.probability[place])), int(outcome.ranks[place]) + 1
        caption = f"{claim} {answer}\ntruth: {truth}, in place {rank:,}\n{file}"
        shown.append(Illustration(data_uri(picture), caption, correct=False, description=f"The image {file}"))
    return shown


def _names(classes: Sequence[Class]) -> list[str]:
    """What the classes are called; with their ids, where two have one name."""
    count = Counter(item.name for item in classes)
    return [f"{item.name} ({item.id})" if count[item.name] > 1 else item.name for item in classes]
