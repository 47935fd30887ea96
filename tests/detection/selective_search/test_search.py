"""Selective Search as a whole: any picture, the same boxes from every form, thread and seed, what it is to find."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from googlenet import native
from googlenet.detection.boxes import as_boxes, iou
from googlenet.detection.selective_search import SelectiveSearch, Settings
from googlenet.errors import InputError
from googlenet.images.decoding import decode
from googlenet.randomness import generator

needs_kernels = pytest.mark.skipif(native.library() is None, reason="built without kernels")

NATIVE = Settings(width=None)


def same(one, other) -> bool:
    return np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)


def rectangles(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of four rectangles, each in its own quarter, of colours far apart; and their boxes."""
    random = generator(3, "test", index=number)
    image = np.full((300, 400, 3), 128, np.uint8)
    colours = random.permutation(np.array([[220, 30, 30], [30, 210, 40], [40, 60, 230], [240, 230, 50]]))
    truths = []
    for quarter, colour in enumerate(colours):
        top, left = 150 * (quarter // 2), 200 * (quarter % 2)
        y, x = top + random.integers(5, 40), left + random.integers(5, 60)
        h, w = random.integers(40, 100), random.integers(40, 120)
        image[y : y + h, x : x + w] = colour
        truths.append([x, y, x + w, y + h])
    noise = random.integers(-4, 5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), as_boxes(truths)


@pytest.mark.parametrize("version", ["single", "fast", "quality"])
def test_every_form_gives_the_same_boxes(version, use, forms, picture):
    image = picture(90, 120, 0)
    results = []
    for form in forms:
        use(form)
        results.append(SelectiveSearch(Settings(version, superpixels=0.5, width=100)).propose(image))
    assert len(results[0].boxes) > 10
    assert all(same(results[0], result) for result in results)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 300), (90, 1), (3, 500), (19, 19), (20, 300)])
def test_a_picture_may_have_any_shape(shape, use, forms, picture):
    image = picture(*shape, 1)
    for settings in (NATIVE, Settings(width=20)):
        results = []
        for form in forms:
            use(form)
            results.append(SelectiveSearch(settings).propose(image))
        assert all(same(results[0], result) for result in results)
        whole = [0, 0, shape[1], shape[0]]
        assert whole in results[0].boxes.tolist()
        assert (results[0].boxes >= 0).all()
        assert (results[0].boxes <= [shape[1], shape[0]] * 2).all()


@needs_kernels
def test_a_picture_of_one_pixel_and_a_long_one_at_the_usual_width(picture):
    for shape in [(1, 1), (3, 1000), (40, 20000), (400, 50)]:
        proposals = SelectiveSearch(Settings("single")).propose(picture(*shape, 2))
        assert proposals.boxes[:, 2:].max(0).tolist() == pytest.approx([shape[1], shape[0]])


@needs_kernels
def test_boxes_are_large_enough_and_there_once(picture):
    proposals = SelectiveSearch(Settings(width=250)).propose(picture(400, 500, 3, spots=60))
    height, width = proposals.searched
    assert (height, width) == (200, 250)
    sides = (proposals.boxes[:, 2:] - proposals.boxes[:, :2]) / 2  # at the working size
    assert sides.min() >= 20
    assert len({tuple(box) for box in proposals.boxes.tolist()}) == len(proposals.boxes) > 50


@needs_kernels
def test_scores_fall_from_one(picture):
    scores = SelectiveSearch(NATIVE).propose(picture(200, 250, 4)).scores
    assert scores[0] == 1
    assert scores[-1] == pytest.approx(1 / len(scores))
    assert (np.diff(scores) < 0).all()


@needs_kernels
def test_a_seed_changes_the_order_and_nothing_else(picture):
    image = picture(200, 250, 5)
    one, again, other = (SelectiveSearch(Settings(width=None, seed=seed)).propose(image) for seed in (0, 0, 1))
    assert same(one, again)
    assert one.boxes.tolist() != other.boxes.tolist()
    assert sorted(one.boxes.tolist()) == sorted(other.boxes.tolist())


@needs_kernels
def test_the_same_pixels_give_the_same_boxes_however_they_lie_in_memory(picture):
    image = picture(120, 150, 6)
    turned = np.asfortranarray(image)
    window = np.pad(image, ((3, 4), (5, 6), (0, 0)))[3:-4, 5:-6]
    expected = SelectiveSearch(NATIVE).propose(image)
    assert same(expected, SelectiveSearch(NATIVE).propose(turned))
    assert same(expected, SelectiveSearch(NATIVE).propose(window))


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_boxes(threads, picture):
    images = [picture(100 + number, 130, number) for number in range(8)]
    search = SelectiveSearch(NATIVE)
    expected = [search.propose(image) for image in images]
    assert all(map(same, expected, search.propose_all(iter(images), threads)))
    with ThreadPoolExecutor(threads) as pool:
        assert all(map(same, expected, pool.map(search.propose, images)))


@needs_kernels
def test_pictures_are_taken_as_they_are_needed(picture):
    taken = []

    def images():
        for number in range(20):
            taken.append(number)
            yield picture(40, 50, number)

    proposals = SelectiveSearch(NATIVE).propose_all(images(), threads=2)
    next(proposals)
    assert len(taken) <= 4
    assert len(list(proposals)) == 19


@needs_kernels
def test_every_rectangle_is_found():
    for number in range(5):
        image, truths = rectangles(number)
        proposals = SelectiveSearch().propose(image)
        assert iou(truths, proposals.boxes).max(1).min() > 0.75


@needs_kernels
def test_a_doubled_picture_has_the_same_boxes_at_twice_the_place():
    image, truths = rectangles(9)
    large = image.repeat(2, 0).repeat(2, 1)
    found = [SelectiveSearch(Settings("single")).propose(each).boxes for each in (image, large)]
    best = [iou(factor * truths, boxes).argmax(1) for factor, boxes in zip((1, 2), found, strict=True)]
    assert np.abs(2 * found[0][best[0]] - found[1][best[1]]).max() <= 4  # 2 pixels at the working size


@needs_kernels
def test_what_is_too_large_is_searched_smaller_and_said(caplog):
    image = np.zeros((5000, 12, 3), np.uint8)
    image[2000:3000] = 200
    with caplog.at_level(logging.INFO, "googlenet"):
        proposals = SelectiveSearch(Settings("single")).propose(image)
    assert proposals.searched[0] * proposals.searched[1] <= 1 << 21
    assert "a picture of 12 x 5000 is searched at 70 x 29" in caplog.text
    assert "2.1 megapixels being the most" in caplog.text


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(InputError, match=r"a picture is uint8 \[height, width, 3\], found"):
        SelectiveSearch().propose(image)


@needs_kernels
def test_doubled_superpixels_leave_a_third_to_two_thirds(shared: Path):
    files = sorted((shared / "data" / "imagenet-val-100").rglob("*.JPEG"))[:8]
    assert files
    counts = np.array(
        [
            [len(SelectiveSearch(Settings(superpixels=size)).propose(decode(file)).boxes) for size in (1, 2)]
            for file in files
        ]
    )
    assert 0.3 <= counts[:, 1].sum() / counts[:, 0].sum() <= 0.65
