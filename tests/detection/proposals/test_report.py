"""The report of proposals: what the sources are called, and the figures by the number of boxes."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import areas, as_boxes
from googlenet.detection.proposals.coverage import Coverage, arms_of
from googlenet.detection.proposals.report import rows_of, write_report
from googlenet.detection.proposals.sources import Found
from googlenet.weights.classes import Class


def coverage(names):
    """A picture of one object, which the seventh box of the first source finds, and the second source's only one."""
    found = Coverage((Class("cat", "cat"),), arms_of(names))
    cat = as_boxes([(0, 0, 10, 10)])
    objects = Objects(cat, np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool), areas(cat))
    others = as_boxes([(20 + n, 20, 30 + n, 30) for n in range(11)])
    first, second = np.insert(others, 6, cat[0], axis=0), cat
    found.add(objects, [Found(boxes, np.zeros(len(boxes))) for boxes in (first, second)][: len(names)])
    return found.to_json()


class Cells(HTMLParser):
    """The rows of the tables of a page, each below the last heading."""

    def __init__(self):
        super().__init__()
        self.tables, self._heading, self._into = {}, "", None

    def handle_starttag(self, tag, attributes):
        if tag == "h2":
            self._heading, self._into = "", "heading"
        elif tag == "table":
            self.tables[self._heading.strip()] = []
        elif tag == "tr":
            self.tables[self._heading.strip()].append([])
        elif tag in ("td", "th"):
            self.tables[self._heading.strip()][-1].append("")
            self._into = "cell"

    def handle_endtag(self, tag):
        if tag in ("h2", "td", "th"):
            self._into = None

    def handle_data(self, text):
        if self._into == "heading":
            self._heading += text
        elif self._into == "cell":
            self.tables[self._heading.strip()][-1][-1] += text.strip()


@pytest.fixture
def tables(tmp_path):
    write_report(coverage(["selective-search", "multibox:a,boxes=1"]), {"cat": "cat"}, "data", tmp_path)
    cells = Cells()
    cells.feed((tmp_path / "report.html").read_text())
    return cells.tables


def test_sources_have_numbers_and_unions_theirs():
    rows = rows_of(coverage(["selective-search", "multibox:a,boxes=1"])["arms"])
    assert [row[0] for row in rows] == ["1: selective-search", "2: multibox:a,boxes=1", "1 + 2"]
    assert [row[0] for row in rows_of(coverage(["selective-search"])["arms"])] == ["selective-search"]


def test_a_column_for_each_source_and_a_row_for_each_number_of_boxes(tables):
    assert tables["Coverage with the first boxes of each image, by source"] == [
        ["boxes", "1", "2", "1 + 2"],
        ["1", "0.0 %", "-", "0.0 %"],
        ["2", "0.0 %", "-", "0.0 %"],
        ["5", "0.0 %", "-", "0.0 %"],
        ["10", "100.0 %", "-", "100.0 %"],
        ["all", "100.0 %", "100.0 %", "100.0 %"],
    ]
    assert tables["MABO with the first boxes of each image, by source"][-1] == ["all", "1.000", "1.000", "1.000"]


def test_the_curve_says_how_many_boxes_of_each_image_it_is_of():
    one, other, _ = coverage(["selective-search", "multibox:a,boxes=1"])["arms"]
    assert [point["first"] for point in one["curve"]] == [1, 2, 5, 10, None]
    assert [point["boxes"] for point in one["curve"]] == [1, 2, 5, 10, 12]
    assert [(point["first"], point["recall"]) for point in other["curve"]] == [(None, 1)]


def test_a_source_with_a_long_name_leaves_room_for_the_curves(tmp_path, recwarn):
    names = [f"multibox:{'folder/' * 40}a.safetensors", f"multibox:{'folder/' * 40}b.safetensors"]
    write_report(coverage(names), {"cat": "cat"}, "data", tmp_path)
    assert [str(warning.message) for warning in recwarn] == []
    told = json.loads((tmp_path / "coverage.json").read_text())
    assert [arm["sources"] for arm in told["arms"]] == [names[:1], names[1:], names]


def test_one_source_is_no_first_one(tmp_path):
    pages = []
    for names in (["selective-search"], ["selective-search", "multibox:a,boxes=1"]):
        write_report(coverage(names), {"cat": "cat"}, "data", tmp_path)
        pages.append((tmp_path / "report.html").read_text())
    assert ["Coverage of the first source" in page for page in pages] == [False, True]
    assert "1 image, 1 object" in pages[0]
