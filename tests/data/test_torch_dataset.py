"""A `DataLoader` of torch's over our data sets: the same bytes as our own loader's, with any number of workers."""

import pickle
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.data.loader import Loader
from googlenet.data.sampler import InOrder, Sampler
from googlenet.data.samples import EvaluationSamples, TrainingSamples
from googlenet.data.torch_dataset import EvaluationImages, TrainingImages
from googlenet.errors import InputError
from googlenet.images.crops import SCHEMES
from googlenet.network.zoo import specification
from googlenet.weights.classes import Class

DIGITS = Subset(Digits("train"), range(0, 1400, 20))
IMAGES = TrainingImages(DIGITS, (20, 24), seed=5)


def content(batches) -> list[tuple[bytes, list[int]]]:
    return [(images.numpy().tobytes(), labels.tolist()) for images, labels in batches]


def ours(epochs: int, balance: bool = False) -> list[tuple[bytes, list[int]]]:
    samples = TrainingSamples((20, 24), 5, SCHEMES["paper"], "howard")
    plan = Sampler(DIGITS.labels, 16, 5, balance=balance)
    batches = Loader(DIGITS, samples, plan).batches(stop=epochs)
    return content((batch["images"], batch["labels"]) for batch in batches)


@pytest.mark.parametrize("options", [{}, {"num_workers": 1}, {"num_workers": 2, "persistent_workers": True}])
def test_the_batches_are_those_of_training(options):
    cv2.setNumThreads(2)
    cv2.resize(np.zeros((900, 900, 3), np.uint8), (800, 800))  # threads that a forked worker must not wait for
    order = IMAGES.batches(16, epochs=3)
    loader = DataLoader(IMAGES, batch_sampler=order, **options)
    assert len(loader) == 12
    assert content(loader) == content(loader) == ours(3)


def test_a_worker_process_may_be_a_fresh_one():
    loader = DataLoader(
        IMAGES, batch_sampler=IMAGES.batches(16), num_workers=1, multiprocessing_context="spawn", timeout=120
    )
    assert content(loader) == ours(1)


def test_a_run_goes_on_in_the_middle_of_an_epoch():
    order = IMAGES.batches(16, epochs=3, start=6)
    assert len(order) == 6
    assert content(DataLoader(IMAGES, batch_sampler=order)) == ours(3)[6:]


def test_repeated_images_of_rare_classes_have_samples_of_their_own():
    rare = TrainingImages(Subset(DIGITS, np.flatnonzero(DIGITS.labels < 3)[:12]), (20, 24), seed=5)
    draws = [pair for batch in rare.batches(12, balance=True) for pair in batch]
    assert len({image.numpy().tobytes() for image, _ in (rare[pair] for pair in draws)}) == 12
    assert content(DataLoader(IMAGES, batch_sampler=IMAGES.batches(16, balance=True))) == ours(1, balance=True)


def test_a_pair_is_always_the_same_sample_and_an_index_never():
    pixels, label = IMAGES[2, 3]
    assert pixels.shape == (20, 24, 3)
    assert pixels.dtype == torch.uint8
    assert label == DIGITS.labels[3]
    assert torch.equal(IMAGES[2, 3][0], pixels)
    assert not torch.equal(IMAGES[3, 3][0], pixels)
    assert not torch.equal(IMAGES[2, 3 + len(IMAGES)][0], pixels)
    torch.manual_seed(1)
    first = IMAGES[3]
    assert first[1] == label
    assert not torch.equal(IMAGES[3][0], first[0])
    torch.manual_seed(1)
    assert torch.equal(IMAGES[3][0], first[0])


def test_torchs_own_order_gives_other_samples_in_every_epoch():
    torch.manual_seed(0)
    loader = DataLoader(IMAGES, batch_size=70, num_workers=1)
    (first, labels), (second, _) = next(iter(loader)), next(iter(loader))
    assert labels.tolist() == DIGITS.labels.tolist()
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_evaluation_is_the_networks_own_crop_in_order():
    described = specification("googlenet-tiny", classes=10)
    images = EvaluationImages(DIGITS, described)
    loader = Loader(DIGITS, EvaluationSamples(described.input[1:], described.pixels), InOrder(len(DIGITS), 16))
    expected = content((batch["images"], batch["labels"]) for batch in loader.batches())
    assert content(DataLoader(images, batch_size=16, num_workers=1)) == expected
    assert torch.equal(images[-1][0], images[len(images) - 1][0])
    assert len(list(islice(images, 100))) == len(images) == 70  # ends by itself


def test_sources_are_opened_and_labels_matched_by_id(class_folders):
    images = TrainingImages(class_folders, 16, sampling="whole", mirror=False, distortion="none")
    assert [item.id for item in images.classes] == ["10", "Dog", "cat"]
    assert len(images) == 9
    classes = (Class("cat", "cat"), Class("Dog", "dog"), Class("10", "ten"), Class("eel", "eel"))
    assert TrainingImages(class_folders, 16, classes=classes).labels.tolist() == [2, 2, 2, 2, 1, 1, 0, 0, 0]
    copy = pickle.loads(pickle.dumps(images))
    assert torch.equal(copy[0, 4][0], images[0, 4][0])


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(IndexError, match="image 70 of 70"):
        IMAGES[70]
    with pytest.raises(InputError, match="no such file or folder"):
        TrainingImages(tmp_path / "nothing")
    with pytest.raises(InputError, match="sampling 'all' is not known"):
        TrainingImages(DIGITS, sampling="all")
    with pytest.raises(InputError, match="distortion 'sepia' is not known"):
        TrainingImages(DIGITS, distortion="sepia")  # type: ignore[arg-type]
