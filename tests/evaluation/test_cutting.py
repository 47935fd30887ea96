"""Cutting: against Pillow's and OpenCV's own calls view by view, and against the one crop of prediction."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from googlenet.errors import InputError
from googlenet.evaluation.cutting import cut
from googlenet.evaluation.protocol import PROTOCOLS, Protocol
from googlenet.images.preprocessing import prepare
from googlenet.network.specification import Pixels, Resize

ALL = tuple(PROTOCOLS.values())
SMOOTH = Pixels(resize=Resize("short-side", 256, "bilinear", antialias=True))
PLAIN = Pixels(resize=Resize("squash", 256, "bilinear", antialias=False))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_pillow(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)


def by_opencv(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_LINEAR))


def one_by_one(
    image: np.ndarray, scales: tuple[int, ...], crop: int, resize: Callable[[Image.Image, tuple[int, int]], Image.Image]
) -> Iterator[np.ndarray]:
    """The paper's views in its order, each resized anew from the original, and cut by Pillow."""
    original = Image.fromarray(image)
    short = min(original.size)
    for scale in scales:
        size = tuple(int(side * scale / short + 0.5) for side in original.size)
        room = max(size) - scale
        for begin in (0, room // 2, room):
            x, y = (begin, 0) if original.width >= original.height else (0, begin)
            far, middle = scale - crop, (scale - crop) // 2
            for left, top in [(0, 0), (far, 0), (0, far), (far, far), (middle, middle)]:
                view = resize(original, size).crop((x + left, y + top, x + left + crop, y + top + crop))
                yield from (np.asarray(view), np.asarray(ImageOps.mirror(view)))
            view = resize(resize(original, size).crop((x, y, x + scale, y + scale)), (crop, crop))
            yield from (np.asarray(view), np.asarray(ImageOps.mirror(view)))


@pytest.mark.parametrize("shape", [(45, 60), (60, 45), (50, 50), (50, 51), (33, 16 * 33), (7, 5), (1, 1), (1, 9)])
@pytest.mark.parametrize(("pixels", "resize"), [(SMOOTH, by_pillow), (PLAIN, by_opencv)])
def test_the_paper_s_views_bit_for_bit(shape, pixels, resize):
    image = noise(*shape)
    found = cut(image, [PROTOCOLS["144"]], (32, 32), pixels)
    places = found.places["144"]
    assert places.shape == (144,)
    for place, expected in zip(places, one_by_one(image, (37, 41, 46, 50), 32, resize), strict=True):
        np.testing.assert_array_equal(found.pictures[place], expected)


def test_a_photograph_s_size_bit_for_bit():
    image = noise(90, 120)
    protocol = Protocol("few", (256,), ("start", "middle", "end"), PROTOCOLS["144"].positions, mirror=True)
    found = cut(image, [protocol], (224, 224), SMOOTH)
    for place, expected in zip(found.places["few"], one_by_one(image, (256,), 224, by_pillow), strict=True):
        np.testing.assert_array_equal(found.pictures[place], expected)


def test_a_view_and_its_mirror_image_lie_beside_each_other_whoever_asked():
    found = cut(noise(40, 60), [PROTOCOLS["1"], PROTOCOLS["10"]], (32, 32), replace(SMOOTH, resize=Resize(size=40)))
    pictures = found.pictures
    assert pictures.shape == (10, 32, 32, 3)
    assert pictures.flags.c_contiguous
    np.testing.assert_array_equal(pictures[1::2], pictures[::2, :, ::-1])
    assert found.places["1"].tolist() == [0]
    assert found.places["10"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_images_of_one_shape_share_the_geometry_and_nothing_else():
    paper = PROTOCOLS["144"]
    dark, light = np.zeros((45, 60, 3), np.uint8), np.full((45, 60, 3), 255, np.uint8)
    first, second = (cut(image, [paper], (32, 32), SMOOTH) for image in (dark, light))
    assert (first.pictures == 0).all()
    assert (second.pictures == 255).all()
    by_either_filter = [cut(noise(90, 120), [paper], (32, 32), pixels).pictures for pixels in (SMOOTH, PLAIN)]
    assert not np.array_equal(*by_either_filter)
    assert cut(dark, [paper, PROTOCOLS["10"]], (32, 32), SMOOTH).places.keys() == {"144", "10"}


def test_protocols_share_what_coincides():
    image = noise(45, 60)
    found = cut(image, ALL, (128, 128), SMOOTH)
    # 144 and 90 have the 30 crops of one scale in common; the weights' own 256 adds ten, of which one is the first's
    assert len(found.pictures) == 144 + 90 - 30 + 10
    for protocol in ALL:
        alone = cut(image, [protocol], (128, 128), SMOOTH)
        together = found.pictures[found.places[protocol.name]]
        np.testing.assert_array_equal(together, alone.pictures[alone.places[protocol.name]])
    assert len(cut(noise(30, 30), [PROTOCOLS["144"]], (32, 32), SMOOTH).pictures) == 48


def test_a_uniform_image_gives_uniform_views():
    image = np.full((31, 77, 3), (9, 200, 77), np.uint8)
    assert (cut(image, ALL, (32, 32), SMOOTH).pictures == image[0, 0]).all()


geometries = st.sampled_from(["squash", "short-side", "centre-square"])


@given(st.integers(1, 70), st.floats(1, 60), st.booleans(), geometries, st.booleans(), st.sampled_from([32, 37]))
@settings(max_examples=80, deadline=None)
def test_one_crop_is_that_of_prediction(short, ratio, tall, geometry, antialias, size):
    image = noise(int(short * ratio), short) if tall else noise(short, int(short * ratio))
    pixels = Pixels(resize=Resize(geometry, size, "bilinear", antialias))
    found = cut(image, ALL, (32, 32), pixels)
    one = found.pictures[found.places["1"]]
    np.testing.assert_array_equal(one, prepare(image, pixels, (32, 32))[None])


def test_a_crop_that_is_no_square():
    image = noise(50, 70)
    pixels = replace(SMOOTH, resize=Resize(size=48))
    found = cut(image, ALL, (24, 32), pixels)
    assert found.pictures.shape[1:] == (24, 32, 3)
    np.testing.assert_array_equal(found.pictures[found.places["1"][0]], prepare(image, pixels, (24, 32)))


def test_a_crop_that_does_not_fit_is_an_input_error():
    with pytest.raises(InputError, match=r"does not fit .*; resize to 300 or more"):
        cut(noise(20, 20), [PROTOCOLS["1"]], (300, 300), SMOOTH)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("tall", [True, False])
def test_a_line_of_a_million_pixels_is_bounded(tall, antialias):
    # resized whole it would be 50 x 50,000,000 pixels
    line = np.repeat(np.array([[10, 20, 30]], np.uint8), 333_334, axis=1)[:, :, None].repeat(3, axis=2)
    image = np.ascontiguousarray(line.transpose(1, 0, 2)) if tall else line
    tracemalloc.start()
    found = cut(image, [PROTOCOLS["144"]], (32, 32), Pixels(resize=Resize("short-side", 37, "bilinear", antialias)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert len(found.pictures) == 144
    squares = found.pictures[found.places["144"]].reshape(4, 3, 12, -1)
    assert (squares == np.array([10, 20, 30])[None, :, None, None]).all()


@given(st.integers(1, 12), st.floats(16, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_parts_move_nothing_by_more_than_half_a_pixel(short, ratio, antialias):
    # a ramp along the long side of 2 levels a pixel at the short side of 37, in each of the three places
    long = int(short * ratio)
    pixels = Pixels(resize=Resize("short-side", 37, "bilinear", antialias))
    for square, middle in [("start", 18.5), ("middle", long * 37 / short / 2), ("end", long * 37 / short - 18.5)]:
        levels = np.clip(128 + 2 * ((np.arange(long) + 0.5) * 37 / short - middle), 0, 255)
        image = np.broadcast_to(levels.round().astype(np.uint8)[None, :, None], (short, long, 3))
        found = cut(np.ascontiguousarray(image), [Protocol("p", (256,), (square,))], (32, 32), pixels).pictures[0]
        whole = Image.fromarray(np.ascontiguousarray(image))
        length = int(long * 37 / short + 0.5)
        at = {"start": 0, "middle": (length - 37) // 2, "end": length - 37}[square] + 2
        resize = by_pillow if antialias else by_opencv
        expected = np.asarray(resize(whole, (length, 37)).crop((at, 2, at + 32, 34)))
        assert np.abs(found.astype(int) - expected).max() <= 2
