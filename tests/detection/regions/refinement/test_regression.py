"""Box regression: encoding and its inverse, ridge against scikit-learn's, perfect features, what boxes become."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions_world import examples
from sklearn.linear_model import Ridge

from googlenet.detection.boxes import as_boxes, iou
from googlenet.detection.regions.refinement import regression
from googlenet.detection.regions.refinement.examples import Examples
from googlenet.detection.regions.refinement.regression import NEAR, BoxRegression, decode, encode, fit_regression, ridge


def drawn(random: np.random.Generator, count: int) -> np.ndarray:
    corners = random.uniform(-1e4, 1e4, (count, 2))
    return np.concatenate([corners, corners + 10 ** random.uniform(-1, 4, (count, 2))], 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_encoding_and_decoding_are_inverse(seed: int):
    random = np.random.default_rng(seed)
    boxes, others, moves = drawn(random, 9), drawn(random, 9), random.uniform(-3, 3, (9, 4))
    np.testing.assert_allclose(decode(boxes, encode(boxes, others)), others, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(encode(boxes, decode(boxes, moves)), moves, atol=1e-6)


def test_a_move_worked_by_hand():
    """A box of 10 x 20 around (5, 10) to one of 20 x 10 around (7, 5)."""
    found = encode(as_boxes((0, 0, 10, 20)), as_boxes((-3, 0, 17, 10)))
    np.testing.assert_allclose(found, [[0.2, -0.25, np.log(2), -np.log(2)]])


def shifted(folder: Path, noise: float = 0.0) -> Examples:
    """Windows around an object whose features are the moves to it, and some numbers that say nothing."""
    random = np.random.default_rng(0)
    target = (40.0, 40.0, 80.0, 70.0)
    moves = random.normal(0, 0.08, (60, 4))
    around = decode(as_boxes(target), moves)

    def feature(_: int, box: np.ndarray | None) -> np.ndarray:
        own = np.zeros(4) if box is None else encode(box[None], as_boxes(target))[0]
        return np.concatenate([own + random.normal(0, noise, 4), random.normal(0, 0.05, 2), [0.1]])

    return examples(folder, 2, [([target], [0], around[at : at + 20]) for at in (0, 20, 40)], feature)


def test_ridge_is_that_of_scikit_learn(tmp_path: Path):
    found = shifted(tmp_path, 0.02)
    (rows, targets), (none, _) = regression._pairs(found)
    assert not len(none)
    overlaps = np.concatenate([example.nearness(0) for example in found])
    assert len(rows) == ((overlaps >= NEAR) & (overlaps < 1)).sum() > 20
    weights, mean, root = ridge(found, rows, targets)
    values = np.concatenate([found.values(rows), np.ones((len(rows), 1))], 1).astype(np.float64)
    whitened = (targets - targets.mean(0)) @ np.linalg.inv(root)
    expected = Ridge(alpha=1000, fit_intercept=False).fit(values, whitened).coef_.T
    np.testing.assert_allclose(weights, expected, atol=1e-8)
    np.testing.assert_allclose(mean, targets.mean(0))
    spread = np.cov(targets.T, bias=True)
    np.testing.assert_allclose(root @ root, spread + 0.001 * np.eye(4), atol=1e-12)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    fitted, _ = fit_regression(found)
    raw = found.values(rows) / np.float32(found.scale)
    expected = values @ weights @ root + mean
    np.testing.assert_allclose(fitted.moves(raw)[:, 0], expected, atol=1e-4)


def test_perfect_features_reach_the_object_as_the_ridge_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regression, "RIDGE", 1e-6)
    found = shifted(tmp_path)
    fitted, unseen = fit_regression(found)
    assert unseen == [1]
    for example in found:
        moves = fitted.moves(found.values(example.rows) / np.float32(found.scale))
        moved = fitted.moved(example.boxes, moves, (200, 200))
        near = example.nearness(0) >= NEAR
        assert iou(moved[near, 0], example.objects.boxes).min() > 0.98
        assert iou(example.boxes[near], example.objects.boxes).min() < 0.8
        np.testing.assert_allclose(moved[:, 1], example.boxes)  # nobody has shown the other class


def test_moved_boxes_stay_in_the_picture_and_have_an_area():
    given_boxes = as_boxes([(10, 10, 20, 20), (0, 0, 30, 30)])
    moves = np.zeros((2, 2, 4), np.float32)
    moves[0, 0] = (100, 0, 0, 0)  # beyond the right border
    moves[0, 1] = (0, 0, 1e30, 1e30)
    moves[1, 0] = (0.5, 0, 0, 0)
    found = BoxRegression.moved(given_boxes, moves, (40, 30))
    assert found.shape == (2, 2, 4)
    assert found[0, 0].tolist() == [10, 10, 20, 20]
    assert found[0, 1].tolist() == [0, 0, 40, 30]
    assert found[1, 0].tolist() == [15, 0, 40, 30]
    assert found[1, 1].tolist() == [0, 0, 30, 30]
    assert BoxRegression.moved(np.empty((0, 4)), np.empty((0, 2, 4)), (40, 30)).shape == (0, 2, 4)
