"""Machines with hard negatives: cases worked by hand, what is a negative, and that the hard ones are found."""

from pathlib import Path

import numpy as np
import pytest
from regions_world import examples
from sklearn.svm import LinearSVC

from googlenet.detection.regions.refinement.svm import fit_svms, mine

OBJECT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)
FARTHER = (70, 70, 80, 80)


def test_a_separable_case_worked_by_hand(tmp_path: Path):
    """All features have length 1 and are scaled to 20; a ninth of all is the whole picture, which is no example.

    Multipliers a of positives and d of negatives: the margins are 500a - 100d and 500d - 100a, with 10 as the bias
    feature. Both are 1 for a = d = 0.0025, and two positives (of at most 0.002 each) and three negatives (0.001) allow
    that.
    """
    pictures = [([OBJECT], [0], [FAR, FARTHER]), ([OBJECT], [0], [FAR, FARTHER])]
    found = examples(tmp_path, 1, pictures, lambda _, box: (1, 0) if box is not None and box[0] == 0 else (0, 1))
    weights, biases = mine(found)
    np.testing.assert_allclose(weights, [[0.05, -0.05]], atol=5e-4)
    np.testing.assert_allclose(biases, [0], atol=1e-2)


def test_a_positive_counts_twice(tmp_path: Path):
    """One positive alone has a multiplier of at most 0.002; then 500d - 100 * 0.002 = 1, d = 0.0024."""
    pictures = [([OBJECT], [0], [FAR, FARTHER, (90, 90, 95, 95)])]
    found = examples(tmp_path, 1, pictures, lambda _, box: (1, 0) if box is not None and box[0] == 0 else (0, 1))
    weights, biases = mine(found)
    np.testing.assert_allclose(weights, [[0.04, -0.048]], atol=5e-4)
    np.testing.assert_allclose(biases, [-0.04], atol=1e-2)


def test_what_overlaps_by_between_is_neither(tmp_path: Path):
    """IoU 0.3 to 1 with an object of the class: such a window looks exactly like background here and harms nothing."""
    near = [(0, 0, 10, 4), (0, 0, 10, 3.1)]  # 0.4 and 0.31
    for name, between in (("without", []), ("with", near)):
        pictures = [([OBJECT], [0], [*between, FAR, FARTHER, (90, 90, 95, 95)])]

        def feature(_: int, box: np.ndarray | None) -> tuple[float, float]:
            is_near = box is not None and tuple(box) in [OBJECT, *near]
            return (1, 0) if is_near else (0, 1)

        weights, _ = mine(examples(tmp_path / name, 1, pictures, feature))
        np.testing.assert_allclose(weights, [[0.04, -0.048]], atol=5e-4)
    pictures = [([OBJECT], [0], [(0, 0, 10, 2.9), FAR, FARTHER])]  # 0.29: a negative that looks like the object
    found = examples(
        tmp_path / "far", 1, pictures, lambda _, box: (1, 0) if box is not None and box[0] == 0 else (0, 1)
    )
    assert mine(found)[0][0, 0] < 0.035


def test_hard_negatives_of_later_pictures_are_found(tmp_path: Path):
    """The result is that of all negatives together, though most of them are never taken."""
    random = np.random.default_rng(0)
    centre = np.array([0.9, 0.1, 0.1, 0.1])
    kept: dict[tuple[int, float], np.ndarray] = {}

    def feature(picture: int, box: np.ndarray | None) -> np.ndarray:
        if box is None:
            return np.array([0.5, 0.5, 0.5, 0.5])
        place = (picture, float(box[0]))
        if place not in kept:
            easy, hard = np.array([0.1, 0.9, 0.1, 0.1]), np.array([0.8, 0.1, 0.5, 0.1])
            mean = centre if box[0] == 0 else hard if picture >= 3 and box[0] % 2 else easy
            kept[place] = mean + random.normal(0, 0.02, 4)
        return kept[place]

    boxes = [(x, 50, x + 9, 59) for x in range(20, 60)]
    found = examples(tmp_path, 1, [([OBJECT], [0], boxes)] * 6, feature)
    weights, biases = mine(found)
    rows = np.concatenate([example.rows for example in found])
    values = found.values(rows)
    shows = np.isin(rows, found.own[0])
    all_together = LinearSVC(loss="hinge", C=0.001, class_weight={True: 2}, intercept_scaling=10, max_iter=100_000)
    all_together.fit(values, shows)
    np.testing.assert_allclose(weights, all_together.coef_, atol=2e-3)
    np.testing.assert_allclose(biases, all_together.intercept_, atol=2e-2)
    hard = np.array([picture >= 3 and x % 2 == 1 for picture in range(6) for x in [0, *range(20, 60)]])
    margins = values @ weights[0] + biases[0]
    assert margins[hard].max() < margins[shows].min()
    first = values[: len(boxes) + 1]
    alone = LinearSVC(loss="hinge", C=0.001, class_weight={True: 2}, intercept_scaling=10).fit(first, shows[:41])
    assert alone.decision_function(values[hard]).min() > margins[hard].max()  # who has not seen them is fooled more


def test_probabilities_are_those_of_windows_as_they_come(tmp_path: Path):
    """Windows that look like an object are one in three of four pictures: that is what they are given."""
    near = [(0, 0, 10, 9), (0, 0, 9, 10), (1, 0, 10, 10)]

    def feature(picture: int, box: np.ndarray | None) -> tuple[float, float]:
        looks = box is not None and (box[0] <= 1) == (picture % 4 != 0)
        return (1, 0.2) if looks else (0.2, 1)

    pictures = [([OBJECT], [0], [*near, FAR, FARTHER, (85, 85, 90, 90), (90, 80, 95, 85)])] * 40
    found = examples(tmp_path, 1, pictures, feature)
    scores = fit_svms(found).scores(np.array([[1, 0.2], [0.2, 1], [0.6, 0.6]], np.float32))[:, 0]
    assert scores[0] > scores[2] > scores[1]
    assert scores[0] == pytest.approx(0.75, abs=0.1)
    assert scores[1] == pytest.approx(0.25, abs=0.1)


def test_each_class_is_for_itself_and_one_without_objects_is_never_found(tmp_path: Path):
    other = (30, 0, 40, 10)
    pictures = [([OBJECT, other], [0, 2], [FAR, FARTHER])] * 3

    def feature(_: int, box: np.ndarray | None) -> tuple[float, float, float]:
        place = -1 if box is None else int(box[0])
        return {0: (1.0, 0.0, 0.0), 30: (0.0, 1.0, 0.0)}.get(place, (0.0, 0.0, 1.0))

    found = fit_svms(examples(tmp_path, 3, pictures, feature)).scores(np.eye(3, dtype=np.float32))
    assert found.shape == (3, 3)
    assert found[:, 0].argmax() == 0
    assert found[:, 2].argmax() == 1
    assert (found[:, 1] == 0).all()


def test_a_class_that_was_not_looked_for_gives_no_negatives(tmp_path: Path):
    from dataclasses import replace

    from googlenet.detection.regions.refinement.examples import Example
    from googlenet.detection.regions.refinement.svm import _negatives

    found = examples(tmp_path, 2, [([OBJECT], [0], [FAR])], lambda *_: (1, 0))
    (example,) = found
    assert _negatives(2, example).tolist() == [[False, True], [True, True]]
    without = Example(*example[:2], replace(example.objects, excluded=frozenset({1})), example.overlaps)
    assert _negatives(2, without).tolist() == [[False, False], [True, False]]
