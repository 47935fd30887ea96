"""Section 6's sampling: laws of area, aspect, offset, interpolation; and the four ways to resize."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from googlenet.images.crops import INTERPOLATIONS, SCHEMES, Crop, Sampling, apply, resize, sample
from googlenet.randomness import generator

SHAPES = {"1:1": (375, 375), "4:3": (500, 375), "16:9": (640, 360), "3:1": (600, 200)}
DRAWS = 20_000
CRITICAL = 1.628 / np.sqrt(DRAWS)  # Kolmogorov-Smirnov at the 1 % level


def draw(scheme: str, width: int, height: int, count: int = DRAWS, seed: int = 0) -> list[Crop]:
    random = generator(seed, "test", 0, width)
    return [sample(width, height, SCHEMES[scheme], random) for _ in range(count)]


def areas(crops: list[Crop], width: int, height: int) -> np.ndarray:
    return np.array([crop.width * crop.height for crop in crops]) / (width * height)


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_are_distributed_evenly(shape):
    width, height = SHAPES[shape]
    drawn = areas(draw("paper", width, height), width, height)
    assert stats.kstest(drawn, stats.uniform(0.08, 0.92).cdf).statistic < CRITICAL


@pytest.mark.parametrize(
    ("shape", "mean", "above"),  # 400,000 draws of the usual form by another implementation
    [("1:1", (0.47, 0.49), (0.14, 0.16)), ("4:3", (0.425, 0.445), (0.085, 0.105)), ("16:9", (0.33, 0.345), (0, 0))],
)
def test_the_usual_rejection_skews_areas(shape, mean, above):
    width, height = SHAPES[shape]
    drawn = areas(draw("rejecting", width, height), width, height)
    assert mean[0] < drawn.mean() < mean[1]
    assert above[0] <= (drawn > 0.75).mean() <= above[1]
    assert stats.kstest(drawn, stats.uniform(0.08, 0.92).cdf).statistic > 5 * CRITICAL


@pytest.mark.parametrize("scheme", ["paper", "rejecting", "smaller", "larger"])
@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 3000), height=st.integers(1, 3000), seed=st.integers(0, 1000))
def test_patch_lies_inside_and_bends_its_aspect_only_where_it_must(scheme, width, height, seed):
    sampling = SCHEMES[scheme]
    crop = sample(width, height, sampling, generator(seed, "test"))
    assert 0 <= crop.x0 <= crop.x0 + crop.width <= width
    assert 0 <= crop.y0 <= crop.y0 + crop.height <= height
    assert crop.width >= 1
    assert crop.height >= 1
    aspects = (crop.width - 1) / (crop.height + 1), (crop.width + 1) / max(crop.height - 1, 1e-9)  # with its rounding
    in_range = aspects[0] <= 4 / 3 and aspects[1] >= 3 / 4
    if not in_range:  # then the patch fills the image's short side
        assert scheme != "rejecting" or min(crop.width, crop.height) == 1
        assert crop.height == height or crop.width == width


def test_wide_and_tall_are_equally_likely():
    aspects = np.array([crop.width / crop.height for crop in draw("paper", 1000, 1000)])
    assert abs((aspects > 1).mean() - 0.5) < 0.012
    low = [crop for crop in draw("paper", 1000, 1000) if crop.width * crop.height < 0.5e6]  # where every aspect fits
    logs = np.log([crop.width / crop.height for crop in low])
    uniform = stats.uniform(np.log(3 / 4), np.log(4 / 3) - np.log(3 / 4))
    assert stats.kstest(logs, uniform.cdf).statistic < 1.628 / np.sqrt(len(low))


def test_a_tall_image_is_the_transpose_of_a_wide_one():
    wide = np.array([crop.width / crop.height for crop in draw("paper", 600, 200)])
    tall = np.array([crop.height / crop.width for crop in draw("paper", 200, 600, seed=1)])
    assert stats.ks_2samp(wide, tall).pvalue > 0.01


def test_both_extreme_offsets_occur():
    crops = draw("paper", 40, 30, 5000)
    assert {crop.x0 for crop in crops if crop.width == 30} == set(range(11))
    assert {crop.y0 for crop in crops if crop.height == 20} == set(range(11))


def test_interpolations_and_mirror_are_equally_likely_and_independent():
    crops = draw("paper", 500, 375)
    table = Counter((crop.interpolation, crop.mirror) for crop in crops)
    assert len(table) == 8
    assert stats.chisquare(list(table.values())).pvalue > 0.01
    assert {crop.interpolation for crop in crops} == set(INTERPOLATIONS)


def test_schemes_for_ensemble_members():
    smaller, larger = (areas(draw(name, 500, 375), 500, 375) for name in ("smaller", "larger"))
    assert stats.kstest(smaller, stats.uniform(0.08, 0.42).cdf).statistic < CRITICAL
    assert stats.kstest(larger, stats.uniform(0.4, 0.6).cdf).statistic < CRITICAL


def test_shift_moves_the_whole_image_and_reflects_it_at_the_border():
    crops = draw("shift", 32, 32, 3000)
    assert {crop.x0 for crop in crops} == {crop.y0 for crop in crops} == set(range(-4, 5))
    row = np.arange(8, dtype=np.uint8)
    image = np.repeat(np.tile(row, (8, 1))[..., None], 3, axis=2)
    moved = apply(image, Crop(-1, 0, 8, 8, False, "bilinear"), (8, 8))
    assert moved[0, :, 0].tolist() == [1, 0, 1, 2, 3, 4, 5, 6]
    moved = apply(image, Crop(1, 0, 8, 8, True, "bilinear"), (8, 8))
    assert moved[0, :, 0].tolist() == [6, 7, 6, 5, 4, 3, 2, 1]


def test_none_is_the_identity_at_its_own_size():
    image = generator(0, "test").integers(0, 256, (20, 30, 3), np.uint8)
    crop = sample(30, 20, SCHEMES["none"], generator(1, "test"))
    assert np.array_equal(apply(image, crop, (20, 30)), image)
    assert crop == Crop(0, 0, 30, 20, False, "bilinear")


def test_a_function_of_the_generator_alone():
    first, second = draw("paper", 500, 375, 50), draw("paper", 500, 375, 50)
    assert first == second
    assert replace(Sampling(), mirror=False).mirror is False


def test_the_others_against_another_engine():
    patch = generator(0, "test").integers(0, 256, (60, 80, 3), np.uint8)
    image = Image.fromarray(patch)
    nearest = np.asarray(image.resize((224, 224), Image.Resampling.NEAREST))
    assert np.array_equal(resize(patch, (224, 224), "nearest"), nearest)
    # enlarging needs no antialiasing, so that Pillow's bilinear is the same function
    bilinear = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize(patch, (224, 224), "bilinear") - bilinear).max() <= 2


def test_cubic_is_clipped():
    edge = np.zeros((4, 8, 3), np.uint8)
    edge[:, 4:] = 255
    row = resize(edge, (4, 80), "cubic")[0, :, 0].astype(int)
    assert row[30:40].max() < 128  # an overshoot that wrapped would be near 255 here
    assert row[40:50].min() > 127
    assert (row.min(), row.max()) == (0, 255)


def test_mirror_reverses_the_columns():
    image = generator(0, "test").integers(0, 256, (30, 40, 3), np.uint8)
    for interpolation in INTERPOLATIONS:
        crop = Crop(5, 6, 20, 15, False, interpolation)
        plain, mirrored = apply(image, crop, (10, 12)), apply(image, replace(crop, mirror=True), (10, 12))
        assert np.array_equal(mirrored, plain[:, ::-1])
        assert plain.dtype == np.uint8
        assert plain.shape == (10, 12, 3)


def test_description_says_what_was_taken():
    assert Crop(0, 0, 250, 300, True, "area").describe(500, 300) == "50% of the area, aspect 0.83, area, mirrored"
