"""TIDE's errors in a case worked by hand, and what must hold of any."""

import json
from pathlib import Path

import numpy as np
import pytest
from in_memory import Pictures, plain_random_set, predicted, random_set

from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.tide import ERRORS

CAT, DOG = 0, 1
TRUTHS = [[(CAT, (0, 0, 10, 10)), (DOG, (20, 0, 30, 10)), (CAT, (40, 0, 50, 10)), (CAT, (60, 0, 70, 10))]]
ROWS = [
    (0, CAT, 0.9, (0, 0, 10, 10)),  # right
    (0, CAT, 0.8, (0, 0, 10, 10)),  # the same once more
    (0, CAT, 0.7, (20, 0, 30, 10)),  # a dog
    (0, CAT, 0.6, (60, 0, 64, 10)),  # IoU 0.4
    (0, CAT, 0.5, (100, 0, 110, 10)),  # nothing
    (0, CAT, 0.4, (20, 0, 24, 10)),  # IoU 0.4 with the dog
]


def test_each_type_once():
    """Cats have 1/3, dogs 0. Without errors of place the fourth is right, 2 of 4; without those of class, the dog is
    found; without the missed cat one of two is found."""
    data = Pictures(TRUTHS)
    found = evaluate(predicted(ROWS, data), data, "voc2010")
    assert found.mean == pytest.approx(1 / 6)
    assert {name: one.count for name, one in found.errors.items()} == dict.fromkeys(ERRORS, 1)
    gains = {name: one.gain for name, one in found.errors.items()}
    assert gains == pytest.approx(
        {
            **{"classification": 1 / 2, "localisation": (1 / 3) * (1 / 2) / 2, "missed": (1 / 2 - 1 / 3) / 2},
            **{"duplicate": 0, "both": 0, "background": 0},
        }
    )


def test_of_several_that_could_find_an_object_the_surest_is_mended():
    """Two lie beside the same cat: with one of them right and the other gone, precision is 1."""
    data = Pictures([[(CAT, (0, 0, 10, 10))]])
    rows = [(0, CAT, 0.8, (0, 0, 4, 10)), (0, CAT, 0.9, (0, 0, 3, 10))]
    found = evaluate(predicted(rows, data), data, "voc2010")
    assert found.errors["localisation"].count == 2
    assert found.errors["localisation"].gain == 1
    assert found.errors["missed"].count == 0


def test_random_sets_have_the_errors_that_tides_own_program_counts():
    """It samples precision at other floats near the same recalls, which moves a gain where one is hit exactly."""
    expected = json.loads((Path(__file__).parents[2] / "fixtures/tide_counts.json").read_text())
    moved = []
    for seed, theirs in expected.items():
        data, rows = plain_random_set(int(seed))
        found = evaluate(predicted(rows, data), data, "coco")
        assert {name: one.count for name, one in found.errors.items()} == theirs["counts"], seed
        moved += [one.gain - theirs["gains"][name] for name, one in found.errors.items()]
    assert np.quantile(np.abs(moved), 0.95) < 1e-6
    assert np.abs(moved).max() < 0.02


@pytest.mark.parametrize("protocol", ["voc2007", "ilsvrc", "coco"])
def test_every_wrong_detection_has_one_error_and_removals_never_harm(protocol):
    for seed in range(20):
        data, rows = random_set(seed)
        if all(crowd for one in data.crowd for crowd in one):
            continue
        found = evaluate(predicted(rows, data), data, protocol)
        wrong = found.matches.counted[0, 0] & ~found.matches.right[0, 0]
        assert sum(found.errors[name].count for name in ERRORS[:-1]) == wrong.sum()
        assert all(found.errors[name].gain >= -1e-12 for name in ("both", "duplicate", "background", "missed"))
