"""The report: what stands in its page and behind it, and that people can read it on whatever they have."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from page_checks import check_page
from synthetic import GRID, Drawn, evaluation, ranked

from googlenet.errors import InputError
from googlenet.evaluation.report import write_report
from googlenet.evaluation.results import Evaluation, Row
from googlenet.weights.classes import Class, ilsvrc

FLOWERS = [Class(name, name) for name in ("daisy", "dandelion", "roses", "sunflowers", "tulips")]
SETTINGS = {"weights bvlc": f"weights/bvlc.safetensors, SHA-256 {'0123456789abcdef' * 4}", "device": "cpu"}


def text_of(path: Path) -> str:
    return " ".join(path.read_text().split())


def test_a_page_says_what_was_found_in_words(tmp_path: Path) -> None:
    """Nine of twelve images are right in the row that costs more, six in the other; each answer claims a half."""
    rows = [
        Row(("final",), "1", "mean", ranked(np.repeat([0, 1], 6), 5), 10**9, 1e9, 0.01),
        Row(("final",), "10", "mean", ranked(np.repeat([0, 2], [9, 3]), 5), 10**10, 1e10, 0.1),
    ]
    dataset = Drawn(tuple(FLOWERS), np.zeros(12, np.int32))
    found = Evaluation("flowers/test", tuple(FLOWERS), dataset, tuple(rows), settings=SETTINGS)
    page = text_of(write_report(found, tmp_path / "a new folder"))
    for words in (
        "<title>Evaluation of final</title>",
        "flowers/test: 12 images, 5 classes",
        "9 of 12 images were recognised at the first answer by row 2 (final, 10 crops, mean)",
        "about ±22.2 points",  # Wilson: 46.8 to 91.1 %
        "Of 1 pair of neighbouring rows, none differ",
        "claim a probability of 50.0 % in the mean, and 75.0 % are right: it is not sure enough by 25.0 points",
        "expected calibration error 25.0 %",
        "<dt>weights bvlc</dt>",
        "50.0 % dandelion truth: daisy, in place 3",
    ):
        assert words in page
    assert "Top-5" not in page
    assert "Beside the paper" not in page


def test_the_figures_behind_it_are_those_of_the_command_and_more(tmp_path: Path) -> None:
    found = evaluation(FLOWERS, 20, GRID[:3], unreadable=(("a\udcff.jpg", "cut off"),), lacking={"n1": 3})
    write_report(found, tmp_path)
    behind = json.loads((tmp_path / "evaluation.json").read_text())
    told = json.loads(json.dumps(found.to_json()))
    assert {name: behind[name] for name in told} == told
    assert behind["unreadable"] == [{"file": "a\udcff.jpg", "error": "cut off"}]
    assert [(pair["earlier"], pair["later"], pair["differs"]) for pair in behind["neighbours"]] == [
        *((0, 2, "crops"), (0, 1, "combination")),
    ]
    assert [len(one["bins"]) for one in behind["calibration"]] == [15, 15, 15]
    assert behind["source"] == "photographs"
    tables = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv"))
    of_row = ["classes.csv", "confusion.csv", "images.csv"]
    assert tables == [f"row-{place}/{name}" for place in (1, 2, 3) for name in of_row] + ["rows.csv"]


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    found = evaluation(FLOWERS, 4, GRID[:1])
    outcome = replace(found.rows[0].outcome, losses=np.full(4, np.nan, np.float32))
    write_report(replace(found, rows=(replace(found.rows[0], outcome=outcome),)), tmp_path)
    behind = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert behind["calibration"][0]["nll"] is None


def test_without_images_the_page_says_why(tmp_path: Path) -> None:
    found = evaluation(FLOWERS, 0, unreadable=(("a.jpg", "cut off"),))
    page = text_of(write_report(found, tmp_path))
    assert "No image was evaluated" in page
    assert "cut off" in page
    assert "The rows" not in page


def test_names_of_strangers_stay_names(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    classes = [Class(f"{hostile}{number}", hostile) for number in range(3)]
    found = evaluation(classes, 9, [((hostile,), "1", "mean")], settings={hostile: hostile}, lacking={hostile: 1})
    page = write_report(replace(found, source=hostile), tmp_path).read_text()
    assert "<script" not in page
    assert f"{hostile}0"[-5:] in page  # classes of one name are told apart by their ids


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        write_report(evaluation(FLOWERS, 3, GRID[:1]), tmp_path / "file")


def test_a_page_of_many_images_is_no_larger_than_one_of_few(tmp_path: Path) -> None:
    few = write_report(evaluation(FLOWERS, 200, GRID[:1]), tmp_path / "few").stat().st_size
    many = write_report(evaluation(FLOWERS, 5000, GRID[:1]), tmp_path / "many").stat().st_size
    assert many < 1.1 * few


def test_a_thousand_classes_can_be_read_everywhere(browser: Chromium, tmp_path: Path) -> None:
    problems = (("photographs/" + 9 * "unbroken" + ".jpg", "not an image that can be decoded; replace it"),)
    rows = [*GRID[:4], *GRID[-4:]]
    found = evaluation(ilsvrc(), 100, rows, settings=SETTINGS, unreadable=problems, lacking={"n00000001": 3})
    check_page(browser, write_report(found, tmp_path))


def test_five_classes_can_be_read_everywhere(browser: Chromium, tmp_path: Path) -> None:
    grid = [(("seven-1",), "1", "mean"), (tuple(f"seven-{number}" for number in range(1, 8)), "144", "mean")]
    check_page(browser, write_report(evaluation(FLOWERS, 5000, grid, settings=SETTINGS), tmp_path))
