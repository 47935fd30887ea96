"""Codes of pixels and histograms of regions: hand-worked pictures, sums, unions."""

import numpy as np
import pytest

from googlenet.detection.selective_search.colour import to_space
from googlenet.detection.selective_search.features import describe, measure
from googlenet.detection.selective_search.segmentation import segment


def grey(plane: np.ndarray) -> np.ndarray:
    return np.stack([plane.astype(np.uint8)] * 3)


def test_colours_fall_into_25_equal_bins(form):
    codes = describe(grey(np.arange(256).reshape(16, 16)))[:3]
    assert (np.bincount(codes[0].ravel(), minlength=25) >= 10).all()
    assert codes[0].ravel().tolist() == [value * 25 // 256 for value in range(256)]


def test_one_colour_has_no_slopes(form):
    assert (describe(grey(np.full((9, 9), 77)))[3:] == 0).all()


@pytest.mark.parametrize(
    ("slope", "codes"),
    [  # to the right, down to the right, down, up to the right; 10 more where it falls
        ((1, 0), [9, 7, 0, 7]),
        ((-1, 0), [19, 17, 0, 17]),
        ((0, 1), [0, 7, 9, 17]),
        ((0, -1), [0, 17, 19, 7]),
        ((1, 1), [7, 9, 7, 0]),
        ((1, -1), [7, 0, 17, 9]),
    ],
)
def test_a_ramp_slopes_one_way(form, slope, codes):
    y, x = np.indices((21, 21)) - 10
    found = describe(grey(128 + 6 * (slope[0] * x + slope[1] * y)))[:, 10, 10]
    for plane in range(3):
        assert found[3 + 4 * plane : 7 + 4 * plane].tolist() == codes


def test_every_form_gives_the_same_codes(use, forms, picture):
    for number, (height, width) in enumerate([(60, 80), (1, 70), (70, 1), (1, 1), (35, 67)]):
        planes = to_space(picture(height, width, number), "HSV")
        results = []
        for form in forms:
            use(form)
            results.append(describe(planes))
        assert all(np.array_equal(results[0], result) for result in results)


def test_all_terms_are_alive(picture):
    """No channel falls into a single bin, and slopes are found in every direction."""
    codes = describe(to_space(picture(80, 100, 5), "HSV"))
    assert all(len(np.unique(plane)) >= 10 for plane in codes[:3])
    assert all(len(np.unique(plane)) >= 8 for plane in codes[3:])


def test_histograms_count_every_pixel(picture):
    planes = to_space(picture(40, 50, 6), "Lab")
    (labels,) = segment(planes, [10])
    regions = measure(labels, describe(planes))
    assert regions.sizes.sum() == 40 * 50
    assert (regions.colours.reshape(-1, 3, 25).sum(2) == regions.sizes[:, None]).all()
    assert (regions.textures.reshape(-1, 24, 10).sum(2) == regions.sizes[:, None]).all()
    shares = regions.colours / (3 * regions.sizes[:, None]), regions.textures / (24 * regions.sizes[:, None])
    assert [share.sum(1) for share in shares] == [pytest.approx(1)] * 2


def test_a_region_is_measured_as_one_sees_it():
    labels = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 2]], np.int32)
    codes = np.zeros((15, 3, 3), np.uint8)
    codes[0, 0] = (3, 4, 4)
    codes[3, 2] = (5, 15, 15)
    regions = measure(labels, codes)
    assert regions.sizes.tolist() == [3, 2, 4]
    assert regions.firsts.tolist() == [0, 2, 3]
    assert regions.boxes.tolist() == [[0, 0, 2, 2], [2, 0, 3, 2], [0, 1, 3, 3]]
    assert regions.neighbours == [{1, 2}, {0, 2}, {0, 1}]
    assert regions.colours[0, [0, 3, 4]].tolist() == [1, 1, 1]
    rising, falling = regions.textures[2, :10].tolist(), regions.textures[2, 10:20].tolist()
    assert rising == [3, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert falling == [2, 0, 0, 0, 0, 2, 0, 0, 0, 0]
