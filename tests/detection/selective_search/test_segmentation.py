"""Graph segmentation against a slow and obvious one, in every form."""

import math
from fractions import Fraction

import numpy as np
import pytest

from googlenet.detection.selective_search.colour import to_space
from googlenet.detection.selective_search.filtering import BITS, filtered, gaussian
from googlenet.detection.selective_search.segmentation import segment
from googlenet.randomness import generator


def obvious(planes: np.ndarray, k: int) -> np.ndarray:
    """Regions as sets of pixels, and the predicate of the paper with its fractions."""
    colours = filtered(planes, gaussian(0.8), gaussian(0.8)).tolist()
    height, width = planes.shape[1:]
    edges = []
    for y in range(height):
        for x in range(width):
            for number, (down, right) in enumerate([(0, 1), (1, 0), (1, 1), (-1, 1)]):
                if 0 <= y + down < height and x + right < width:
                    squares = sum((plane[y][x] - plane[y + down][x + right]) ** 2 for plane in colours)
                    edges.append((math.isqrt(squares), (y, x), number, (y + down, x + right)))
    edges.sort()
    region_of = {(y, x): frozenset([(y, x)]) for y in range(height) for x in range(width)}
    longest = dict.fromkeys(region_of.values(), 0)

    def join(one: frozenset, other: frozenset, length: int) -> None:
        for pixel in one | other:
            region_of[pixel] = one | other
        longest[one | other] = length

    def threshold(region: frozenset) -> Fraction:
        return longest[region] + Fraction(k << BITS, len(region))

    for length, begin, _, end in edges:
        one, other = region_of[begin], region_of[end]
        if one != other and length <= min(threshold(one), threshold(other)):
            join(one, other, length)
    for _, begin, _, end in edges:
        one, other = region_of[begin], region_of[end]
        if one != other and min(len(one), len(other)) < k:
            join(one, other, 0)
    numbers: dict[frozenset, int] = {}
    raster = [region_of[y, x] for y in range(height) for x in range(width)]
    return np.array([numbers.setdefault(region, len(numbers)) for region in raster]).reshape(height, width)


def planes_of(number: int) -> np.ndarray:
    """Small planes of few different values, so that many edges are equally long."""
    random = generator(1, "test", index=number)
    levels = random.integers(0, 256, random.integers(1, 30))
    return random.choice(levels, (3, *random.integers(1, 11, 2))).astype(np.uint8)


def test_it_is_the_obvious_segmentation_on_200_pictures(use, forms):
    for number in range(200):
        planes = planes_of(number)
        scales = generator(2, "test", index=number).integers(1, [8, 300, 3000]).tolist()
        expected = [obvious(planes, scale) for scale in scales]
        for form in forms:
            use(form)
            found = segment(planes, scales)
            assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True)), (number, form)


def test_every_form_gives_the_same_regions(use, forms, picture):
    for number, (height, width) in enumerate([(60, 80), (1, 200), (150, 1), (33, 65)]):
        planes = to_space(picture(height, width, number), "Lab")
        results = []
        for form in forms:
            use(form)
            results.append(np.stack(segment(planes, [1, 10, 50])))
        assert all(np.array_equal(results[0], result) for result in results)


@pytest.mark.parametrize("scale", [5, 20, 50])
def test_no_region_is_smaller_than_its_scale(form, scale, picture):
    for number in range(5):
        (labels,) = segment(to_space(picture(50, 60, number), "HSV"), [scale])
        sizes = np.bincount(labels.ravel())
        assert sizes.min() >= scale
        assert sizes.sum() == 50 * 60


def test_labels_are_in_raster_order(form, picture):
    (labels,) = segment(to_space(picture(50, 60, 7), "Lab"), [10])
    firsts = np.unique(labels, return_index=True)[1]
    assert (np.diff(firsts) > 0).all()
    assert labels.max() > 5


def test_a_bigger_scale_gives_fewer_regions(form, picture):
    counts = [labels.max() + 1 for labels in segment(to_space(picture(80, 100, 8), "Lab"), [5, 20, 80, 320])]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_rectangles_are_regions_of_their_own(form):
    image = np.full((60, 80, 3), (20, 120, 220), np.uint8)
    image[10:30, 10:40], image[35:55, 50:75] = (200, 30, 30), (30, 200, 30)
    for space in ("HSV", "Lab"):
        (labels,) = segment(to_space(image, space), [50])
        inside = [np.unique(part) for part in (labels[:6], labels[13:27, 13:37], labels[38:52, 53:72])]
        assert [len(numbers) for numbers in inside] == [1, 1, 1]
        assert len({int(numbers[0]) for numbers in inside}) == 3
