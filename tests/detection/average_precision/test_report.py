"""The report's page: what it shows of many classes, and that people can read it on whatever they have."""

from pathlib import Path

import numpy as np
from chromium import Chromium
from in_memory import Pictures, predicted
from page_checks import check_page

from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.report import write_report
from googlenet.weights.classes import Class


def found(names: list[str]):
    """Each class but the last has an object in each of four pictures, and some of them are found."""
    random = np.random.default_rng(0)
    classes = tuple(Class(f"{number}", name) for number, name in enumerate(names))
    boxes = {label: (20 * label, 0, 20 * label + 16, 16 + label) for label in range(len(names) - 1)}
    data = Pictures([list(boxes.items())] * 4, classes)
    rows = [
        (picture, label, float(random.random()), tuple((np.array(box) + random.integers(0, 6)).tolist()))
        for picture in range(4)
        for label, box in boxes.items()
    ]
    return evaluate(predicted(rows, data), data, "coco")


def test_a_page_of_many_classes_for_readers_of_all_kinds(tmp_path: Path, browser: Chromium) -> None:
    page = write_report(found([f"class {number}" for number in range(30)]), tmp_path, "found.json", "pets")
    assert page.read_text().count("<svg") == 29
    assert "The other 5 classes" in page.read_text()
    check_page(browser, page)


def test_names_of_strangers_stay_names(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    page = write_report(found([hostile, "cat"]), tmp_path, hostile, hostile).read_text()
    assert "<script" not in page
    assert "no ground truth" in page
