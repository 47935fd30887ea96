"""The composition of batches, that every window is as likely as the others, and that places do not matter."""

from collections import Counter

import numpy as np
import pytest

from googlenet.detection.regions.sampler import WindowSampler, read_draw
from googlenet.detection.regions.windows import Labelled, write_windows
from googlenet.errors import InputError

BACKGROUND = 2


def windows(folder, *labels):
    parts = [Labelled(np.tile([0.0, 0.0, 9.0, 9.0], (len(row), 1)), np.array(row, np.int32)) for row in labels]
    return write_windows(folder, parts, BACKGROUND, "")


@pytest.fixture
def few(tmp_path):
    """Of 60 windows four are objects, one of them of class 1."""
    return windows(tmp_path, [0, 0, *[BACKGROUND] * 20], [], [BACKGROUND] * 30, [1, 0, *[BACKGROUND] * 6])


def kinds(sampler, found, epoch=0, step=0):
    labels = np.concatenate([found.of(number).labels for number in range(found.pictures)])
    return Counter(labels[sampler.rows(epoch, step)].tolist())


def test_a_batch_has_32_objects_and_96_of_background_whatever_there_is(few, tmp_path):
    sampler = WindowSampler(few, 128, 0)
    assert all(kinds(sampler, few, step=step)[BACKGROUND] == 96 for step in range(10))
    many = windows(tmp_path / "many", [0] * 500, [BACKGROUND], [1])
    found = kinds(WindowSampler(many, 128, 0), many)
    assert (found[BACKGROUND], found[0] + found[1]) == (96, 32)


def test_every_window_of_a_kind_is_equally_likely(few):
    sampler = WindowSampler(few, 400, 3)
    count = Counter(np.concatenate([sampler.rows(0, step) for step in range(100)]).tolist())
    positives = [count[row] for row in few.positives.tolist()]
    assert sum(positives) == 10_000
    assert all(abs(one - 2500) < 5 * 2500**0.5 for one in positives)
    others = [count[row] for row in few.negatives(np.arange(56)).tolist()]
    assert sum(others) == 30_000
    assert all(abs(one - 30_000 / 56) < 5 * (30_000 / 56) ** 0.5 for one in others)


def test_a_draw_names_picture_window_and_place(few):
    sampler = WindowSampler(few, 32, 1)
    planned = sampler.batch(2, 1)
    pictures, numbers = few.places(sampler.rows(2, 1))
    assert (planned.draws % few.pictures).tolist() == pictures.tolist()
    drawn = [read_draw(draw, few) for draw in planned.draws.tolist()]
    assert [one.window for one in drawn] == numbers.tolist()
    assert [one.position for one in drawn] == list(range(32, 64))


def test_machines_share_a_batch(few):
    whole = WindowSampler(few, 30, 1).batch(0, 0).draws
    parts = [WindowSampler(few, 30, 1, rank=rank, world=4).batch(0, 0).draws for rank in range(4)]
    assert sorted(np.concatenate(parts).tolist()) == sorted(whole.tolist())
    assert parts[1].tolist() == whole[1::4].tolist()


def test_batches_begin_anywhere(few):
    sampler = WindowSampler(few, 8, 5)
    assert sampler.steps_per_epoch == 4  # eight windows for each of four pictures
    everything = list(sampler.batches(0, 0, 3))
    later = list(WindowSampler(few, 8, 5).batches(1, 2, 3))
    assert [(one.epoch, one.step) for one in later] == [(1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert all((a.draws == b.draws).all() for a, b in zip(everything[6:], later, strict=True))


def test_windows_of_one_kind_alone_are_refused(tmp_path):
    with pytest.raises(InputError, match="no window of 1 pictures shows an object"):
        WindowSampler(windows(tmp_path / "a", [BACKGROUND] * 3), 8, 0)
    with pytest.raises(InputError, match="no window of 2 pictures shows background"):
        WindowSampler(windows(tmp_path / "b", [0], [1]), 8, 0)
    with pytest.raises(InputError, match="batch size 4: give at least 5"):
        WindowSampler(windows(tmp_path / "c", [0, BACKGROUND]), 4, 0, world=5)
