"""Tables of four answers, worked by hand, and read back by Python's own reader."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from googlenet.evaluation.results import Row
from googlenet.evaluation.tables import ClassRow, class_rows, write_rows, write_tables
from googlenet.evaluation.validation import Outcome
from googlenet.weights.classes import Class

CLASSES = (Class("n1", "cat"), Class("n2", 'tabby, "tiger" cat'), Class("n3", "owl"), Class("n4", "eel"))
FIRST = np.array([[0, 1, 2, 3, -1], [1, 0, 2, 3, -1], [1, 2, 0, 3, -1], [0, 2, 1, 3, -1]])

OUTCOME = Outcome(
    classes=4,
    indices=np.array([0, 1, 3, 4]),  # image 2 could not be read
    labels=np.array([0, 0, 0, 1]),
    first=FIRST,
    probabilities=np.tile(np.array([0.5, 0.25, 0.125, 0.125, 0], np.float32), (4, 1)),
    ranks=np.array([0, 1, 0, 2]),  # image 3 is a tabby as well
    losses=np.zeros(4, np.float32),
    brier=np.zeros(4, np.float32),
)
DATA = SimpleNamespace(
    classes=CLASSES,
    labels=np.array([0, 0, 0, 0, 1]),
    truths=[(0,), (0,), (0,), (0, 1), (1,)],
    name=lambda index: ["a.jpg", "b, c.jpg", "bad.jpg", "caf\udce9\n.jpg", "d.jpg"][index],
)


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))


def test_recall_and_precision_by_hand():
    cat, tabby, owl, _ = class_rows(CLASSES, OUTCOME)
    assert cat == ClassRow("n1", "cat", images=2, right=1, answers=2)
    assert (cat.recall, cat.precision) == (0.5, 0.5)
    assert tabby == ClassRow("n2", CLASSES[1].name, images=2, right=1, answers=2)
    assert (owl.images, owl.recall, owl.recall_interval, owl.precision) == (0, None, None, None)


def test_classes_in_csv(tmp_path):
    write_tables(tmp_path, CLASSES, OUTCOME, DATA)
    header, *rows = read(tmp_path / "classes.csv")  # owls and eels neither came nor were answered
    assert header == ["id", "name", "images", "right", "recall", "recall_low", "recall_high", "answers", "precision"]
    assert [row[:5] + row[7:] for row in rows] == [
        ["n1", "cat", "2", "1", "0.5", "2", "0.5"],
        ["n2", 'tabby, "tiger" cat', "2", "1", "0.5", "2", "0.5"],
    ]
    assert [float(end) for end in rows[0][5:7]] == pytest.approx([0.0945, 0.9055], abs=1e-4)  # Wilson's, 1 of 2


def test_confusion_in_csv(tmp_path):
    write_tables(tmp_path, CLASSES, OUTCOME, DATA)
    name = CLASSES[1].name
    assert read(tmp_path / "confusion.csv") == [
        ["true_id", "true_name", "answered_id", "answered_name", "images"],
        ["n1", "cat", "n1", "cat", "1"],
        ["n1", "cat", "n2", name, "1"],
        ["n2", name, "n1", "cat", "1"],
        ["n2", name, "n2", name, "1"],
    ]


def test_images_in_csv_with_their_real_names(tmp_path):
    write_tables(tmp_path, CLASSES, OUTCOME, DATA)
    header, *rows = read(tmp_path / "images.csv")
    assert header[:5] == ["file", "truth", "rank", "id_1", "probability_1"]
    assert header[-2:] == ["id_5", "probability_5"]
    assert [row[:5] for row in rows] == [
        ["a.jpg", "n1", "1", "n1", "0.5"],
        ["b, c.jpg", "n1", "2", "n2", "0.5"],
        ["caf\udce9\n.jpg", "n1|n2", "1", "n2", "0.5"],
        ["d.jpg", "n2", "3", "n1", "0.5"],
    ]
    assert rows[0][5:] == ["n2", "0.25", "n3", "0.125", "n4", "0.125", "", ""]
    assert b"caf\xe9\n" in (tmp_path / "images.csv").read_bytes()


def test_rows_in_csv(tmp_path):
    write_rows(tmp_path / "rows.csv", [Row(("bvlc", "google"), "10", "max", OUTCOME, 20, 16.5, 0.25)])
    header, row = read(tmp_path / "rows.csv")
    found = dict(zip(header, row, strict=True))
    assert [float(found.pop(name)) for name in ("top1_low", "top1_high")] == pytest.approx([0.15, 0.85], abs=1e-3)
    assert found == {
        **{"row": "1", "models": "bvlc + google", "crops": "10", "combination": "max", "images": "4", "top1": "0.5"},
        **{"top5": "", "top5_low": "", "top5_high": "", "loss": "0.0"},  # of four classes
        **{"multiply_adds": "20", "multiply_adds_performed": "16.5", "seconds_per_image": "0.25"},
    }
