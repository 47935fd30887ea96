"""Distortions against Pillow, colorsys, hand-worked pixels and the laws they are drawn from."""

import colorsys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import stats

from googlenet.images.photometric import DISTORTIONS, Change, Distortion, apply, sample
from googlenet.randomness import generator

PHOTO = generator(0, "test").integers(0, 256, (40, 50, 3), np.uint8)
DRAWS = 4000


def one(what: str, *amount: float, name: str = "howard") -> Distortion:
    return Distortion(name, (Change(what, amount),))


def draws(name: str) -> list[Distortion]:
    random = generator(0, name)
    return [sample(name, random) for _ in range(DRAWS)]


def pixel(*rgb: int) -> np.ndarray:
    return np.array([[rgb]], np.uint8)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3, 1.5])
@pytest.mark.parametrize(
    ("what", "enhance"),
    [
        ("contrast about grey", ImageEnhance.Contrast),
        ("brightness factor", ImageEnhance.Brightness),
        ("colour", ImageEnhance.Color),
    ],
)
def test_howard_has_the_semantics_of_pillow(what, enhance, factor):
    theirs = np.asarray(enhance(Image.fromarray(PHOTO)).enhance(factor)).astype(int)
    ours = apply(PHOTO, one(what, factor)).astype(int)
    difference = ours - theirs
    assert difference.min() >= -1
    assert difference.max() <= 1 + (what == "colour")  # Pillow cuts fractions off, and rounds grey beforehand
    assert factor == 1 or np.abs(ours - PHOTO).max() > 20


@pytest.mark.parametrize("name", ["howard", "ssd", "inception"])
@pytest.mark.parametrize(
    ("what", "amount"),
    [
        ("brightness", (0.0,)),
        ("brightness factor", (1.0,)),
        ("contrast about grey", (1.0,)),
        ("contrast about means", (1.0,)),
        ("contrast about black", (1.0,)),
        ("colour", (1.0,)),
        ("saturation", (1.0,)),
        ("hue", (0.0,)),
        ("lighting", (0.0, 0.0, 0.0)),
    ],
)
def test_identities(name, what, amount):
    before = PHOTO.copy()
    assert np.array_equal(apply(PHOTO, one(what, *amount, name=name)), before)
    assert np.array_equal(PHOTO, before)
    assert not np.array_equal(apply(PHOTO, one(what, *(v + 9.3 for v in amount), name=name)), PHOTO)


@pytest.mark.parametrize(
    ("distortion", "before", "after"),
    [
        (one("brightness factor", 1.5), (100, 180, 20), (150, 255, 30)),
        (one("brightness", -32), (10, 32, 255), (0, 0, 223)),
        (one("contrast about black", 0.5, name="ssd"), (10, 33, 255), (5, 16, 128)),
        (one("lighting", 3.4, -2.6, 300), (10, 1, 0), (13, 0, 255)),
        # grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2; half-way there
        (one("colour", 0.5), (200, 100, 50), (162, 112, 87)),
        # one pixel is its own mean: grey 124, so 124 + 1.5 * (value - 124)
        (one("contrast about grey", 1.5), (200, 100, 50), (238, 88, 13)),
        (one("contrast about means", 1.5, name="inception"), (200, 100, 50), (200, 100, 50)),
        # saturation 0.75: value 200 stays, the distance to it shrinks by the factor
        (one("saturation", 0.5, name="inception"), (200, 100, 50), (200, 150, 125)),
        # 0.75 * 1.5 > 1, so 1: the smallest channel becomes 0
        (one("saturation", 1.5, name="inception"), (200, 100, 50), (200, 67, 0)),
        # a third of a turn: red's part goes to green, green's to blue
        (one("hue", 1 / 3, name="ssd"), (200, 100, 50), (50, 200, 100)),
        # red stays reddish when its hue falls below zero: 36 degrees back is magenta-red
        (one("hue", -0.1, name="ssd"), (255, 0, 0), (255, 0, 153)),
        (one("hue", 0.1, name="ssd"), (255, 0, 0), (255, 153, 0)),
    ],
)
def test_pixels_worked_by_hand(distortion, before, after):
    result = apply(pixel(*before), distortion)
    assert np.abs(result.astype(int) - pixel(*after)).max() <= (0 if distortion.name != "howard" else 1)
    assert result.dtype == np.uint8


def test_saturation_and_hue_agree_with_colorsys():
    pixels = PHOTO[:4].reshape(-1, 3)
    saturated = apply(PHOTO, one("saturation", 0.7, name="ssd"))[:4].reshape(-1, 3)
    turned = apply(PHOTO, one("hue", 0.17, name="ssd"))[:4].reshape(-1, 3)
    for before, after, other in zip(pixels, saturated, turned, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        assert np.abs(np.array(colorsys.hsv_to_rgb(h, 0.7 * s, v)) - after).max() < 0.6
        assert np.abs(np.array(colorsys.hsv_to_rgb((h + 0.17) % 1, s, v)) - other).max() < 0.6


def test_lighting_adds_one_constant_per_channel_and_image():
    grey = np.full((30, 40, 3), 128, np.uint8) + PHOTO[:30, :40] // 16
    for distortion in draws("pca")[:50]:
        difference = apply(grey, distortion).astype(int) - grey
        assert np.array_equal(difference, np.broadcast_to(difference[0, 0], difference.shape))
        assert np.abs(difference[0, 0] - distortion.changes[0].amount).max() <= 0.5


def test_lighting_has_the_deviations_of_the_principal_colours():
    amounts = np.array([distortion.changes[0].amount for distortion in draws("pca")])
    # by hand: 0.1 * 255 * sqrt(sum of (component * deviation)^2) for red, green, blue
    expected = [3.1667, 3.2226, 3.2542]
    assert np.allclose(amounts.std(axis=0), expected, rtol=0.05)
    assert np.abs(amounts.mean(axis=0)).max() < 4 * 3.3 / np.sqrt(DRAWS)
    assert np.corrcoef(amounts.T).min() > 0.9  # the first principal colour is brightness: channels move together
    for distortion in draws("howard")[:100]:
        assert distortion.changes[-1].what == "lighting"


def test_order_changes_the_result():
    first, second = Change("brightness factor", (1.5,)), Change("contrast about grey", (0.5,))
    results = [apply(PHOTO, Distortion("howard", order)) for order in ((first, second), (second, first))]
    assert np.abs(results[0].astype(int) - results[1]).max() > 5


def test_howard_draws_every_order_equally_and_factors_evenly():
    drawn = draws("howard")
    orders = {}
    for distortion in drawn:
        names = tuple(change.what for change in distortion.changes)
        orders[names] = orders.get(names, 0) + 1
    assert len(orders) == 6
    assert stats.chisquare(list(orders.values())).pvalue > 0.01
    for what in ("contrast about grey", "brightness factor", "colour"):
        factors = [change.amount[0] for d in drawn for change in d.changes if change.what == what]
        assert stats.kstest(factors, stats.uniform(0.5, 1).cdf).pvalue > 0.01


def test_inception_has_four_orders_and_clips_once():
    orders = [tuple(change.what[0] for change in d.changes) for d in draws("inception")]
    counts = [orders.count(tuple(order)) for order in ("bshc", "sbch", "chbs", "hscb")]
    assert sum(counts) == DRAWS
    assert stats.chisquare(counts).pvalue > 0.01
    up, down = Change("brightness", (32.0,)), Change("brightness", (-32.0,))
    assert np.array_equal(apply(PHOTO, Distortion("inception", (up, down))), PHOTO)
    assert apply(PHOTO, Distortion("ssd", (up, down))).max() == 255 - 32


def test_ssd_does_each_with_probability_one_half():
    drawn = [[change.what for change in distortion.changes] for distortion in draws("ssd")]
    for what in ("brightness", "contrast about black", "saturation", "hue"):
        count = sum(what in names for names in drawn)
        assert stats.binomtest(count, DRAWS, 0.5).pvalue > 0.01
    both = [names for names in drawn if "contrast about black" in names and "hue" in names]
    first = sum(names.index("contrast about black") < names.index("hue") for names in both)
    assert stats.binomtest(first, len(both), 0.5).pvalue > 0.01
    ranks = {"brightness": 0, "saturation": 1, "hue": 2}
    for names in drawn:
        order = [ranks[name] for name in names if name in ranks]
        assert all(a < b for a, b in pairwise(order))


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_function_of_the_generator_alone(name):
    first, second = (sample(name, generator(3, "photometric", 1, 7)) for _ in range(2))
    assert first == second
    assert np.array_equal(apply(PHOTO, first), apply(PHOTO, second))
    assert apply(PHOTO, first).shape == PHOTO.shape
    assert (name == "none") == (first.describe() == "unchanged")


def test_description():
    change = (Change("brightness factor", (0.8,)), Change("lighting", (3.14, -2, 0)))
    assert Distortion("howard", change).describe() == "brightness factor x0.80, lighting +3.1 -2.0 +0.0"
    assert one("hue", -0.1, name="ssd").describe() == "hue -0.10 turns"
