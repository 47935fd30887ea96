"""Resizing: Pillow's bicubic filter, in every form the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet.detection.selective_search.resizing import MOST_PIXELS, resize, working_size


def pillows(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Along the rows first, whichever it would take first itself."""
    rows = Image.fromarray(image).resize((width, len(image)), Image.Resampling.BICUBIC)
    return np.asarray(rows.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(30, 40), (61, 17), (7, 200), (1, 1), (150, 1), (97, 83)])
def test_it_is_pillows_bicubic_filter(form, size, picture):
    image = picture(97, 83, 0)
    assert np.array_equal(resize(image, *size), pillows(image, *size))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (900, 1), (2, 3)])
def test_small_and_long_pictures_too(form, shape, picture):
    image = picture(*shape, 1)
    for size in [(1, 1), (3, 5), (4097, 2), (2, 5000)]:
        assert np.array_equal(resize(image, *size), pillows(image, *size))


def test_a_picture_of_the_size_stays(form, picture):
    image = picture(20, 30, 2)[::-1]
    assert np.array_equal(resize(image, 20, 30), image)
    assert resize(image, 20, 30).flags.c_contiguous


def test_one_colour_stays_one_colour(form):
    for value in (0, 1, 128, 255):
        assert (resize(np.full((31, 77, 3), value, np.uint8), 53, 29) == value).all()


SIDE = st.integers(1, 10**8)


@settings(max_examples=300)
@given(height=SIDE, width=SIDE, wanted=st.none() | st.integers(20, 4096))
@example(height=1, width=10**8, wanted=None)
@example(height=10**8, width=1, wanted=500)
@example(height=1, width=1, wanted=500)
def test_working_sizes_are_bounded_and_keep_the_shape(height, width, wanted):
    to_height, to_width = working_size(height, width, wanted)
    assert to_height >= 1
    assert to_width >= 1
    assert to_height * to_width <= MOST_PIXELS
    whole = max(1, int(Fraction(height * (wanted or width), width) + Fraction(1, 2)))
    if whole * (wanted or width) <= MOST_PIXELS:
        assert (to_height, to_width) == (whole, wanted or width)
    if min(to_height, to_width) > 50:  # elsewhere rounding to whole pixels changes it
        assert to_height / to_width == pytest.approx(height / width, rel=0.02)


def test_usual_pictures_have_the_width_that_is_wanted():
    assert working_size(375, 500, 500) == (375, 500)
    assert working_size(3000, 4000, 500) == (375, 500)
    assert working_size(600, 300, 500) == (1000, 500)
    assert working_size(375, 500, None) == (375, 500)
    assert working_size(3, 1000, 500) == (2, 500)
