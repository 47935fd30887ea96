"""R-CNN's crop: where the box comes to lie, what is outside, mirror images, and plain resizes for comparison."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.boxes import as_boxes
from googlenet.detection.regions.crop import CONTEXT, cut, outside
from googlenet.network.specification import Pixels
from googlenet.training.execution import Execution
from googlenet.weights.creation import create

SIZE = (224, 224)

BOXES = {
    "inside": (40, 30, 100, 90),
    "over the left border": (-20, 30, 60, 80),
    "over the upper border": (50, -30, 110, 40),
    "over the right border": (120, 20, 180, 80),
    "over the lower border": (30, 80, 90, 150),
    "larger than the picture": (-50, -40, 210, 170),
    "one pixel": (70, 50, 71, 51),
}
"""In a picture of 160 x 120."""


def marked(box):
    """A black picture of 160 x 120 whose box is white."""
    picture = np.zeros((120, 160, 3), np.uint8)
    x0, y0, x1, y1 = (max(0, value) for value in box)
    picture[y0:y1, x0:x1] = 255
    return picture


def noise(width=160, height=120, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def one(picture, box, **options):
    (pixels,), (inside,) = cut(picture, as_boxes([box]), options.pop("size", SIZE), **options)
    return pixels, inside.tolist()


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_the_box_lies_in_columns_16_to_207(box):
    pixels, (x0, y0, x1, y1) = one(marked(box), box)
    shown = pixels[y0:y1, x0:x1, 0] >= 128
    rows, columns = np.flatnonzero(shown.any(1)) + y0, np.flatnonzero(shown.any(0)) + x0
    for (first, last), low, high in (((columns[0], columns[-1]), x0, x1), ((rows[0], rows[-1]), y0, y1)):
        assert abs(first - max(16, low)) <= 1
        assert abs(last - min(207, high - 1)) <= 1


def test_what_is_outside_is_counted_from_the_geometry():
    """A box of 96 x 96 at the left upper corner: a step of half a pixel, 16 columns and rows of nothing."""
    _, inside = one(noise(), (0, 0, 96, 96))
    assert inside == [16, 16, 224, 224]
    _, inside = one(noise(), (64, 24, 160, 120))
    assert inside == [0, 0, 208, 208]
    _, inside = one(noise(), (-200, 0, -100, 96))
    assert inside == [0, 0, 0, 0]


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_outside_is_exactly_0_once_it_is_normalised(box):
    pixels, inside = cut(np.full((120, 160, 3), 255, np.uint8), as_boxes([box]), (64, 64))
    mask = outside(inside, (64, 64))
    network = create("googlenet-tiny", classes=2, size=(64, 64))
    x = Execution().prepare(network, torch.from_numpy(pixels), torch.from_numpy(mask))
    empty = torch.from_numpy(mask)[:, None].expand_as(x)
    assert (x[empty] == 0).all()
    assert (x[~empty] > 0).all()
    assert mask.any() == (inside.tolist() != [[0, 0, 64, 64]])


def test_the_predictor_is_given_the_same_input():
    from googlenet.inference.predictor import Predictor

    network = create("googlenet-tiny", classes=3)
    size = network.specification.input[1:]
    pixels, inside = cut(noise(), as_boxes(list(BOXES.values())), size)
    mask = outside(inside, size)
    predictor = Predictor(network, Pixels(), "cpu", engine="torch")
    seen = predictor.features(pixels, ["input"], mask)["input"]
    trained = Execution().prepare(network, torch.from_numpy(pixels), torch.from_numpy(mask))
    torch.testing.assert_close(seen, trained, rtol=0, atol=0)


def test_a_whole_picture_without_context_is_a_plain_resize():
    picture = noise(160, 120)
    pixels, inside = one(picture, (0, 0, 160, 120), context=0.0)
    assert inside == [0, 0, 224, 224]
    plain = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert np.abs(pixels.astype(int) - plain).max() <= 2


def test_a_large_box_is_averaged_and_not_aliased():
    """Stripes of one pixel that plain interpolation would show as a pattern are grey."""
    picture = np.zeros((900, 1200, 3), np.uint8)
    picture[:, ::2] = 255
    pixels, inside = one(picture, (0, 0, 1200, 900), context=0.0)
    assert inside == [0, 0, 224, 224]
    assert np.abs(pixels.astype(int) - 127.5).max() <= 30


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_a_mirrored_picture_gives_the_mirrored_crop(box):
    picture = noise()
    straight, inside = one(picture, box)
    mirrored, its_inside = one(picture[:, ::-1], (160 - box[2], box[1], 160 - box[0], box[3]))
    assert its_inside == [224 - inside[2], inside[1], 224 - inside[0], inside[3]]
    difference = np.abs(mirrored[:, ::-1].astype(int) - straight)
    assert difference.max() <= 4  # OpenCV counts 32 places between two pixels, from the left
    assert (difference > 1).mean() < 0.01


def test_mirror_reverses_pixels_and_what_is_inside():
    picture, box = noise(), BOXES["over the right border"]
    straight, (x0, y0, x1, y1) = one(picture, box)
    mirrored, inside = one(picture, box, mirror=True)
    assert (mirrored == straight[:, ::-1]).all()
    assert inside == [224 - x1, y0, 224 - x0, y1]
    assert one(picture, (-200, 0, -100, 96), mirror=True)[1] == [0, 0, 0, 0]


def test_a_crop_is_the_same_alone_and_among_others():
    picture, boxes = noise(), as_boxes(list(BOXES.values()))
    together = cut(picture, boxes, (64, 48))
    for number in range(len(boxes)):
        alone = cut(picture, boxes[number : number + 1], (64, 48))
        assert (alone.pixels[0] == together.pixels[number]).all()
        assert (alone.inside[0] == together.inside[number]).all()


def test_both_axes_are_stretched_by_themselves():
    """A box of 20 x 80 of a gradient along x fills the input of 56 x 112 from its 4th to its 52nd column."""
    picture = np.repeat(np.arange(160, dtype=np.uint8)[None, :, None], 120, 0).repeat(3, 2)
    pixels, inside = one(picture, (60, 20, 80, 100), size=(112, 56))
    assert inside == [0, 0, 56, 112]
    step = 20 / (1 - 2 * CONTEXT) / 56
    expected = 70 + (np.arange(56) + 0.5 - 28) * step - 0.5
    assert np.abs(pixels[:, :, 0] - expected).max() <= 1


@settings(deadline=None, max_examples=60)
@given(
    box=st.tuples(*[st.floats(-300, 300) for _ in range(4)]),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
)
def test_any_box_of_any_picture_can_be_cut(box, width, height):
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    picture = np.full((height, width, 3), 7, np.uint8)
    pixels, inside = one(picture, (x0, y0, max(x1, x0 + 0.01), max(y1, y0 + 0.01)), size=(32, 32))
    left, upper, right, lower = inside
    assert 0 <= left <= right <= 32
    assert 0 <= upper <= lower <= 32
    assert (pixels[upper:lower, left:right] == 7).all()


def test_a_very_long_picture_can_be_cut():
    picture = np.full((10, 70_000, 3), 9, np.uint8)
    pixels, inside = one(picture, (0, 0, 70_000, 10), size=(32, 32), context=0.0)
    assert (inside, pixels.min()) == ([0, 0, 32, 32], 9)
