import numpy as np
import pytest

from googlenet.reporting.heat import overlay, tiled

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def colours(image):
    """How far red goes beyond blue, at each pixel."""
    pixels = np.asarray(image).astype(int)
    return pixels[:, :, 0] - pixels[:, :, 2]


def test_what_is_above_0_is_red_and_what_is_below_is_blue_at_its_place():
    values = np.zeros((4, 6), np.float32)
    values[0, 1], values[3, 4] = 2.0, -2.0
    found = colours(overlay(PICTURE, values))
    assert found.shape == (40, 60)
    assert found[5, 15] > 100
    assert found[35, 45] < -100
    assert np.abs(found[20:, :20]).max() < 10
    assert np.unravel_index(found.argmax(), found.shape)[0] < 10


def test_the_limit_is_the_largest_unless_one_scale_is_shared():
    values = np.full((2, 2), 0.5)
    strong, weak = colours(overlay(PICTURE, values)), colours(overlay(PICTURE, values, limit=5.0))
    assert strong.min() > 100 > weak.max()
    assert weak.mean() == pytest.approx(0.1 * strong.mean(), rel=0.1)
    np.testing.assert_array_equal(overlay(PICTURE, values, limit=0.5), overlay(PICTURE, 9 * values, limit=0.5))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (28, 28)])
def test_nothing_has_no_colour(shape):
    assert (colours(overlay(PICTURE, np.zeros(shape, np.float32))) == 0).all()


def test_a_map_of_one_place_covers_everything():
    assert colours(overlay(PICTURE, np.ones((1, 1)))).min() > 100


def test_small_pictures_stand_in_rows_with_a_gap():
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 3, 3), np.uint8)
    page = np.asarray(tiled(pictures, columns=2, factor=4))
    assert page.shape == (2 * 8 + 1, 2 * 12 + 1, 3)
    assert (page[:8, :12] == 0).all()
    assert (page[:8, 13:] == 1).all()
    assert (page[9:, :12] == 2).all()
    assert (page[9:, 12:] == 255).all()
