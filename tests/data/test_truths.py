"""Right answers of images: as they are kept, chosen and renamed, against plain tuples."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.data.dataset import Subset
from googlenet.data.truths import Truths, truths_of

ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(tuple), max_size=12)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_it_is_a_sequence_of_tuples_that_can_be_chosen_from(rows, data):
    truths = Truths.of(rows)
    assert list(truths) == rows
    assert [truths[i - len(rows)] for i in range(len(rows))] == rows
    assert list(truths[1:-1]) == rows[1:-1]
    assert truths.first.tolist() == [row[0] for row in rows]
    assert truths.counts.tolist() == [len(row) for row in rows]
    assert truths.images.tolist() == [image for image, row in enumerate(rows) for _ in row]
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1))) if rows else []
    assert list(truths.take(chosen)) == [rows[i] for i in chosen]
    positions = np.arange(10)[::-1] * 3
    assert list(truths.under(positions)) == [tuple(27 - 3 * index for index in row) for row in rows]
    assert list(pickle.loads(pickle.dumps(truths))) == rows


def test_ends_are_those_of_a_sequence():
    truths = Truths.of([(1,), (2, 0, 2)])
    assert truths[1] == (2, 0)  # a class stands once
    with pytest.raises(IndexError):
        truths[2]
    with pytest.raises(ValueError, match="no right answer"):
        Truths.of([(1,), ()])


def test_a_data_set_with_labels_has_one_for_each_image():
    plain = SimpleNamespace(labels=np.array([4, 0, 7], np.int32), classes=())
    assert list(truths_of(plain)) == [(4,), (0,), (7,)]
    assert list(truths_of(Subset(plain, [2, 0]))) == [(7,), (4,)]


def test_a_data_set_of_ones_own_may_have_several():
    own = SimpleNamespace(labels=np.array([0, 2]), truths=[(0, 1), (2,)])
    assert list(truths_of(own)) == [(0, 1), (2,)]
