"""What a report shows of five answers, worked by hand."""

from dataclasses import replace

import numpy as np
from synthetic import Drawn, ranked

from googlenet.errors import InputError
from googlenet.evaluation.findings import class_scores, confusions, mistakes, shares
from googlenet.weights.classes import Class

CLASSES = (
    Class("n1", "crane"),
    Class("n2", "crane"),
    *(Class(f"n{number}", f"owl {number}") for number in range(3, 8)),
)
ANSWERED = np.array([[0], [1], [1], [2], [2]]).repeat(5, axis=1)
SURE = np.array([[0.9], [0.5], [0.75], [0.25], [1.0]], np.float32).repeat(5, axis=1)
OUTCOME = replace(  # all are cranes of the first kind; the last image is an owl as well
    ranked(np.array([0, 1, 3, 6, 0]), classes=7), first=ANSWERED, probabilities=SURE, indices=np.array([0, 1, 2, 4, 5])
)
DATA = Drawn(CLASSES, np.zeros(6, np.int32))


class Gone(Drawn):
    """Data whose third image was deleted after it was evaluated."""

    def read(self, index: int) -> bytes:
        if index == 2:
            raise InputError("gone")
        return super().read(index)


def test_shares_have_names_and_intervals() -> None:
    one, five = shares(OUTCOME, "a note")
    assert (one.name, one.value, one.interval, one.note) == (
        "Top-1",
        "40.0 %",
        "95 % interval 11.8 to 76.9 %",
        "a note",
    )
    assert (five.name, five.value, five.note) == ("Top-5", "80.0 %", "")
    assert [figure.name for figure in shares(replace(OUTCOME, classes=5))] == ["Top-1"]
    assert shares(replace(OUTCOME, labels=OUTCOME.labels[:0], ranks=OUTCOME.ranks[:0])) == []


def test_a_class_counts_under_what_it_was_rightly_called_and_cranes_by_their_ids() -> None:
    first, second, owl, *_ = class_scores(CLASSES, OUTCOME)
    assert (first.name, first.right, first.images, first.answers) == ("crane (n1)", 1, 4, 1)
    assert (second.name, second.right, second.images, second.answers) == ("crane (n2)", 0, 0, 2)
    assert (owl.name, owl.right, owl.images, owl.answers) == ("owl 3", 1, 1, 2)


def test_who_was_taken_for_whom() -> None:
    found = confusions(CLASSES, OUTCOME)
    assert found.counts == [(0, 0, 1), (0, 1, 2), (0, 2, 1), (2, 2, 1)]
    assert found.pairs == [("crane (n1)", "crane (n2)", 2, 0.5), ("crane (n1)", "owl 3", 1, 0.25)]


def test_the_surest_mistake_comes_first_and_names_the_place_of_the_truth() -> None:
    found = mistakes(DATA, CLASSES, OUTCOME)
    assert [one.caption for one in found] == [
        "75.0 % crane (n2)\ntruth: crane (n1), in place 4\n00002.png",
        "50.0 % crane (n2)\ntruth: crane (n1), in place 2\n00001.png",
        "25.0 % owl 3\ntruth: crane (n1), in place 7\n00004.png",
    ]
    assert all(one.correct is False and one.source.startswith("data:image/") for one in found)
    assert found[0].description == "The image 00002.png"


def test_an_image_that_is_gone_is_left_out() -> None:
    assert len(mistakes(Gone(CLASSES, DATA.labels), CLASSES, OUTCOME)) == 2
