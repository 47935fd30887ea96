"""Colour spaces against the standard library's and OpenCV's."""

import colorsys

import cv2
import numpy as np
import pytest

from googlenet.detection.selective_search.colour import to_space
from googlenet.randomness import generator


@pytest.fixture
def colours() -> np.ndarray:
    """[500, 2, 3]: chance, and every kind of edge."""
    random = generator(0, "test").integers(0, 256, (406, 2, 3))
    edges = np.stack(np.meshgrid(*[[0, 1, 128, 254, 255]] * 3), -1).reshape(-1, 3)
    greys = np.arange(1, 256, 4)[:, None].repeat(3, 1)
    return np.concatenate([random, np.concatenate([edges, greys[1:]]).reshape(-1, 2, 3)]).astype(np.uint8)


def test_hsv_is_the_standard_librarys(colours):
    expected = np.array([colorsys.rgb_to_hsv(*colour / 255) for colour in colours.reshape(-1, 3)]) * 255
    found = to_space(colours, "HSV").reshape(3, -1).T
    assert np.abs(found - expected).max() <= 0.5 + 1e-9


def test_lab_is_opencvs(colours):
    expected = cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    expected = np.clip(expected * [2.55, 1, 1] + [0, 128, 128], 0, 255)
    assert np.abs(to_space(colours, "Lab").reshape(3, -1).T - expected).max() < 1


def test_greys_have_no_colour():
    greys = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, 2)
    lab, hsv = to_space(greys, "Lab"), to_space(greys, "HSV")
    assert (lab[1:] == 128).all()
    assert (hsv[:2] == 0).all()
    assert (hsv[2, :, 0] == np.arange(256)).all()
    assert lab[0, 0, 0] == 0
    assert lab[0, -1, 0] == 255


def test_rgi_is_shares_and_luma(colours):
    found = to_space(colours, "rgI").astype(float)
    values = colours.astype(float)
    sums = values.sum(2)
    shares = 255 * values[:, :, :2].transpose(2, 0, 1) / np.maximum(sums, 1)
    assert np.abs(found[:2] - shares)[:, sums > 0].max() <= 0.5 + 1e-9
    assert np.abs(found[2] - values @ [0.299, 0.587, 0.114]).max() <= 0.5 + 1e-9


def test_black_has_a_third_of_each():
    assert to_space(np.zeros((1, 1, 3), np.uint8), "rgI").ravel().tolist() == [85, 85, 0]


def test_a_single_channel_stands_there_three_times(colours):
    for space, of, channel in (("H", "HSV", 0), ("I", "rgI", 2)):
        assert (to_space(colours, space) == to_space(colours, of)[channel]).all()


@pytest.mark.parametrize("space", ["HSV", "Lab", "rgI", "H", "I"])
def test_planes_are_contiguous_whatever_the_picture_is(space, colours):
    planes = to_space(colours[::-2, ::-1], space)
    assert planes.flags.c_contiguous
    assert planes.dtype == np.uint8
    assert (planes == to_space(colours, space)[:, ::-2, ::-1]).all()
