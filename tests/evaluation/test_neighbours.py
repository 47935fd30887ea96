"""Which rows are compared, and the counts of a comparison worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import GRID, evaluation, ranked

from googlenet.evaluation.neighbours import neighbours
from googlenet.evaluation.results import Row
from googlenet.weights.classes import Class

CLASSES = [Class(name, name) for name in "abcdefg"]


def row(choice: str, ranks: list[int] | None = None, classes: int = 7) -> Row:
    models, crops, combination = choice.split()
    found = ranked(np.array([0, 1] if ranks is None else ranks), classes)
    return Row(tuple(models.split("+")), crops, combination, found, 1, 1.0, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choices", "pairs"),
    [
        (["a 1 mean"], []),
        (["a 1 mean", "a 10 mean", "a 144 mean"], [(0, 1, "crops"), (1, 2, "crops")]),
        (["a 1 mean", "b 1 mean", "a+b 1 mean"], [(0, 1, "models"), (1, 2, "models")]),
        (["a 1 mean", "a 1 max", "a 10 mean"], [(0, 2, "crops"), (0, 1, "combination")]),
        (["a 1 mean", "b 10 mean"], [(0, 1, "several")]),
        (["a 1 mean", "a 10 mean", "b 1 max", "b 10 max"], [(0, 1, "crops"), (2, 3, "crops"), (1, 2, "several")]),
        (
            ["a 1 mean", "b 1 mean", "a 10 mean", "b 10 mean"],
            [(0, 2, "crops"), (1, 3, "crops"), (0, 1, "models"), (2, 3, "models")],
        ),
    ],
)
def test_rows_are_compared_that_differ_in_one_thing(choices: list[str], pairs: list[tuple[int, int, str]]) -> None:
    found = neighbours([row(choice, [place]) for place, choice in enumerate(choices)])
    assert [(pair.earlier, pair.later, pair.differs) for pair in found] == pairs


def test_a_whole_grid_has_all_its_edges() -> None:
    """3 x 3 x 2 rows: 2 steps of crops for 3 x 2, 2 of models for 3 x 2, 1 of combination for 3 x 3."""
    found = neighbours(evaluation(CLASSES, 14, GRID).rows)
    assert [pair.differs for pair in found] == ["crops"] * 12 + ["models"] * 12 + ["combination"] * 9


def test_gains_by_hand() -> None:
    """The later row wins images 1 and 2 and loses 3 at the first answer; among five it wins image 4."""
    earlier, later = [0, 1, 4, 0, 5, 6], [0, 0, 0, 2, 4, 6]
    (pair,) = neighbours([row("a 1 mean", earlier), row("a 10 mean", later)])
    assert (pair.top1.first_alone, pair.top1.second_alone, pair.top1.images) == (2, 1, 6)
    assert pair.top1.difference == pytest.approx(1 / 6)
    assert pair.top1.p == 1.0
    assert pair.top5 is not None
    assert (pair.top5.first_alone, pair.top5.second_alone) == (1, 0)
    assert pair.to_json() == {
        "earlier": 0,
        "later": 1,
        "differs": "crops",
        "top1": pair.top1.to_json(),
        "top5": pair.top5.to_json(),
    }


def test_rows_that_say_the_same_are_not_compared() -> None:
    """The maximum of one crop is that crop. One other answer is a difference, and so is another probability."""
    one, same, other = row("a 1 mean", [0, 1, 2]), row("a 1 max", [0, 1, 2]), row("a 10 mean", [0, 1, 3])
    surer = replace(same, outcome=replace(same.outcome, probabilities=same.outcome.probabilities * np.float32(1.1)))
    assert [(pair.earlier, pair.later) for pair in neighbours([one, same, other])] == [(0, 2)]
    assert [(pair.earlier, pair.later) for pair in neighbours([one, surer])] == [(0, 1)]


def test_five_classes_have_no_top_five() -> None:
    (pair,) = neighbours([row("a 1 mean", [0], classes=5), row("a 10 mean", [1], classes=5)])
    assert pair.top5 is None
    assert pair.to_json()["top5"] is None
