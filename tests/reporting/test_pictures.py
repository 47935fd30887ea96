"""Pictures made fit to be shown, pixel by pixel."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from googlenet.reporting.pictures import as_image, data_uri, file_uri, fit

CHECKS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)


def test_a_small_picture_is_enlarged_by_a_whole_factor_in_squares() -> None:
    enlarged = np.asarray(fit(CHECKS, 7))
    np.testing.assert_array_equal(enlarged, CHECKS.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(
    ("shape", "size", "width", "height"),
    [((300, 400), 200, 200, 150), ((3000, 20), 200, 1, 200), ((20, 3000), 150, 150, 1), ((100, 90), 100, 90, 100)],
)
def test_no_side_is_over_the_size(shape: tuple[int, int], size: int, width: int, height: int) -> None:
    assert fit(np.zeros(shape, np.uint8), size).size == (width, height)


def test_a_large_picture_is_reduced_without_aliasing() -> None:
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    middle = np.asarray(fit(stripes, 64))[8:-8, 8:-8]
    assert np.abs(middle.astype(int) - 128).max() <= 2


@pytest.mark.parametrize("grey", [np.full((4, 5), 7, np.uint8), np.full((4, 5, 1), 7, np.uint8)])
def test_grey_becomes_three_equal_channels(grey: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(as_image(grey)), np.full((4, 5, 3), 7))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3)),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture"):
        as_image(wrong)


def read(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(";base64,")[2], validate=True)))


def test_an_address_holds_the_picture() -> None:
    small, large = data_uri(CHECKS, 8), data_uri(Image.new("RGB", (500, 250), (10, 200, 30)), 224)
    assert small.startswith("data:image/png;base64,")
    np.testing.assert_array_equal(np.asarray(read(small)), CHECKS.repeat(4, axis=0).repeat(4, axis=1))
    assert large.startswith("data:image/jpeg;base64,")
    assert read(large).size == (224, 112)
    assert np.abs(np.asarray(read(large)).astype(int) - (10, 200, 30)).max() <= 3


def test_a_file_is_taken_byte_by_byte(tmp_path) -> None:
    Image.fromarray(CHECKS).save(tmp_path / "a.png")
    content = base64.b64decode(file_uri(tmp_path / "a.png").removeprefix("data:image/png;base64,"), validate=True)
    assert content == (tmp_path / "a.png").read_bytes()
