"""Batches: the same bytes whoever makes them, bad images never in silence, no process left behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from googlenet.data.batch import Batch, Field
from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.loader import Loader
from googlenet.data.pool import WorkerPool
from googlenet.data.sampler import InOrder, Sampler
from googlenet.data.samples import EvaluationSamples, TrainingSamples
from googlenet.errors import InputError
from googlenet.images.crops import SCHEMES
from googlenet.images.decoding import decode
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Pixels, Resize

DIGITS = Subset(Digits("train"), range(0, 1400, 7))
SAMPLES = TrainingSamples((20, 24), seed=5, sampling=SCHEMES["paper"], distortion="howard")


@pytest.fixture
def with_bad_images(tmp_path: Path) -> Folder:
    """200 digits as files, of which four are not images any more: numbers 7, 57, 107 and 157."""
    for index in range(200):
        file = tmp_path / "digits" / f"{index // 20}" / f"{index:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"no image" if index % 50 == 7 else DIGITS.read(index))
    return Folder(tmp_path / "digits")


def content(batch: Batch) -> tuple:
    return (
        batch.epoch,
        batch.step,
        batch["images"].numpy().tobytes(),
        batch["labels"].tolist(),
        batch.indices.tolist(),
        batch.bad,
    )


@pytest.fixture(scope="module")
def two_workers() -> Iterator[WorkerPool]:
    with WorkerPool(2) as pool:
        yield pool


@pytest.fixture(params=["no workers", "two workers"])
def pool(request: pytest.FixtureRequest) -> WorkerPool | None:
    return None if request.param == "no workers" else request.getfixturevalue("two_workers")


def batches(
    pool: WorkerPool | None, dataset=DIGITS, skip: bool = False, start=(0, 0), stop=3, batch_size=32
) -> list[tuple]:
    plan = Sampler(dataset.labels, batch_size, seed=5)
    loader = Loader(dataset, SAMPLES, plan, pool, skip_bad_images=skip)
    return [content(batch) for batch in loader.batches(*start, stop=stop)]


def test_the_same_bytes_with_any_number_of_workers_from_any_place(two_workers):
    alone = batches(None)
    assert len(alone) == 18
    assert len({one[2] for one in alone}) == 18
    with WorkerPool(1) as one_worker:
        assert batches(one_worker) == alone
    assert batches(two_workers) == alone
    for pool in (None, two_workers):
        assert batches(pool, start=(1, 5)) == alone[11:]


def test_shapes_and_labels():
    plan = Sampler(DIGITS.labels, 32, seed=5)
    batch = next(Loader(DIGITS, SAMPLES, plan).batches())
    assert batch["images"].shape == (32, 20, 24, 3)
    assert batch["images"].dtype == torch.uint8
    assert batch["labels"].dtype == torch.int64
    assert batch["labels"].tolist() == DIGITS.labels[batch.indices.numpy()].tolist()
    assert batch.indices.tolist() == plan.order(0)[:32].tolist()
    assert batch.waited > 0


def test_what_a_sample_looks_like_depends_on_seed_epoch_and_draw_alone():
    data, name = DIGITS.read(3), DIGITS.name(3)
    one = SAMPLES.image(data, name, 2, 3)
    for size in (16, 50):
        plan = Sampler(DIGITS.labels, size, seed=5)
        for batch in Loader(DIGITS, SAMPLES, plan).batches(2, stop=3):
            if 3 in batch.indices.tolist():
                assert np.array_equal(batch["images"][batch.indices.tolist().index(3)].numpy(), one)
    assert not np.array_equal(SAMPLES.image(data, name, 3, 3), one)
    assert not np.array_equal(SAMPLES.image(data, name, 2, 3 + len(DIGITS)), one)  # a repetition, under --balance
    assert not np.array_equal(TrainingSamples((20, 24), 6, distortion="howard").image(data, name, 2, 3), one)


def test_an_iterator_left_early_costs_nothing(two_workers):
    loader = Loader(DIGITS, SAMPLES, Sampler(DIGITS.labels, 32, seed=5), two_workers)
    first = [content(batch) for batch in islice(loader.batches(stop=None), 4)]
    assert [content(batch) for batch in islice(loader.batches(stop=None), 4)] == first
    assert [content(batch) for batch in islice(loader.batches(0, 2, stop=None), 2)] == first[2:]


def test_a_bad_image_is_an_error_with_its_name(pool, with_bad_images):
    with pytest.raises(InputError, match=r"digits/\d/\d{3}.png: not a JPEG"):
        batches(pool, with_bad_images)


def test_skipped_images_are_listed_and_never_replaced(pool, with_bad_images):
    dataset = with_bad_images
    plan = Sampler(dataset.labels, 40, seed=5)
    loader = Loader(dataset, SAMPLES, plan, pool, skip_bad_images=True)
    shown = []
    for batch in loader.batches(stop=2):
        shown += batch.indices.tolist()
        assert len(batch) + len(batch.bad) == 40
        assert len(batch["images"]) == len(batch["labels"]) == len(batch.indices)
    bad = {dataset.name(index) for index in (7, 57, 107, 157)}
    assert set(loader.bad_images) == bad
    assert all("not a JPEG" in reason for reason in loader.bad_images.values())
    assert sorted(shown) == sorted(2 * [index for index in range(200) if index % 50 != 7])


def test_a_batch_of_bad_images_is_empty(pool, with_bad_images):
    [only] = batches(pool, Subset(with_bad_images, [7, 57]), skip=True, stop=1, batch_size=2)
    assert only[3:5] == ([], [])
    assert len(only[5]) == 2


def test_evaluation_is_in_order_with_the_networks_own_pixels(pool):
    pixels = Pixels(resize=Resize(geometry="squash", size=16))
    samples = EvaluationSamples((12, 12), pixels)
    seen = list(Loader(DIGITS, samples, InOrder(len(DIGITS), 64), pool).batches())
    assert torch.cat([batch.indices for batch in seen]).tolist() == list(range(200))
    assert [len(batch) for batch in seen] == [64, 64, 64, 8]
    expected = prepare(decode(DIGITS.read(70)), pixels, (12, 12))
    assert np.array_equal(seen[1]["images"][6].numpy(), expected)


@dataclass(frozen=True)
class Boxed:
    """A data set whose images have several truths: `DIGITS` with 0 to 3 boxes an image."""

    images: Subset = DIGITS

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> bytes:
        if index == 70:
            raise InputError("70: lost")
        return self.images.read(index)

    def name(self, index: int) -> str:
        return str(index)

    def boxes(self, index: int) -> np.ndarray:
        corners = np.arange(index % 4, dtype=np.float32)[:, None]
        return corners + index + np.array([[0.25, 0.5, 0.75, 1]], np.float32)


@dataclass(frozen=True)
class Views:
    """144 views of an image, its boxes, and what is true of each box."""

    fields: ClassVar = {
        "views": Field("uint8", (144, 5, 6, 3)),
        "boxes": Field("float32", (None, 4)),
        "difficult": Field("bool", (None,)),
        "weight": Field("float64"),
    }

    def make(self, dataset: Boxed, index: int, epoch: int, draw: int) -> dict[str, np.ndarray]:
        pixels = decode(dataset.read(index))[:5, :6]
        boxes = dataset.boxes(index)
        return {
            "views": (pixels + np.arange(144)[:, None, None, None] + epoch).astype(np.uint8),
            "boxes": boxes,
            "difficult": boxes[:, 0] % 2 == 0,
            "weight": np.float64(draw),
        }


def test_views_and_boxes_travel_like_images_and_labels(pool):
    dataset = Boxed()
    seen = list(Loader(dataset, Views(), InOrder(200, 60), pool, skip_bad_images=True).batches())
    assert [len(batch) for batch in seen] == [60, 59, 60, 20]
    assert [batch["views"].shape for batch in seen] == [(n, 144, 5, 6, 3) for n in (60, 59, 60, 20)]
    assert seen[1].bad == (("70", "70: lost"),)
    for batch in seen:
        indices = batch.indices.tolist()
        assert batch["weight"].tolist() == indices
        assert batch["boxes/counts"].tolist() == batch["difficult/counts"].tolist() == [i % 4 for i in indices]
        boxes = np.concatenate([dataset.boxes(index) for index in indices])
        assert batch["boxes"].dtype == torch.float32
        assert np.array_equal(batch["boxes"].numpy(), boxes)
        assert batch["difficult"].tolist() == (boxes[:, 0] % 2 == 0).tolist()
        for row, index in enumerate(indices):
            first = decode(DIGITS.read(index))[:5, :6].astype(int)
            assert np.array_equal(batch["views"][row, 143].numpy(), (first + 143) % 256)


def test_a_batch_in_parts_is_the_batch():
    [batch] = Loader(Boxed(), Views(), InOrder(60, 60)).batches()
    parts = list(batch.split(7))
    assert [len(part) for part in parts] == [len(part) for part in batch.indices.tensor_split(7)]
    assert torch.equal(torch.cat([part.indices for part in parts]), batch.indices)
    for name, array in batch.arrays.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), array)
    for part in parts:
        assert len(part["boxes"]) == part["boxes/counts"].sum()


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            {"boxes": np.zeros((2, 5), np.float32)},
            r"boxes: a sample is float32 \[2, 5\], declared was float32 \[any, 4\]",
        ),
        ({"boxes": np.zeros((2, 4))}, "boxes: a sample is float64"),
        ({"views": np.zeros((144, 5, 3), np.uint8)}, r"views: a sample is uint8 \[144, 5, 3\]"),
        ({"more": np.zeros(1)}, "a sample holds views, boxes, difficult, weight, more, declared were views"),
    ],
)
def test_a_sample_that_is_not_what_was_declared_is_named(sample, message):
    class Wrong(Views):
        def make(self, *args):
            return super().make(*args) | sample

    with pytest.raises(ValueError, match=message):
        next(Loader(Boxed(), Wrong(), InOrder(8, 8)).batches())
