"""Classes of several lists, matched by id."""

import pytest

from googlenet.errors import InputError
from googlenet.weights.class_sets import common, union
from googlenet.weights.classes import Class, google, ilsvrc

A, B, C, D = (Class(letter, f"name of {letter}") for letter in "abcd")


def test_other_orders_and_more_outputs():
    first, second = (A, B, C), (D, C, A, B)
    classes = union([first, second])
    assert classes == (A, B, C, D)
    alone = common([second], classes)
    assert alone.places.tolist() == [0, 1, 2, 3]
    assert alone.outputs[0].tolist() == [2, 3, 1, 0]
    both = common([first, second], classes)
    assert both.places.tolist() == [0, 1, 2]
    assert [outputs.tolist() for outputs in both.outputs] == [[0, 1, 2], [2, 3, 1]]


def test_restriction_to_some_ids():
    chosen = common([(A, B, C)], (A, B, C), only={"c", "a"})
    assert chosen.places.tolist() == [0, 2]
    with pytest.raises(InputError, match=r"the weights know 1 of the data's classes, .*; give data of two or more"):
        common([(A, B, C)], (A, B, C), only={"b", "x"})


def test_less_than_two_classes():
    with pytest.raises(InputError, match=r"the weights know 1 class, among which .*; give other weights"):
        common([(A,)], (A,))
    with pytest.raises(InputError, match=r"all models together know 0 classes, among which .*; take them one by one"):
        common([(A, B), (C, D)], (A, B, C, D))


def test_ilsvrc_in_both_public_orders():
    classes = union([ilsvrc("caffe"), google()])
    assert len(classes) == 1008
    both = common([ilsvrc("caffe"), google()], classes)
    assert both.places.tolist() == list(range(1000))
    assert all(
        google()[output].id == classes[place].id for place, output in zip(both.places, both.outputs[1], strict=True)
    )
