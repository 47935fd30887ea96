"""Which pictures are the best and worst, at which score, and what is drawn on them."""

import numpy as np
from coloured import Coloured
from in_memory import Pictures, predicted

from googlenet.detection.average_precision import evaluate
from googlenet.detection.detector import report_pictures
from googlenet.detection.detector.report_pictures import Balance, remarkable

A, B = (0, 0, 20, 20), (40, 0, 60, 20)
FAR = (70, 70, 90, 90)


def test_the_score_is_that_of_the_highest_f1():
    """3 objects; right at 0.9 and 0.6, wrong at 0.8 and 0.5: F1 is 2/4, 2/5, 4/6, 4/7."""
    data = Pictures([[(0, A), (0, B)], [(1, A)]])
    rows = [(0, 0, 0.9, A), (0, 0, 0.8, FAR), (1, 1, 0.6, A), (1, 0, 0.5, FAR)]
    balance = Balance(evaluate(predicted(rows, data), data, "voc2010"))
    assert balance.score == 0.6
    assert balance.right.tolist() == [1, 1]
    assert balance.wrong.tolist() == [1, 0]
    assert balance.missed.tolist() == [1, 0]
    assert balance.f1.tolist() == [0.5, 1]


def test_of_equal_scores_all_are_taken():
    data = Pictures([[(0, A)], [(0, A)]])
    rows = [(0, 0, 0.9, A), (1, 0, 0.9, FAR)]
    balance = Balance(evaluate(predicted(rows, data), data, "voc2010"))
    assert balance.score == 0.9
    assert balance.wrong.sum() == 1


def test_where_nothing_is_right_all_is_missed():
    data = Pictures([[(0, A)], []])
    balance = Balance(evaluate(predicted([(0, 0, 0.9, FAR)], data), data, "voc2010"))
    assert balance.missed.tolist() == [1, 0]
    assert balance.wrong.sum() == 0
    assert np.isnan(balance.f1[1])


def test_an_object_is_missed_that_no_right_detection_found():
    data = Pictures([[(0, A), (0, B), (1, A)]])
    rows = [(0, 0, 0.9, (41, 0, 61, 20)), (0, 0, 0.8, FAR), (0, 0, 0.7, (40, 1, 60, 21))]
    for protocol in ("voc2010", "ilsvrc", "coco"):
        found = evaluate(predicted(rows, data), data, protocol)
        balance = Balance(found)
        detections, objects = balance.shown(0)
        missed = balance.missed_of(detections, objects)
        assert sorted(tuple(found.truths.boxes[one].tolist()) for one in missed) == [A, A]


def test_pictures_are_shown_once_the_worst_first():
    images = Coloured(4)
    rows = [(index, 0, 0.9, tuple(images.objects(index).boxes[0].tolist())) for index in range(3)]
    rows += [(index, 1, 0.8, tuple(images.objects(index).boxes[1].tolist())) for index in (0, 2)]
    rows += [(2, 1, 0.85, (0, 0, 2, 2))]
    balance = Balance(evaluate(predicted(rows, images), images, "voc2010"))
    shown = {heading: [one.caption for one in found] for heading, found in remarkable(balance, images).items()}
    assert shown == {
        "Worst pictures": [
            *("3.png\n0 right, 0 wrong, 2 missed", "1.png\n1 right, 0 wrong, 1 missed"),
            "2.png\n2 right, 1 wrong, 0 missed",
        ],
        "Best pictures": ["0.png\n2 right, 0 wrong, 0 missed"],
    }


def drawn(rows: list) -> np.ndarray:
    """A grey picture with an object at 20 to 120."""
    data = Pictures([[(0, (20, 20, 120, 120))]])
    found = evaluate(predicted(rows, data), data, "coco")
    return np.asarray(report_pictures._draw(Balance(found), 0, np.full((560, 560, 3), 128, np.uint8)))


def strokes(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many times a colour begins along a line of pixels."""
    return int((np.diff((pixels == colour).all(1).astype(int), prepend=0) == 1).sum())


def test_lines_differ_in_form_and_not_in_colour_alone():
    """Down over the lower side of a box: one stroke where it is right, two where it is wrong; dashes along the side."""
    right, wrong = (0, 0, 0.8, (20, 20, 120, 120)), (0, 0, 0.9, (200, 200, 300, 300))
    picture = drawn([right, wrong])
    assert strokes(picture[90:140, 100], report_pictures._RIGHT) == 1
    assert strokes(picture[270:320, 280], report_pictures._WRONG) == 2
    side = drawn([(0, 0, 0.8, (300, 300, 340, 340))])[119, 20:120]
    assert strokes(side, (0, 0, 0)) > 3
    assert strokes(side, (255, 255, 255)) > 3
