"""Pages, read back with the standard library's parser: what a browser would see, and that it would load nothing."""

import subprocess
import sys
from html.parser import HTMLParser

import jinja2
import numpy as np
import pytest

from googlenet.reporting.html import (
    Bar,
    ClassScore,
    ConfidenceBin,
    Confusion,
    Figure,
    Illustration,
    Table,
    between,
    render,
    share,
)
from googlenet.reporting.pictures import data_uri

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
PICTURE = data_uri(np.zeros((2, 2), np.uint8))
VOID = {"meta", "img"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open[-1:] != ["style"] and text.strip():
            self.words.append(" ".join(text.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def training(**values: object) -> Page:
    return Page(render("training.html", **({"title": "t", "classes": [], "confusion": None, "mistakes": []} | values)))  # type: ignore[arg-type]


def test_every_value_is_escaped() -> None:
    text = render(
        "training.html",
        title=HOSTILE,
        subtitle=HOSTILE,
        figures=[Figure(HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
        charts=[Illustration(PICTURE, HOSTILE)],
        tables=[Table([HOSTILE], [[HOSTILE]], HOSTILE)],
        pictures={HOSTILE: [Illustration(HOSTILE, HOSTILE, True)]},
        command=HOSTILE,
        recipe={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        hardware={HOSTILE: HOSTILE},
        classes=[ClassScore(HOSTILE, 1, 2, 3, (0.1, 0.9)), ClassScore(HOSTILE, 0, 0, 0)],
        confusion=Confusion([HOSTILE, HOSTILE], [(0, 0, 1), (0, 1, 2), (1, 1, 3)]),
        mistakes=[Illustration(PICTURE, HOSTILE, False)],
    )
    page = Page(text)
    assert "<script" not in text
    assert page.all("script") == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.words.count(HOSTILE) == 31  # title and headings twice, and once each of the others


def test_a_page_loads_nothing() -> None:
    text = render("training.html", title="t", mistakes=[Illustration(PICTURE, "m", False)], classes=[], confusion=None)
    page = Page(text)
    assert [image["src"] for image in page.all("img")] == [PICTURE]
    assert {name for name, _ in page.elements}.isdisjoint({"script", "link", "iframe", "object", "embed", "base"})
    assert all(str(link["href"]).startswith("#") for link in page.all("a"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    policies = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_page_knows_dark_print_and_narrow() -> None:
    text = render("page.html", title="t")
    assert text.startswith("<!DOCTYPE html>")
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in Page(text).all("meta")


def test_many_sections_are_listed_first_and_can_be_skipped() -> None:
    names = ["The rows", "1 <crop>", "Each class", "Errors"]
    page = Page(render("page.html", title="t", pictures=dict.fromkeys(names, ())))
    assert page.words == ["t", "Skip to the results", "t", *names, *names]
    anchors = [str(link["href"]) for link in page.all("a")]
    assert anchors == ["#results", "#the-rows", "#1-crop", "#each-class", "#errors"]
    assert [f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes] == anchors
    assert Page(render("page.html", title="t", pictures=dict.fromkeys(names[:3], ()))).all("a") == []


def test_what_is_not_given_leaves_no_trace() -> None:
    assert Page(render("page.html", title="only this")).words == ["only this", "only this"]
    assert training().words == ["t", "t"]


def test_a_report_says_all_in_order() -> None:
    page = training(
        title="googlenet on flowers",
        figures=[share("top-1", 0.905, (0.8566, 0.9386), "200 images"), Figure("time", "12 min 03 s")],
        charts=[Illustration(PICTURE, "loss and accuracy")],
        classes=[ClassScore("roses", 25, 40, 50, (0.47, 0.758))],
        mistakes=[Illustration(PICTURE, "99.1 % tulips\ntruth: roses", False)],
        tables=[Table(["head", "images"], [["classifier", 1234], ["auxiliary_4a", None]], "Heads")],
        command="googlenet train flowers -o runs/flowers",
        recipe={"epochs": 20, "averaging": None},
        versions={"torch": "2.13.0"},
        hardware={"processor": "2 cores"},
    )
    assert page.words[1:] == [
        *("Skip to the results", "googlenet on flowers"),
        *("Each class", "The worst mistakes", "Heads", "How this was made"),
        *("top-1", "90.5 %", "95 % interval 85.7 to 93.9 %", "200 images", "time", "12 min 03 s"),
        "loss and accuracy",
        "Each class",
        "The lowest recall first. The bar is the recall (of the class's images, how many were recognised), the line"
        " through its end the interval. Precision: of the images taken for the class, how many belong to it.",
        *("class", "recall", "0 to 100 %", "95 % interval", "precision", "right", "images", "answers"),
        *("roses", "62.5 %", "47.0 to 75.8 %", "50.0 %", "25", "40", "50"),
        *("The worst mistakes", "Where the network was surest and wrong.", "✗", "99.1 % tulips truth: roses"),
        *("Heads", "head", "images", "classifier", "1,234", "auxiliary_4a", "-"),
        *("How this was made", "googlenet train flowers -o runs/flowers"),
        *("Recipe", "epochs", "20", "averaging", "none", "Versions", "torch", "2.13.0"),
        *("Hardware", "processor", "2 cores"),
    ]


def test_the_worst_class_comes_first_and_one_without_images_last() -> None:
    scores = [ClassScore("a", 9, 10, 9), ClassScore("b", 0, 0, 2), ClassScore("c", 0, 4, 0), ClassScore("d", 1, 2, 3)]
    page = training(classes=scores)
    assert [word for word in page.words if word in "abcd"] == ["c", "d", "a", "b"]


def test_bars_and_intervals_have_the_lengths_of_their_values() -> None:
    page = training(classes=[ClassScore("roses", 25, 40, 50, (0.47, 0.758))])
    styles = [span["style"] for span in page.all("span") if "style" in span]
    assert styles == ["width: 62.50%", "left: 47.00%; width: 28.80%"]


def test_more_than_forty_classes_are_folded_after_twenty() -> None:
    page = training(classes=[ClassScore(f"class {index}", index, 1000, 1000) for index in range(1000)])
    assert "The other 980 classes" in page.words
    assert len([word for word in page.words if word.startswith("class ")]) == 1000
    folded = page.words.index("The other 980 classes")
    assert page.words.index("class 19") < folded < page.words.index("class 20")
    assert training(classes=[ClassScore("x", 1, 2, 3)] * 40).all("details") == []


def test_few_classes_give_a_matrix_with_its_shares() -> None:
    page = training(confusion=Confusion(["ash", "beech", "cedar"], [(0, 0, 3), (0, 2, 1), (1, 1, 2000)]))
    assert page.words[-12:] == [
        *("Confusion matrix", page.words[-11], "truth", "ash", "beech", "cedar"),
        *("ash", "3", "1", "beech", "2,000", "cedar"),
    ]
    cells = page.all("td")
    assert [cell["class"] for cell in cells] == [("same" if n % 4 == 0 else "other") for n in range(9)]
    shares = ["--share: 75.0%", None, "--share: 25.0%", None, "--share: 100.0%", None, None, None, None]
    assert [cell.get("style") for cell in cells] == shares


def test_some_classes_give_a_picture_of_their_shares_and_the_confusions_in_numbers() -> None:
    names = [f"class {number}" for number in range(50)]
    page = training(confusion=Confusion(names, [(0, 0, 3), (0, 2, 1), (49, 1, 2000)]))
    assert page.words[2] == "Confusion matrix"
    assert page.words[4:104] == [name for name in names for _ in range(2)]
    assert page.words[104:] == [
        *("truth", "answered", "images", "of the truth's"),
        *("class 49", "class 1", "2,000", "100.0 %", "class 0", "class 2", "1", "25.0 %"),
    ]
    cells = [(cell["class"], cell["style"], cell["title"]) for cell in page.all("i") if "style" in cell]
    assert cells == [
        ("same", "grid-area: 2 / 2; --share: 75.0%", "class 0, answered class 0: 3 images, 75.0 %"),
        ("other", "grid-area: 2 / 4; --share: 25.0%", "class 0, answered class 2: 1 images, 25.0 %"),
        ("other", "grid-area: 51 / 3; --share: 100.0%", "class 49, answered class 1: 2,000 images, 100.0 %"),
    ]


def test_many_classes_give_the_most_frequent_confusions() -> None:
    names = [f"class {number}" for number in range(51)]
    page = training(confusion=Confusion(names, [(0, 0, 9), (0, 1, 3), (0, 2, 8), (3, 4, 3)]))
    assert page.words[2:] == [
        *("The most frequent confusions", "truth", "answered", "images", "of the truth's"),
        *("class 0", "class 2", "8", "40.0 %"),
        *("class 3", "class 4", "3", "100.0 %"),
        *("class 0", "class 1", "3", "15.0 %"),
    ]
    assert "There is none." in training(confusion=Confusion(names, [(0, 0, 9)])).words


def test_numbers_in_tables_stand_to_the_right() -> None:
    page = Page(render("page.html", title="t", tables=[Table(["name", "n"], [["a", 1], ["b", 2.5]])]))
    assert [cell.get("class") for cell in page.all("td")] == [None, "number"] * 2
    assert [cell.get("class") for cell in page.all("th")] == [None, "number"]


def test_a_table_has_names_for_rows_and_groups_of_columns() -> None:
    table = Table(
        ["row", "top-1", "interval"], [[1, Bar(0.5, (0.2, 0.75)), "−1.0 to +2.5"]], "t", [("", 1), ("us", 2)], 1
    )
    page = Page(render("page.html", title="t", tables=[table]))
    assert page.words[3:] == ["us", "row", "top-1", "interval", "1", "50.0 %", "20.0 to 75.0 %", "−1.0 to +2.5"]
    assert [(head.get("scope"), head.get("colspan")) for head in page.all("th")] == [
        *(("colgroup", "2"), ("col", None), ("col", None), ("col", None), ("row", None)),
    ]
    assert [cell.get("class") for cell in page.all("td")] == [None, "share", "number"]
    assert [span["style"] for span in page.all("span") if "style" in span] == [
        *("width: 50.00%", "left: 20.00%; width: 55.00%"),
    ]


def test_a_reliability_diagram_has_its_points_where_its_bins_say() -> None:
    """The square of the diagram is 290 x 290 at (50, 10)."""
    bins = [ConfidenceBin(0, 0.5, 0, None, None), ConfidenceBin(0.5, 1, 8, 0.8, 0.5, (0.2, 0.8))]
    given = {"words": [], "rows": None, "table_3": None, "compared": None, "unreadable": None, "lacking": None}
    table = Table(["row"], [[1]], "Calibration")
    page = Page(
        render(
            "evaluation.html",
            **given,  # type: ignore[arg-type]
            **{"title": "t", "calibration": table, "bins": bins, "details": "", "left_out": (0, 0)},
            **{"classes": [], "confusion": None, "mistakes": []},
        )
    )
    assert [(point["cx"], point["cy"]) for point in page.all("circle")] == [("282.0", "155.0")]
    assert [path["d"] for path in page.all("path") if path["class"] == "whisker"] == ["M282.0 242.0V68.0"]
    bar = next(rect for rect in page.all("rect") if rect["class"] == "length")
    assert (bar["x"], bar["y"], bar["width"], bar["height"]) == ("196.0", "155.0", "143.0", "145.0")
    assert page.words[-10:] == [
        *("0.0 to 50.0 %", "0", "-", "-", "-"),
        *("50.0 to 100.0 %", "8", "80.0 %", "50.0 %", "20.0 to 80.0 %"),
    ]


def test_pictures_are_marked_in_form_not_only_in_colour() -> None:
    shown = [Illustration(PICTURE, "a", True), Illustration(PICTURE, "b", False), Illustration(PICTURE, "c")]
    page = Page(render("page.html", title="t", pictures={"Answers": shown}))
    assert page.words[2:] == ["Answers", "✓", "a", "✗", "b", "c"]
    assert [mark["aria-label"] for mark in page.all("b")] == ["correct", "wrong"]
    assert [figure["class"] for figure in page.all("figure")] == ["right", "wrong", "unknown"]


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="classes"):
        render("training.html", title="t", mistakes=[], confusion=None)


def test_a_file_name_that_is_no_text_can_be_written() -> None:
    render("page.html", title="a\udcffb").encode()
    assert "a\\udcffb" in render("page.html", title="a\udcffb")


def test_intervals_are_in_percent() -> None:
    assert between((0.0645, 0.0689)) == "6.5 to 6.9 %"


def test_the_kit_needs_no_torch_and_no_global_pyplot() -> None:
    program = """
import sys
from googlenet.reporting import console, curves, html, pictures, progress, sheet
print({"torch", "matplotlib.pyplot"} & sys.modules.keys())
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.stderr) == ("set()\n", "")
