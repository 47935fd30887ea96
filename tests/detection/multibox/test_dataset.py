"""Annotated pictures as the data pipeline has them."""

import pickle

import numpy as np
from shapes import Shapes, objects

from googlenet.data.identity import difference, identity
from googlenet.data.loader import Loader
from googlenet.data.pool import WorkerPool
from googlenet.data.sampler import Sampler
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.samples import AllSquares, DrawnSquares
from googlenet.detection.multibox.squares import covering


class Special(Shapes):
    """One picture, of an ordinary object, a difficult one and a crowd."""

    def objects(self, index: int):  # type: ignore[no-untyped-def]
        boxes = [[0, 0, 9, 9], [10, 0, 19, 9], [20, 0, 29, 9]]
        return objects(boxes, difficult=[False, True, False], crowd=[False, False, True])


class Elsewhere(Shapes):
    """The same pictures in another folder."""

    def name(self, index: int) -> str:
        return f"/somewhere/else/{index}.png"


def test_a_crowd_is_no_object_and_a_difficult_one_need_not_be_found():
    found = ObjectImages(Special(1))
    assert found.boxes(0)[:, 0].tolist() == [0, 10]
    assert found.required(0)[:, 0].tolist() == [0]
    assert found.objects == 2


def test_moved_pictures_are_the_same_and_other_boxes_are_named():
    one = identity(ObjectImages(Shapes(3)))
    assert identity(ObjectImages(Elsewhere(3))) == one
    other = identity(ObjectImages(Shapes(3, seed=1)))
    assert other != one
    assert difference(one.listing, other).startswith("image 1 was 0.png [[")


def test_samples_are_the_same_by_any_number_of_workers():
    dataset = ObjectImages(Shapes(6))
    samples = DrawnSquares((16, 16), (9, 9, 9), seed=3, distortion="howard")
    found = []
    for workers in (0, 2):
        with WorkerPool(workers) as pool:
            loader = Loader(dataset, samples, Sampler(dataset.labels, 3, 0), pool)
            found.append(list(loader.batches(0, 0, 2)))
    for here, there in zip(*found, strict=True):
        assert here.arrays.keys() == there.arrays.keys() == {"images", "boxes", "boxes/counts"}
        assert all((here[name] == there[name]).all() for name in here.arrays)
    boxes = np.concatenate([batch["boxes"].numpy() for batch in found[0]])
    assert len(boxes) > 5
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_another_epoch_and_another_draw_give_other_squares():
    dataset = ObjectImages(Shapes(1))
    samples = pickle.loads(pickle.dumps(DrawnSquares((16, 16), (9, 9, 9), seed=3)))
    made = [samples.make(dataset, 0, epoch, draw)["images"].tobytes() for epoch in (0, 1) for draw in (0, 1)]
    assert len(set(made)) == 4


def test_all_squares_are_evaluated():
    made = AllSquares((16, 16), (9, 9, 9)).make(ObjectImages(Shapes(1)), 0, 0, 0)
    assert made["sizes"].tolist() == [48, 40]
    assert made["images"].shape == (len(covering(48, 40)), 16, 16, 3)
