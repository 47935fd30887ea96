"""Answers against hand-worked numbers; of one view, and of 144 views of each image through the loader."""

from dataclasses import fields
from math import log

import numpy as np
import pytest
import torch

from googlenet.data.batch import Batch, Field
from googlenet.data.loader import Loader
from googlenet.data.sampler import InOrder
from googlenet.evaluation.tables import class_rows
from googlenet.evaluation.validation import Outcome, joined, validate
from googlenet.weights.classes import Class


def batch(logits: list[list[float]], labels: list[int], first: int = 0) -> Batch:
    arrays = {
        "images": torch.tensor(logits).reshape(len(labels), 3),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }
    return Batch(0, 0, arrays, torch.arange(first, first + len(labels)))


def test_outcomes_by_hand():
    batches = [batch([[log(3.0), 0.0, 0.0], [0.0, 1.0, 1.0]], [0, 2]), batch([], []), batch([[0.0, 0.0, 9.0]], [0], 7)]
    outcome = validate(lambda batch: batch["images"], batches)
    assert (outcome.images, outcome.classes, outcome.top1, outcome.top5) == (3, 3, pytest.approx(1 / 3), None)
    assert outcome.indices.tolist() == [0, 1, 7]
    assert outcome.answers.tolist() == [0, 1, 2]  # equal scores go by index
    assert outcome.ranks.tolist() == [0, 1, 1]
    assert outcome.probability[0] == pytest.approx(3 / 5)
    assert outcome.losses[0] == pytest.approx(log(5 / 3))
    assert outcome.loss == pytest.approx(float(outcome.losses.mean()))


def test_parts_of_several_processes_are_the_whole():
    logits = [[float(image % 3), 1.0, float(image % 2)] for image in range(7)]
    labels = [image % 3 for image in range(7)]

    def answered(images: range) -> Outcome:
        rows = [batch([logits[image]], [labels[image]], image) for image in images]
        return validate(lambda batch: batch["images"], rows)

    whole = answered(range(7))
    for parts in ([range(0, 7, 2), range(1, 7, 2)], [range(0), range(3, 7), range(3)]):
        found = joined([answered(images) for images in parts])
        assert found.classes == whole.classes == 3
        for field in fields(Outcome):
            assert np.array_equal(getattr(found, field.name), getattr(whole, field.name)), field.name
    assert joined([answered(range(0)), answered(range(0))]).figures() == answered(range(0)).figures()


def test_what_rounding_made_equal_is_told_apart_by_the_logits():
    """In float32 both have probability 1/2 to the last bit, and the second logit is the larger."""
    logits = [[0.0, 2**-26]]
    arrays = {"images": torch.tensor(logits), "labels": torch.tensor([1])}
    outcome = validate(lambda batch: batch["images"], [Batch(0, 0, arrays, torch.arange(1))])
    assert outcome.probabilities[0, 0] == outcome.probabilities[0, 1]
    assert (outcome.answers.tolist(), outcome.ranks.tolist()) == ([1], [0])


def test_without_images_there_is_nothing_to_say():
    outcome = validate(lambda batch: batch["images"], [batch([], [])])
    assert outcome.figures() == {"images": 0, "loss": 0.0, "top1": 0.0, "top5": None}
    assert [(row.images, row.answers) for row in class_rows(Greys.classes, outcome)] == [(0, 0), (0, 0)]
    assert validate(lambda batch: batch["images"], [batch([[0, 1, 2]], [0])]).first.dtype == outcome.first.dtype


class Greys:
    """Images of one grey each, whose class is whether they are light."""

    classes = (Class("dark", "dark"), Class("light", "light"))
    labels = np.array([0, 1, 1, 0, 1], np.int32)

    def __len__(self) -> int:
        return 5

    def read(self, index: int) -> bytes:
        return bytes([60 + 140 * int(self.labels[index])])

    def name(self, index: int) -> str:
        return str(index)


class Views:
    """144 views of an image, of which all but seven are blank."""

    fields = {"views": Field("uint8", (144, 2, 2, 3)), "labels": Field("int64")}  # noqa: RUF012

    def make(self, dataset: Greys, index: int, epoch: int, draw: int) -> dict[str, np.ndarray]:
        views = np.full((144, 2, 2, 3), 100, np.uint8)
        views[::24] = dataset.read(index)[0]
        return {"views": views, "labels": np.asarray(dataset.labels[index], np.int64)}


def test_144_views_of_each_image_are_answered_by_their_mean():
    seen = []

    def answer(batch: Batch) -> torch.Tensor:
        views = batch["views"]
        seen.append(tuple(views.shape))
        light = views.flatten(0, 1).float().mean(dim=(1, 2, 3)) - 100  # one answer a view
        logits = torch.stack([-light, light], dim=1) / 10
        return logits.softmax(dim=1).view(len(batch), 144, 2).mean(dim=1).log()

    loader = Loader(Greys(), Views(), InOrder(5, 2))
    outcome = validate(answer, loader.batches())
    assert seen == [(2, 144, 2, 2, 3), (2, 144, 2, 2, 3), (1, 144, 2, 2, 3)]
    assert outcome.top1 == 1.0
    assert outcome.labels.tolist() == [0, 1, 1, 0, 1]
    # 6 of 144 views are sure, the others undecided
    assert outcome.probability == pytest.approx((6 + 138 / 2) / 144, abs=1e-3)
