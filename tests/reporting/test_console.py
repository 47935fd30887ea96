"""Words and tables, held against lines written out by hand."""

import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.reporting.console import data_on_stdout, duration, number, percent, printable, say, scaled, table, warn


class Terminal(io.StringIO):
    """A stand-in for a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_piped_table_is_aligned_lines_of_tab_separated_cells() -> None:
    rows = [["conv1", 9408, "1.2 %"], ["inception_3a", np.int64(163696), None]]
    assert table(["row", "parameters", "share"], rows, separators=True).split("\n") == [
        "row         \tparameters\tshare",
        "conv1       \t     9,408\t1.2 %",
        "inception_3a\t   163,696\t    -",
    ]
    assert table(["row", "parameters", "share"], rows).split("\n")[2].split("\t")[1].strip() == "163696"


@pytest.mark.parametrize(
    ("column", "right"),
    [
        (["1", "-22"], True),
        (["71.3 %", "9 %"], True),
        (["6.4K", "34M"], True),
        (["97 images/s", "100 images/s"], True),
        ([0.25, math.nan], True),
        (["7x7/2", "3x3/1"], False),
        (["001.jpg", "2.jpg"], False),
        (["12", "twelve"], False),
        ([True, False], False),
        ([None, None], False),
    ],
)
def test_columns_of_numbers_are_right_aligned(column: list[object], right: bool) -> None:
    lines = table(["a long header", "x"], [[cell, "|"] for cell in column]).split("\n")[1:]
    assert all(line.split("\t")[0].startswith(" ") == right for line in lines)


def test_wide_characters_count_as_two_columns() -> None:
    lines = table(["name", "n"], [["鶴", 1], ["crane", 2]]).split("\n")
    assert lines == ["name \tn", "鶴   \t1", "crane\t2"]


def test_a_hostile_cell_stays_in_its_row_and_column() -> None:
    assert table(["name"], [["a\nb\tc\x1b[2J\u202e"]]) == "name\na\\nb\\tc\\x1b[2J\\u202e"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_any_text_gives_a_line_for_each_row(rows: list[tuple[str, str]]) -> None:
    lines = table(["one", "two"], rows).split("\n")
    assert len(lines) == len(rows) + 1
    assert {line.count("\t") for line in lines} == {1}


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 of the table has 1 cells for 2 headers"):
        table(["a", "b"], [[1, 2], [3]])


def test_on_a_terminal_the_table_is_drawn_and_markup_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    lines = [line.rstrip() for line in table(["name", "n"], [["[red]x[/red]", 5], ["crane", 10]]).split("\n")]
    assert lines[0].split() == ["name", "n"]
    assert set(lines[1].strip()) <= set("─ ")
    assert [line.split() for line in lines[2:]] == [["[red]x[/red]", "5"], ["crane", "10"]]
    assert lines[2].endswith(" 5")


def test_what_stdout_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert table(["name"], [["crème"]]) == "name\ncr\\xe8me"


def test_data_has_the_bytes_of_names_and_escapes_what_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    data_on_stdout()
    print("crème", "caf\udce9", "half a \ud83d pair")
    stdout.flush()
    assert stdout.buffer.getvalue() == "crème caf".encode() + b"\xe9 half a \\ud83d pair\n"


def test_say_and_warn_write_to_stderr_alone_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say("see [bold]this[/bold] :smile: " + 100 * "long " + "\x1b[31m")
    warn("no\nnews")  # names come from strangers
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "see [bold]this[/bold] :smile: " + 100 * "long " + "\\x1b[31m\nwarning: no\\nnews\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6998552, "6,998,552"),
        (np.int64(-1000), "-1,000"),
        (0.0, "0.000"),
        (2.30259, "2.303"),
        (-0.5, "-0.500"),
        (12345.678, "12,345.7"),
        (0.00002, "2.00e-05"),
        (3e12, "3.00e+12"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_percentages() -> None:
    assert (percent(0.713), percent(1), percent(0.9996, 2)) == ("71.3 %", "100.0 %", "99.96 %")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (123, "2 min 03 s"),
        (3599.7, "1 h 00 min"),
        (18420, "5 h 07 min"),
        (86400, "24 h 00 min"),
        (76 * 3600, "3 d 04 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@settings(max_examples=50)
@given(st.text(st.characters(codec=None)))
def test_printable_text_can_be_printed_and_encoded(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()


def test_good_text_is_left_alone() -> None:
    assert printable("Großer Panda, 鶴, naïve ✓") == "Großer Panda, 鶴, naïve ✓"
    assert printable("a\udcffb") == "a\\udcffb"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (999.7, "1 KB"), (9_811_664, "9.81 MB"), (999_900_000, "1 GB"), (1.5e12, "1.5 TB")],
)
def test_counts_with_the_letter_of_their_size(count: float, text: str) -> None:
    assert scaled(count, "B") == text
    assert scaled(count) == text.removesuffix("B").rstrip()
