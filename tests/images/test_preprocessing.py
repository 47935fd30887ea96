"""Preprocessing: against pixels from OpenCV's and Pillow's own calls, and against cases worked by hand."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.images.preprocessing import normalise, prepare, resize, resized_size
from googlenet.network.specification import Pixels, Resize

REFERENCES = {
    "bvlc_squash256": Resize("squash", 256, "bilinear", antialias=False),
    "bvlc_short256": Resize("short-side", 256, "bilinear", antialias=False),
    "google_square224": Resize("centre-square", 224, "bilinear", antialias=True),
    "google_short256": Resize("short-side", 256, "bilinear", antialias=True),
}


def scene(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [128 + 110 * np.sin(x / 5 + phase) * np.cos(y / (3 + phase)) for phase in (0, 1, 2)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


def test_crops_of_a_hundred_photographs_digit_for_digit(shared: Path) -> None:
    folder = shared / "data/imagenet-val-100"
    rows = list(csv.DictReader((folder / "reference_pixels.tsv").read_text().splitlines(), delimiter="\t"))
    assert len(rows) == 100
    for row in rows:
        image = decode(folder / row["file"])
        for name, how in REFERENCES.items():
            crop = prepare(image, Pixels(resize=how), (224, 224))
            assert hashlib.sha256(crop.tobytes()).hexdigest()[:16] == row[name], (row["file"], name)


# ------------------------------------------------------------------------------------------------------------ geometry


def test_sizes_worked_by_hand() -> None:
    short = Resize("short-side", 256)
    assert resized_size((375, 500), short) == (256, 341)  # 341.33
    assert resized_size((500, 375), short) == (341, 256)
    assert resized_size((333, 500), short) == (256, 384)  # 384.38
    assert resized_size((512, 513), short) == (256, 257)  # 256.5, a half goes up
    assert resized_size((512, 515), short) == (256, 258)  # 257.5, also where the half is below an even number
    assert resized_size((1, 1), short) == (256, 256)
    assert resized_size((7, 900), Resize("squash", 256)) == (256, 256)
    assert resized_size((7, 900), Resize("centre-square", 224)) == (224, 224)


def test_the_crop_is_the_floored_centre() -> None:
    # resizing to the size that the picture has changes nothing, so the crop alone is seen; (9 - 4) // 2 is 2
    image = scene(9, 9)
    for geometry in ("squash", "short-side", "centre-square"):
        for antialias in (True, False):
            pixels = Pixels(resize=Resize(geometry, 9, "bilinear", antialias))
            crop = prepare(image, pixels, (4, 5))
            assert crop.flags.c_contiguous
            np.testing.assert_array_equal(crop, image[2:6, 2:7])


def test_each_geometry_takes_its_part() -> None:
    # three colour fields side by side, 30 wide, and what of them is left in the middle
    image = np.repeat(np.repeat(np.array([[10, 20, 30]], np.uint8), 10, axis=0), 10, axis=1)[:, :, None].repeat(
        3, axis=2
    )

    def seen(geometry: str) -> list[int]:
        crop = prepare(image, Pixels(resize=Resize(geometry, 12, "nearest", antialias=False)), (12, 12))
        return sorted(set(crop.ravel().tolist()))

    assert seen("squash") == [10, 20, 30]
    assert seen("centre-square") == [20]
    assert seen("short-side") == [20]


def test_one_pixel_grows() -> None:
    image = np.array([[[200, 30, 90]]], np.uint8)
    for how in REFERENCES.values():
        crop = prepare(image, Pixels(resize=how), (224, 224))
        assert crop.shape == (224, 224, 3)
        assert (crop == image).all()


def test_a_crop_that_does_not_fit_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"299 x 299 does not fit .* 256 x 341; resize to 299 or more"):
        prepare(scene(375, 500), Pixels(), (299, 299))


# ------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize("filter_", ["nearest", "bilinear", "bicubic", "area", "lanczos"])
def test_filters_are_those_of_opencv_and_pillow(filter_: str) -> None:
    image = scene(60, 90)
    code = {"nearest": 0, "bilinear": 1, "bicubic": 2, "area": 3, "lanczos": 4}[filter_]  # cv2's published numbers
    plain = cv2.resize(image, (40, 20), interpolation=code)
    np.testing.assert_array_equal(resize(image, (20, 40), Resize(filter=filter_, antialias=False)), plain)
    number = {"nearest": 0, "bilinear": 2, "bicubic": 3, "area": 4, "lanczos": 1}[filter_]  # Pillow's
    smooth = np.asarray(Image.fromarray(image).resize((40, 20), number))
    np.testing.assert_array_equal(resize(image, (20, 40), Resize(filter=filter_, antialias=True)), smooth)


def test_antialiasing_averages_what_the_nearest_pixels_miss() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::8] = 255  # an eighth is white; the centre of each output pixel lies between two black columns
    assert np.abs(resize(stripes, (8, 8), Resize(antialias=True))[:, 1:-1].astype(float) - 255 / 8).max() < 1
    assert (resize(stripes, (8, 8), Resize(antialias=False)) == 0).all()


# ---------------------------------------------------------------------------------------------- long and thin pictures


def plainly(image: np.ndarray, short: int, crop: int, antialias: bool) -> np.ndarray:
    """The whole picture resized by its short side with the libraries' own calls, then the centre."""
    scale = short / min(image.shape[:2])
    height, width = (int(side * scale + 0.5) for side in image.shape[:2])
    if antialias:
        whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    else:
        whole = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = (height - crop) // 2, (width - crop) // 2
    return whole[top : top + crop, left : left + crop]


@given(st.integers(1, 40), st.floats(1, 16), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_moderate_ratios_are_the_plain_way(short: int, ratio: float, tall: bool, antialias: bool) -> None:
    image = scene(short, int(short * ratio))
    image = np.ascontiguousarray(image.transpose(1, 0, 2)) if tall else image
    crop = prepare(image, Pixels(resize=Resize("short-side", 64, "bilinear", antialias)), (56, 56))
    np.testing.assert_array_equal(crop, plainly(image, 64, 56, antialias))


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("shape", [(20, 3000), (3000, 20)])
def test_a_ratio_of_150_gives_the_plain_pixels(shape: tuple[int, int], antialias: bool) -> None:
    image = scene(*shape)
    crop = prepare(image, Pixels(resize=Resize("short-side", 256, "bilinear", antialias)), (224, 224))
    np.testing.assert_array_equal(crop, plainly(image, 256, 224, antialias))


@given(st.integers(1, 40), st.floats(16, 80), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_longer_ratios_move_nothing_by_more_than_half_a_pixel(
    short: int, ratio: float, tall: bool, antialias: bool
) -> None:
    # a ramp of 2 levels a pixel of the resized picture, in the middle of the long side
    long = int(short * ratio)
    levels = np.clip(128 + 2 * (np.arange(long) + 0.5 - long / 2) * 64 / short, 0, 255).round().astype(np.uint8)
    image = np.broadcast_to(levels[None, :, None], (short, long, 3))
    image = np.ascontiguousarray(image.transpose(1, 0, 2) if tall else image)
    crop = prepare(image, Pixels(resize=Resize("short-side", 64, "bilinear", antialias)), (56, 56))
    plain = plainly(image, 64, 56, antialias)
    assert np.abs(crop.astype(int) - plain).max() <= 2


def test_a_single_row_of_pixels_is_bounded() -> None:
    # resized whole it would be 256 x 256,000,000 pixels
    image = np.full((1, 1_000_000, 3), 77, np.uint8)
    for antialias in (True, False):
        crop = prepare(image, Pixels(resize=Resize("short-side", 256, "bilinear", antialias)), (224, 224))
        assert crop.shape == (224, 224, 3)
        assert (crop == 77).all()


# ----------------------------------------------------------------------------------------------------------- normalise


def test_caffes_input_worked_by_hand() -> None:
    crops = np.array([[[[123, 117, 104], [255, 0, 10]]]], np.uint8)
    tensor = normalise(crops, Pixels(order="BGR", mean=(104, 117, 123)))
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert tensor.tolist() == [[[[0, 10 - 104]], [[0, 0 - 117]], [[0, 255 - 123]]]]


def test_googles_and_torchvisions_inputs_worked_by_hand() -> None:
    crops = np.array([[[[0, 255, 51]]]], np.uint8)
    google = normalise(crops, Pixels(mean=(117, 117, 117)))
    assert google.ravel().tolist() == [-117, 138, -66]
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    unit = normalise(crops, Pixels(white=1.0, mean=means, scale=deviations))
    assert unit.ravel().tolist() == pytest.approx([-0.485 / 0.229, (1 - 0.456) / 0.224, (0.2 - 0.406) / 0.225])


def test_tensors_and_read_only_arrays_are_taken(recwarn: pytest.WarningsRecorder) -> None:
    crops = scene(8, 10)[None].repeat(3, axis=0)
    expected = normalise(crops, Pixels())
    assert expected.shape == (3, 3, 8, 10)
    crops.setflags(write=False)
    assert torch.equal(normalise(crops, Pixels()), expected)
    assert torch.equal(normalise(torch.tensor(crops), Pixels()), expected)
    swapped = normalise(crops, replace(Pixels(), order="BGR", mean=(104.0, 117.0, 123.0)))
    assert torch.equal(swapped, expected.flip(1))
    assert len(recwarn) == 0
