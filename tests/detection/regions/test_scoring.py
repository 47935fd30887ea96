"""The scores of many boxes of many pictures: as of each box alone, whatever goes through together."""

import numpy as np
import pytest
import torch

from googlenet.detection.boxes import as_boxes
from googlenet.detection.regions.crop import cut, outside
from googlenet.detection.regions.description import described, layers
from googlenet.detection.regions.refinement.context import Context
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.refinement.regression import BoxRegression
from googlenet.detection.regions.refinement.svm import Svms
from googlenet.detection.regions.scoring import Boxed, Member, score
from googlenet.errors import InputError
from googlenet.inference.predictor import Predictor
from googlenet.weights.creation import create


def member(seed: int = 0, size: int = 32) -> Member:
    network = create("googlenet-tiny", width=0.25, classes=4, size=(size, size), seed=seed).eval()
    with torch.no_grad():
        random = torch.Generator().manual_seed(seed)
        network.get_parameter("classifier.weight").normal_(0, 0.1, generator=random)
    return Member(Predictor(network, None, "cpu", engine="torch"), np.arange(3))


def picture(seed: int, count: int, width: int = 50, height: int = 40) -> Boxed:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 25, (count, 2))
    boxes = as_boxes(np.concatenate([corners, corners + random.uniform(2, 15, (count, 2))], 1))
    return Boxed(f"{seed}.png", random.integers(0, 256, (height, width, 3), np.uint8), boxes)


PICTURES = [picture(1, 3), picture(2, 0), picture(3, 300, 90), picture(4, 40)]


@pytest.fixture(scope="module")
def one() -> Member:
    return member()


def test_boxes_together_are_as_each_alone(one: Member):
    found = list(score(iter(PICTURES), [one]))
    assert [scored.picture.name for scored in found] == ["1.png", "2.png", "3.png", "4.png"]
    for scored in found:
        boxes = scored.picture.boxes
        assert scored.scores.shape == (len(boxes), 3)
        for row in range(0, len(boxes), 37):
            pixels, inside = cut(scored.picture.image, boxes[row : row + 1], (32, 32))
            logits = one.predictor(pixels, outside(inside, (32, 32)))
            np.testing.assert_allclose(scored.scores[row], logits.softmax(1)[0, :3], atol=1e-5)


def test_an_ensemble_of_a_network_with_itself_equals_the_network(one: Member):
    alone, twice = (list(score(iter(PICTURES), members)) for members in ([one], [one, one]))
    for first, second in zip(alone, twice, strict=True):
        assert (first.scores == second.scores).all()


def test_members_of_other_sizes_are_averaged(one: Member):
    other = member(5, 48)
    alone = [list(score(iter(PICTURES), [each])) for each in (one, other)]
    together = list(score(iter(PICTURES), [one, other]))
    for first, second, both in zip(*alone, together, strict=True):
        np.testing.assert_allclose(both.scores, (first.scores + second.scores) / 2, atol=1e-6)
    assert np.abs(alone[0][2].scores - alone[1][2].scores).max() > 0.01


WIDTH = 64 + 4 * 64
"""What the last layer reads, and the quarters."""


def refinement(classes: int, width: int, seed: int = 0) -> Refinement:
    random = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    svms, regression = (
        Svms(drawn(classes, width), drawn(classes)),
        BoxRegression(drawn(classes, 4, width), drawn(classes, 4)),
    )
    return Refinement(svms, regression, Context(1 + abs(drawn(classes)), drawn(classes, classes), drawn(classes)))


def test_what_refines_is_applied_to_each_box(one: Member):
    """Machines in the softmax's place, then the picture's context; boxes moved by the same features."""
    whole = refinement(3, WIDTH)
    for parts in (whole, Refinement(regression=whole.regression), Refinement(context=whole.context)):
        found = list(score(iter(PICTURES), [Member(one.predictor, one.outputs, parts)]))
        assert [len(scored.scores) for scored in found] == [len(picture.boxes) for picture in PICTURES]
        for scored, picture in zip(found, PICTURES, strict=True):
            size = picture.image.shape[1::-1]
            boxes = np.concatenate([picture.boxes[::41], [(0, 0, *size)]])
            pixels, inside = cut(picture.image, boxes, (32, 32))
            specification = one.predictor.specification
            names = [*layers(specification), "classifier"]
            seen = one.predictor.features(pixels, names, outside(inside, (32, 32)))
            features = described(seen, specification).astype(np.float32)
            scores = seen["classifier"].double().softmax(1).numpy()[:, :3]
            scores = parts.svms.scores(features) if parts.svms else scores
            expected = parts.context.rescored(scores[:-1], scores[-1]) if parts.context else scores[:-1]
            np.testing.assert_allclose(scored.scores[::41], expected, atol=1e-5 if parts.width == 0 else 1e-3)
            if parts.regression is None:
                assert scored.boxes is scored.picture.boxes
                np.testing.assert_array_equal(scored.boxes, picture.boxes)
                continue
            moved = parts.regression.moved(boxes[:-1], parts.regression.moves(features[:-1]), size)
            np.testing.assert_allclose(scored.boxes[::41], moved, rtol=1e-3, atol=1e-3)


def test_the_mean_is_of_those_who_move_boxes(one: Member):
    first, second = (Member(one.predictor, one.outputs, refinement(3, WIDTH, seed)) for seed in (0, 1))
    ones, others = (list(score(iter(PICTURES), [each])) for each in (first, second))
    together = list(score(iter(PICTURES), [first, one, second]))
    plain = list(score(iter(PICTURES), [one]))
    for a, b, c, found in zip(ones, others, plain, together, strict=True):
        np.testing.assert_allclose(found.boxes, (a.boxes + b.boxes) / 2, atol=1e-9)
        np.testing.assert_allclose(found.scores, (a.scores + b.scores + c.scores) / 3, atol=1e-6)
    broken = Boxed("broken.png", InputError("no picture"))
    assert [len(each.scores) for each in score([broken, PICTURES[0]], [first, one])] == [0, 3]


def test_an_error_comes_in_its_place_and_others_are_scored(one: Member):
    broken = Boxed("broken.png", InputError("broken.png: not an image; replace it"))
    found = list(score([PICTURES[0], broken, PICTURES[1], PICTURES[3]], [one]))
    assert [scored.picture.name for scored in found] == ["1.png", "broken.png", "2.png", "4.png"]
    assert found[1].picture is broken


def test_pictures_are_taken_as_they_come(one: Member):
    taken = []

    def pictures():
        for number in range(50):
            taken.append(number)
            yield picture(number, 100)

    found = score(pictures(), [one])
    next(found)
    assert len(taken) <= 8
    found.close()
    broken = (Boxed(f"{number}.png", InputError("no picture")) for number in range(10_000))
    found = score(broken, [one])
    next(found)
    assert int(next(broken).name.partition(".")[0]) < 1000
    found.close()
