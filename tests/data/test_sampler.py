"""The order of images: complete, even, the same from every place and on any number of machines."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.data.sampler import InOrder, Planned, Sampler, Turns
from googlenet.errors import InputError

LABELS = np.repeat([0, 1, 2], [70, 20, 10]).astype(np.int32)


def places(planned: list[Planned]) -> list[tuple[int, int, tuple[int, ...]]]:
    return [(one.epoch, one.step, tuple(one.draws.tolist())) for one in planned]


def test_an_epoch_shows_each_image_once_in_an_order_of_its_own():
    sampler = Sampler(LABELS, 10, seed=1)
    orders = [sampler.order(epoch) for epoch in range(3)]
    for order in orders:
        assert np.sort(order).tolist() == list(range(100))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], Sampler(LABELS, 10, seed=2).order(0))
    assert np.array_equal(orders[2], Sampler(LABELS, 33, seed=1).order(2))  # whatever came before, whatever the batch


def test_left_over_images_change_with_the_epoch():
    sampler = Sampler(LABELS, 30, seed=1)
    assert sampler.steps_per_epoch == 3
    shown = [set(np.concatenate([one.draws for one in sampler.batches(e, stop=e + 1)]).tolist()) for e in range(2)]
    assert [len(images) for images in shown] == [90, 90]
    assert shown[0] != shown[1]


def test_fewer_images_than_a_batch():
    sampler = Sampler(LABELS, 128, seed=1)
    assert sampler.steps_per_epoch == 1
    assert len(sampler.batch(0, 0).draws) == 100


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any),
    batch=st.integers(1, 40),
    balance=st.booleans(),
    start=st.integers(0, 60),
    world=st.integers(1, 4),
)
def test_from_any_place_and_on_any_number_of_machines(counts, batch, balance, start, world):
    labels = np.repeat(np.arange(len(counts)), counts)
    batch = max(batch, world)
    alone = Sampler(labels, batch, seed=3, balance=balance)
    whole = list(islice(alone.batches(), 80))
    resumed = Sampler(labels, batch, seed=3, balance=balance).batches(0, start)  # steps of epoch 0 count on
    assert places(list(islice(resumed, 20))) == places(whole[start : start + 20])
    machines = [Sampler(labels, batch, seed=3, balance=balance, rank=r, world=world).batches() for r in range(world)]
    for one, *parts in zip(whole, *machines, strict=False):
        together = np.empty(len(one.draws), np.int64)
        for rank, part in enumerate(parts):
            together[rank::world] = part.draws
        assert together.tolist() == one.draws.tolist()


def test_balance_shows_classes_evenly_and_images_of_a_class_evenly():
    sampler = Sampler(LABELS, 10, seed=1, balance=True)
    order = sampler.order(0)
    assert len(order) == 100
    images, repetitions = order % 100, order // 100
    assert sorted(np.bincount(LABELS[images]).tolist()) == [33, 33, 34]
    assert len(set(order.tolist())) == 100  # each repetition is a draw of its own
    rare = np.bincount(images, minlength=100)[90:]
    assert set(rare.tolist()) == {3, 4}
    assert set(repetitions[images >= 90].tolist()) == {0, 1, 2, 3}
    assert np.bincount(images, minlength=100)[:70].max() == 1
    # the classes are mixed, not one after the other
    assert len(set(LABELS[images[:20]].tolist())) == 3
    assert not np.array_equal(order, sampler.order(1))


def test_balance_leaves_out_classes_without_images():
    order = Sampler(np.array([0, 0, 2, 2, 2]), 2, seed=1, balance=True).order(0)
    assert sorted(np.bincount(np.array([0, 0, 2, 2, 2])[order % 5]).tolist()) == [0, 2, 3]


def test_in_order_shows_everything_once():
    plan = InOrder(10, 4)
    assert places(list(plan.batches())) == [(0, 0, (0, 1, 2, 3)), (0, 1, (4, 5, 6, 7)), (0, 2, (8, 9))]
    shared = [list(InOrder(10, 4, rank=rank, world=2).batches()) for rank in range(2)]
    assert [one.draws.tolist() for one in shared[1]] == [[1, 3], [5, 7], [9]]


def test_whole_batches_by_turns():
    shared = [Turns(InOrder(10, 4), rank, 2) for rank in range(2)]
    assert [one.steps_per_epoch for one in shared] == [2, 1]
    assert places(list(shared[0].batches())) == [(0, 0, (0, 1, 2, 3)), (0, 2, (8, 9))]
    assert places(list(shared[1].batches())) == [(0, 1, (4, 5, 6, 7))]
    assert places(list(shared[0].batches(step=1))) == [(0, 2, (8, 9))]
    assert list(Turns(InOrder(4, 4), 1, 2).batches()) == []


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(InputError, match="no image"):
        Sampler(LABELS[:0], 1, seed=1)
    with pytest.raises(InputError, match="batch size 2: give at least 4"):
        Sampler(LABELS, 2, seed=1, world=4)


def test_a_million_images_in_well_under_a_second():
    sampler = Sampler(np.zeros(1_281_167, np.int32), 256, seed=1)
    assert sampler.steps_per_epoch == 5004
    assert len(sampler.batch(0, 5003).draws) == 256
