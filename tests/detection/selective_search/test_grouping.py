"""Grouping against a slow and obvious one that counts every histogram from pixels, in every form."""

from fractions import Fraction

import numpy as np
import pytest

from googlenet.detection.selective_search.colour import to_space
from googlenet.detection.selective_search.features import describe, measure
from googlenet.detection.selective_search.grouping import _Grouping, group
from googlenet.detection.selective_search.segmentation import segment
from googlenet.randomness import generator

SETS = [
    ("colour", "texture", "size", "fill"),
    ("texture", "size", "fill"),
    ("size",),
    ("fill",),
    ("colour",),
    ("texture",),
]


def regions_of(image: np.ndarray, scale: int = 10) -> tuple[np.ndarray, np.ndarray]:
    planes = to_space(image, "HSV")
    (labels,) = segment(planes, [scale])
    return labels, describe(planes)


class Part:
    """A region as its pixels; everything about it is counted from them."""

    def __init__(self, mask: np.ndarray, codes: np.ndarray) -> None:
        self.mask, self.size = mask, int(mask.sum())
        rows, columns = np.nonzero(mask)
        self.box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        self.first = int(np.flatnonzero(mask)[0])
        inside = codes[:, mask].astype(int)
        self.colours = np.stack([np.bincount(plane, minlength=25) for plane in inside[:3]])
        waves = [np.where(plane < 10, plane, 0) for plane in inside[3:]]
        waves += [np.where(plane < 10, 0, plane - 10) for plane in inside[3:]]
        self.textures = np.stack([np.bincount(wave, minlength=10) for wave in waves])


def exact(one: Part, other: Part, terms: tuple[str, ...], pixels: int) -> Fraction:
    """The published similarity, without rounding."""

    def intersection(a: np.ndarray, b: np.ndarray) -> Fraction:
        x, y = ([Fraction(count, int(counts.sum())) for count in counts.ravel().tolist()] for counts in (a, b))
        return sum(map(min, x, y), Fraction(0))

    both = [f(a, b) for f, a, b in zip((min, min, max, max), one.box, other.box, strict=True)]
    hull = (both[2] - both[0]) * (both[3] - both[1])
    values = {
        "colour": lambda: intersection(one.colours, other.colours),
        "texture": lambda: intersection(one.textures, other.textures),
        "size": lambda: 1 - Fraction(one.size + other.size, pixels),
        "fill": lambda: 1 - Fraction(hull - one.size - other.size, pixels),
    }
    found = [values[term]() for term in terms]
    assert all(0 <= value <= 1 for value in found)
    return sum(found, Fraction(0))


def touch(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(
        (one[1:] & other[:-1]).any()
        or (one[:-1] & other[1:]).any()
        or (one[:, 1:] & other[:, :-1]).any()
        or (one[:, :-1] & other[:, 1:]).any()
    )


def obvious(labels: np.ndarray, codes: np.ndarray, terms: tuple[str, ...]) -> tuple[list, list]:
    """Merge the best of all pairs, again and again."""
    parts = {label: Part(labels == label, codes) for label in range(labels.max() + 1)}
    boxes, merges = [part.box for part in parts.values()], []
    known: dict[tuple[int, int], Fraction] = {}
    while len(parts) > 1:
        for one in parts:
            for other in parts:
                if parts[one].first < parts[other].first and (one, other) not in known:
                    a, b = parts[one], parts[other]
                    if touch(a.mask, b.mask):
                        known[one, other] = exact(a, b, terms, labels.size)
        pairs = {pair: value for pair, value in known.items() if pair[0] in parts and pair[1] in parts}
        one, other = min(pairs, key=lambda pair: (-pairs[pair], parts[pair[0]].first, parts[pair[1]].first))
        made = Part(parts.pop(one).mask | parts.pop(other).mask, codes)
        parts[len(boxes)] = made
        boxes.append(made.box)
        merges.append((one, other))
    return merges, boxes


@pytest.mark.parametrize("terms", SETS)
def test_it_is_the_obvious_grouping(terms, use, forms, picture):
    for number in range(2):
        labels, codes = regions_of(picture(18, 24, number), 6)
        assert labels.max() >= 3
        merges, boxes = obvious(labels, codes, terms)
        for form in forms:
            use(form)
            (hierarchy,) = group(labels, codes, [terms])
            assert list(map(tuple, hierarchy.boxes.tolist())) == boxes, form
            assert list(map(tuple, hierarchy.merges.tolist())) == merges, form


def test_every_form_gives_the_same_hierarchies(use, forms, picture):
    for number, (height, width) in enumerate([(60, 80), (1, 200), (120, 3), (40, 41)]):
        labels, codes = regions_of(picture(height, width, number), 4)
        results = []
        for form in forms:
            use(form)
            results.append([(h.merges.tolist(), h.boxes.tolist()) for h in group(labels, codes, SETS)])
        assert all(result == results[0] for result in results)


def test_n_less_one_merges_end_with_the_whole_picture(form, picture):
    for number in range(3):
        labels, codes = regions_of(picture(40, 55, number))
        count = labels.max() + 1
        for hierarchy in group(labels, codes, SETS):
            assert hierarchy.merges.shape == (count - 1, 2)
            assert sorted(hierarchy.merges.ravel().tolist()) == list(range(2 * count - 2))  # each is merged once
            assert hierarchy.boxes[-1].tolist() == [0, 0, 55, 40]


def test_one_region_is_its_own_hierarchy(form):
    labels = np.zeros((5, 7), np.int32)
    for hierarchy in group(labels, np.zeros((15, 5, 7), np.uint8), SETS):
        assert hierarchy.merges.shape == (0, 2)
        assert hierarchy.boxes.tolist() == [[0, 0, 7, 5]]


def test_sizes_and_histograms_hold_after_any_number_of_merges(picture):
    """What was propagated is what a count from the pixels gives, and every histogram is full."""
    labels, codes = regions_of(picture(40, 50, 3))
    for terms in SETS[:3]:
        grouping = _Grouping(measure(labels, codes), labels.size, terms)
        merges = grouping.run().merges
        current, count = labels.copy(), int(labels.max()) + 1
        for step, pair in enumerate(merges):
            current[np.isin(current, pair)] = count + step
            numbers, dense = np.unique(current, return_inverse=True)
            counted = measure(dense.reshape(labels.shape).astype(np.int32), codes)
            assert (counted.colours == grouping.colours[numbers]).all()
            assert (counted.textures == grouping.textures[numbers]).all()
            assert (counted.sizes == grouping.sizes[numbers]).all()
            assert (counted.boxes == grouping.boxes[numbers]).all()
            assert grouping.sizes[numbers].sum() == labels.size
            assert (grouping.colours[numbers].sum(1) == 3 * grouping.sizes[numbers]).all()
            assert (grouping.textures[numbers].sum(1) == 24 * grouping.sizes[numbers]).all()


@pytest.mark.parametrize("flat", [False, True])
def test_other_labels_change_nothing(form, flat, picture):
    """Also where nothing but ties decides: squares of one colour."""
    if flat:
        labels = np.kron(np.arange(30, dtype=np.int32).reshape(5, 6), np.ones((8, 8), np.int32))
        codes = np.zeros((15, *labels.shape), np.uint8)
    else:
        labels, codes = regions_of(picture(50, 60, 4))
    count = labels.max() + 1
    order = generator(0, "test").permutation(count)
    others = order[labels].astype(np.int32)
    names = np.append(order, np.arange(count, 2 * count - 1))
    for before, after in zip(group(labels, codes, SETS), group(others, codes, SETS), strict=True):
        assert np.array_equal(names[before.merges], after.merges)
        assert np.array_equal(before.boxes, after.boxes[names])


def test_a_kernel_refuses_labels_and_codes_that_are_none(use, forms):
    labels, codes = np.array([[0, 1], [1, 1]], np.int32), np.zeros((15, 2, 2), np.uint8)
    for form in forms[:-1]:
        use(form)
        for number, value in ((0, 25), (3, 20), (14, 255)):
            wrong = codes.copy()
            wrong[number, 1, 1] = value
            with pytest.raises(ValueError, match="a code is out of range"):
                group(labels, wrong, SETS)
        with pytest.raises(ValueError, match="a label is out of range"):
            group(labels - 1, codes, SETS[:1])
        with pytest.raises(ValueError, match="a label has no pixel"):
            group(labels * 2, codes, SETS[:1])
