"""Views: the paper's 144 rectangles worked by hand, and what must hold of every image."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.evaluation.protocol import PROTOCOLS, Protocol
from googlenet.evaluation.views import Box, View, distinct, views
from googlenet.network.specification import Pixels, Resize

SQUASH = Pixels(resize=Resize("squash", 256))
SHORT = Pixels(resize=Resize("short-side", 256))
SQUARE = Pixels(resize=Resize("centre-square", 224))

# scale: (long side of 500 x 375 resized, where the three squares begin, the far corner's margin, the centre's)
BY_HAND = {
    256: (341, (0, 42, 85), 32, 16),  # 341.33; 85 / 2 = 42.5
    288: (384, (0, 48, 96), 64, 32),  # 384.00
    320: (427, (0, 53, 107), 96, 48),  # 426.67; 107 / 2 = 53.5
    352: (469, (0, 58, 117), 128, 64),  # 469.33; 117 / 2 = 58.5
}


def rectangles_by_hand() -> list[tuple[int, Box]]:
    """The 72 boxes of the landscape image that are not mirrored, with their scales."""
    found = []
    for scale, (_, begins, far, middle) in BY_HAND.items():
        for x in begins:
            found += [
                (scale, (x, 0, x + 224, 224)),
                (scale, (x + far, 0, x + far + 224, 224)),
                (scale, (x, far, x + 224, far + 224)),
                (scale, (x + far, far, x + far + 224, far + 224)),
                (scale, (x + middle, middle, x + middle + 224, middle + 224)),
                (scale, (x, 0, x + scale, scale)),
            ]
    return found


def paper(height: int, width: int) -> tuple[View, ...]:
    return views((height, width), PROTOCOLS["144"], (224, 224), SHORT)


def turned(view: View) -> View:
    """The same view of the image with rows for columns."""

    def swapped(box: Box) -> Box:
        return box[1], box[0], box[3], box[2]

    return replace(view, part=swapped(view.part), size=view.size[::-1], box=swapped(view.box))


def test_the_landscape_image_by_hand():
    found = paper(375, 500)
    assert len(found) == len(set(found)) == 144
    assert [(view.scale, view.box) for view in found[::2]] == rectangles_by_hand()
    assert {view.part for view in found} == {(0, 0, 500, 375)}
    assert [view.size for view in found] == [(BY_HAND[s][0], s) for s in BY_HAND for _ in range(36)]
    assert [view.resized for view in found] == 12 * [*10 * [False], True, True]
    # some of them digit for digit
    assert (256, (42, 0, 266, 224)) in rectangles_by_hand()
    assert found[10].box == (0, 0, 256, 256)
    assert found[142].box == (117, 0, 469, 352)
    assert found[138].box == (117 + 128, 128, 469, 352)


def test_the_portrait_image_is_the_landscape_turned():
    assert Counter(paper(500, 375)) == Counter(map(turned, paper(375, 500)))


def test_the_square_image_by_hand():
    found = paper(400, 400)
    assert len(found) == 144
    assert set(Counter(found).values()) == {3}
    assert len(distinct(found)) == 48
    landscape = rectangles_by_hand()
    first_squares = [landscape[begin + i] for begin in (0, 18, 36, 54) for i in range(6)]  # all three begin at 0
    assert [(view.scale, view.box) for view in distinct(found)[::2]] == first_squares
    assert {view.size for view in found} == {(s, s) for s in BY_HAND}


def test_each_is_followed_by_its_mirror_image():
    for name in ("10", "144", "howard-90"):
        found = views((300, 211), PROTOCOLS[name], (224, 224), SHORT)
        assert [view.mirror for view in found] == [False, True] * (len(found) // 2)
        assert [replace(view, mirror=True) for view in found[::2]] == list(found[1::2])


def test_one_crop_is_the_floored_centre_of_the_weights_own_resize():
    def only(pixels: Pixels) -> View:
        (view,) = views((375, 500), PROTOCOLS["1"], (224, 224), pixels)
        return view

    assert only(SQUASH) == View((0, 0, 500, 375), (256, 256), (16, 16, 240, 240))
    assert only(SHORT) == View((0, 0, 500, 375), (341, 256), (58, 16, 282, 240))  # 117 / 2 = 58.5
    assert only(SQUARE) == View((62, 0, 437, 375), (224, 224), (0, 0, 224, 224))  # 125 / 2 = 62.5


def test_ten_crops_are_those_of_the_whole_resized_picture():
    def boxes(pixels: Pixels) -> list[Box]:
        return [view.box for view in views((375, 500), PROTOCOLS["10"], (224, 224), pixels)[::2]]

    far = 256 - 224
    assert boxes(SQUASH) == [
        (0, 0, 224, 224),
        (far, 0, 256, 224),
        (0, far, 224, 256),
        (far, far, 256, 256),
        (16, 16, 240, 240),
    ]
    assert boxes(SHORT) == [
        (0, 0, 224, 224),
        (117, 0, 341, 224),
        (0, far, 224, 256),
        (117, far, 341, 256),
        (58, 16, 282, 240),
    ]
    ten = views((375, 500), PROTOCOLS["10"], (224, 224), SQUARE)  # no margin to cut corners from
    assert len(ten) == 10
    assert len(distinct(ten)) == 2


def test_howards_ninety():
    found = views((375, 500), PROTOCOLS["howard-90"], (224, 224), SHORT)
    assert len(set(found)) == 90
    assert Counter(view.scale for view in found) == {228: 30, 256: 30, 284: 30}
    assert not any(view.resized for view in found)
    assert {view.box for view in found if view.scale == 256} <= {view.box for view in paper(375, 500)}


def test_a_small_network_takes_small_views():
    found = views((32, 32), PROTOCOLS["144"], (32, 32), SHORT)
    assert len(distinct(found)) == 48
    assert sorted({view.scale for view in found}) == [37, 41, 46, 50]
    assert {(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (view.box for view in found if not view.resized)} == {(32, 32)}


def test_whole_squares_and_the_whole_picture_at_scales_of_ones_own():
    squares = Protocol("squares", (128,), ("start", "end"), ("whole",))
    assert views((100, 300), squares, (224, 224), SQUASH) == (
        View((0, 0, 300, 100), (384, 128), (0, 0, 128, 128), resized=True),
        View((0, 0, 300, 100), (384, 128), (256, 0, 384, 128), resized=True),
    )
    whole = Protocol("whole", (250,), positions=("bottom-right",))
    assert views((100, 300), whole, (224, 224), SQUASH) == (View((0, 0, 300, 100), (750, 250), (526, 26, 750, 250)),)


def test_what_is_longer_than_sixteen_short_sides_is_taken_in_parts():
    found = views((10, 1001), PROTOCOLS["144"], (224, 224), SHORT)
    assert len(found) == len(set(found)) == 144
    # 16 x 10, and a pixel more since 1001 is odd; (1001 - 161) / 2 = 420
    assert {view.part for view in found} == {(0, 0, 161, 10), (420, 0, 581, 10), (840, 0, 1001, 10)}
    # 16.1 times the short side: 4121.6, 4636.8, 5152 and 5667.2
    assert {view.size for view in found} == {(4122, 256), (4637, 288), (5152, 320), (5667, 352)}
    assert {view.box[0] for view in found if view.scale == 256 and view.resized} == {0, 1933, 3866}
    ten = views((10, 1001), PROTOCOLS["10"], (224, 224), SHORT)[::2]
    assert [view.part[0] for view in ten] == [0, 840, 0, 840, 420]
    assert [view.box[0] for view in ten] == [0, 3898, 0, 3898, 1949]


def test_a_crop_that_does_not_fit_is_an_input_error():
    with pytest.raises(InputError, match=r"299 x 299 does not fit .* 256 x 341; resize to 299 or more"):
        views((375, 500), PROTOCOLS["1"], (299, 299), SHORT)
    assert len(views((375, 500), PROTOCOLS["144"], (299, 299), SHORT)) == 144  # these bring scales of their own


protocols = st.sampled_from([*PROTOCOLS.values(), Protocol("own", (224, 500), ("end", "middle"), ("whole", "centre"))])
pixels = st.sampled_from([SQUASH, SHORT, SQUARE])
sides = st.one_of(st.integers(1, 700), st.integers(1, 10**8))


@given(sides, sides, protocols, pixels)
@settings(max_examples=200, deadline=None)
def test_every_view_lies_in_a_picture_of_bounded_size(height: int, width: int, protocol: Protocol, pixels: Pixels):
    found = views((height, width), protocol, (224, 224), pixels)
    assert len(found) == protocol.views
    for view in found:
        x0, y0, x1, y1 = view.part
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        x0, y0, x1, y1 = view.box
        assert 0 <= x0 < x1 <= view.size[0]
        assert 0 <= y0 < y1 <= view.size[1]
        assert (x1 - x0, y1 - y0) == ((view.scale,) * 2 if view.resized else (224, 224))
        assert max(view.size) <= 18 * min(view.size)
    once = distinct(found)
    assert set(once) == set(found)
    assert len(set(once)) == len(once)


@given(st.integers(1, 400), st.floats(1, 3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_squares_cover_what_is_at_most_three_times_as_long(short: int, ratio: float, tall: bool):
    shape = (int(short * ratio), short) if tall else (short, int(short * ratio))
    for scale in (256, 288, 320, 352):
        squares = sorted(
            (view.box[1::2] if tall else view.box[::2], max(view.size))
            for view in paper(*shape)
            if view.scale == scale and view.resized
        )
        reached = 0
        for (begin, end), _ in squares:
            assert begin <= reached
            reached = end
        assert reached == squares[0][1]


@given(st.integers(1, 1000), st.integers(1, 1000), st.sampled_from([PROTOCOLS["144"], PROTOCOLS["howard-90"]]))
@settings(max_examples=100, deadline=None)
def test_rows_for_columns(height: int, width: int, protocol: Protocol):
    found = views((height, width), protocol, (224, 224), SHORT)
    other = views((width, height), protocol, (224, 224), SHORT)
    assert Counter(found) == Counter(map(turned, other))
