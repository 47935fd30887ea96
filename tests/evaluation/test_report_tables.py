"""Cells of a report's tables that were worked by hand, or that the paper prints."""

import numpy as np
import pytest
from synthetic import ranked

from googlenet.evaluation import report_tables as tables
from googlenet.evaluation.calibration import Bin, Calibration
from googlenet.evaluation.neighbours import neighbours
from googlenet.evaluation.results import Evaluation, Row
from googlenet.reporting.html import Bar, Notable


def row(models: int, crops: str, wrong: int, combination: str = "mean", **more: int) -> Row:
    """A row that misses the first five with `wrong` of 100 images."""
    ranks = np.where(np.arange(100) < wrong, 7, 0)
    names = tuple(f"m{number}" for number in range(models))
    return Row(names, crops, combination, ranked(ranks, 10), models * int(crops) * 1_500_000_000, 2e9, 0.0123, **more)  # type: ignore[arg-type]


def test_a_row_says_what_it_is_and_what_it_cost() -> None:
    table = tables.rows_table([row(1, "1", 30), row(4, "144", 20)])
    assert table.headers[4:] == ["top-1", "top-5", "multiply-adds", "relative", "performed", "time"]
    first, last = table.rows
    assert first[:4] == [1, "m0", "1", "mean"]
    assert first[4] == Bar(0.7, (pytest.approx(0.6042, abs=1e-4), pytest.approx(0.7811, abs=1e-4)))
    assert first[6:] == ["1.5 G", "1x", "2 G", "12.3 ms"]
    assert last[1:4] == ["4 models", "144", "mean"]
    assert last[6:8] == ["864 G", "576x"]
    assert sum(columns for _, columns in table.groups) == len(table.headers) == len(first)


def test_a_row_that_stopped_early_says_what_that_changed() -> None:
    table = tables.rows_table([row(1, "1", 30), row(1, "10", 30, checked=10, changed=1)])
    assert (table.headers[-1], table.rows[0][-1], table.rows[1][-1]) == ("changed", "0 of 0", "1 of 10")
    assert sum(columns for _, columns in table.groups) == len(table.headers)


def test_gains_stand_beside_those_that_the_paper_prints() -> None:
    """Table 3: 10.07 % is the base, then -0.92, -2.18, -1.98, -2.45 and, where it prints -3.45, -3.40."""
    rows = [row(1, "1", 12), row(1, "10", 11), row(1, "144", 9), row(7, "1", 10), row(7, "10", 9), row(7, "144", 8)]
    table = tables.beside_table_3(rows)
    assert table is not None
    assert [cells[6] for cells in table.rows] == ["10.07 %", "9.15 %", "7.89 %", "8.09 %", "7.62 %", "6.67 %"]
    assert [cells[7] for cells in table.rows] == [None, "−0.92", "−2.18", "−1.98", "−2.45", "−3.40"]
    assert [cells[3] for cells in table.rows] == ["12.00 %", "11.00 %", "9.00 %", "10.00 %", "9.00 %", "8.00 %"]
    assert [cells[5] for cells in table.rows] == [None, "−1.00", "−3.00", "−2.00", "−3.00", "−4.00"]
    assert sum(columns for _, columns in table.groups) == len(table.headers)


def test_rows_that_the_paper_has_not_are_listed_without_its_figures() -> None:
    table = tables.beside_table_3([row(1, "1", 12), row(2, "10", 9), row(1, "1", 13, "max")])
    assert table is not None
    assert [cells[0] for cells in table.rows] == [1, 2]
    assert table.rows[1][5:] == ["−3.00", None, None]
    assert tables.beside_table_3([row(2, "10", 9), row(1, "1", 9, "max")]) is None


def test_a_gain_that_is_more_than_chance_stands_out() -> None:
    """Six images won and none lost: p is 2 / 2^6 = 0.031; five: 0.0625."""
    rows = [row(1, "1", 30), row(1, "10", 24), row(1, "144", 19)]
    table = tables.neighbours_table(rows, neighbours(rows))
    assert table is not None
    assert table.rows[0][:3] == ["1 to 2", "1 to 10 crops (m0, mean)", "+6.0"]
    assert table.rows[0][4:7] == [6, 0, Notable("0.031")]
    assert table.rows[1][2] == "+5.0"
    assert table.rows[1][4:7] == [5, 0, "0.062"]
    assert tables.neighbours_table(rows[:1], []) is None


@pytest.mark.parametrize(
    ("earlier", "later", "change"),
    [
        (row(1, "1", 0), row(4, "1", 1), "m0 to 4 models (1 crop, mean)"),
        (row(2, "10", 0), row(2, "10", 1, "max"), "mean to max (m0 + m1, 10 crops)"),
        (row(1, "1", 0), row(2, "10", 1), "m0, 1 crop, mean to m0 + m1, 10 crops, mean"),
    ],
)
def test_a_change_is_said_in_words(earlier: Row, later: Row, change: str) -> None:
    table = tables.neighbours_table([earlier, later], neighbours([earlier, later]))
    assert table is not None
    assert [cells[1] for cells in table.rows] == [change]


def test_confidence_stands_beside_what_was_right() -> None:
    judged = Calibration((Bin(0, 1, 100, 0.7, 0.5),), 0.2, 0.25, 1.5, 0.25)
    table = tables.calibration_table([row(1, "1", 30)], [judged])
    assert table.rows == [[1, "m0, 1 crop, mean", "50.0 %", "70.0 %", "20.00 %", "25.00 %", "1.500", "0.250"]]


def test_what_is_in_no_row_is_listed() -> None:
    unreadable = tuple((f"{number}.jpg", "cut off") for number in range(101))
    found = Evaluation("photographs", (), None, (row(1, "1", 30),), unreadable, {"n1": 2, "n2": 5})  # type: ignore[arg-type]
    listed, lacking = tables.unreadable_table(found), tables.lacking_table(found)
    assert listed is not None
    assert lacking is not None
    assert (len(listed.rows), listed.rows[0]) == (100, ("0.jpg", "cut off"))
    assert lacking.rows == [("n2", 5), ("n1", 2)]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0123, "12.3 ms"), (0.77, "770 ms"), (1.6, "1.6 s"), (75, "1 min 15 s")]
)
def test_times_from_milliseconds_on(seconds: float, words: str) -> None:
    assert tables.time_in_words(seconds) == words
