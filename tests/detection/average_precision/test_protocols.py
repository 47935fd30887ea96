"""Cases worked by hand, a published one, and the rules of VOC and ILSVRC written down once more, plainly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from in_memory import Pictures, predicted, random_set

from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.predictions import Predictions, predictions_of
from googlenet.detection.average_precision.protocols import PROTOCOLS
from googlenet.detection.boxes import as_boxes, from_inclusive, from_xywh, iou
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.detections import Detections
from googlenet.errors import InputError
from googlenet.weights.classes import Class

CAT, DOG = 0, 1
SQUARE = (0, 0, 100, 100)


def average(protocol, truths, rows, **more):
    data = Pictures(truths, **more)
    return evaluate(predicted(rows, data), data, protocol)


# The published case


@pytest.fixture
def case(shared: Path):
    folder = shared / "data/average-precision-case"
    return {
        name: json.loads((folder / f"{name}.json").read_text()) for name in ("ground-truths", "detections", "expected")
    }


def of_case(case, protocol, threshold, inclusive=True, order=None):
    """The mean average precision of the case, in one of its two conventions of pixels."""

    def boxes(rows):
        read = from_xywh([row["box_xywh"] for row in rows])
        return from_inclusive(read, 0) if inclusive else read

    names = case["detections"]["images"]
    truths = [[row for row in case["ground-truths"]["ground_truths"] if row["image"] == name] for name in names]
    person = (Class("person", "person"),)
    data = Pictures([[(0, tuple(box)) for box in boxes(rows).tolist()] for rows in truths], person)
    rows = case["detections"]["detections"]
    if order:
        rows = sorted(rows, key=lambda row: order.index(row["id"]) if row["id"] in order else -1)
    images = np.array([names.index(row["image"]) for row in rows])
    files = tuple(map(str, range(len(names))))
    scores = np.array([row["score"] for row in rows])
    predictions = Predictions(files, ("person",), images, np.zeros(len(rows), np.int64), boxes(rows), scores)
    return evaluate(predictions, data, replace(PROTOCOLS[protocol], thresholds=(threshold,)))


@pytest.mark.parametrize(("protocol", "key"), [("voc2007", "ap_11_point_exact"), ("voc2010", "ap_all_point_exact")])
def test_the_published_case(case, protocol, key):
    found = of_case(case, protocol, 0.3)
    assert found.mean == pytest.approx(case["expected"]["published"][key], abs=1e-9)
    assert int(found.matches.right.sum()) == case["expected"]["true_positives"]


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize(
    ("protocol", "key"), [("voc2007", "ap_11_point"), ("voc2010", "ap_all_point"), ("coco", "ap_101_point")]
)
def test_the_case_in_both_conventions_and_at_three_thresholds(case, row, protocol, key):
    expected = case["expected"]["computed"][row]
    found = of_case(case, protocol, expected["iou_threshold"], expected["pixel_convention"].startswith("inclusive"))
    assert found.mean == pytest.approx(expected[key], abs=1e-6)


@pytest.mark.parametrize(("protocol", "key"), [("voc2007", "11_point"), ("voc2010", "all_point")])
def test_of_equal_scores_the_order_of_the_file_decides(case, protocol, key):
    expected = case["expected"]["tie_sensitivity"][f"ap_{key}_if_Y_is_ranked_before_R"]
    assert of_case(case, protocol, 0.3, order=["Y", "R"]).mean == pytest.approx(expected, abs=1e-6)
    published = case["expected"]["published"][f"ap_{key}_exact"]
    assert of_case(case, protocol, 0.3, order=["R", "Y"]).mean == pytest.approx(published, abs=1e-6)


# Worked by hand

NESTED = [[(CAT, SQUARE), (CAT, (0, 0, 100, 90))]]
TWICE = [(0, CAT, 0.9, SQUARE), (0, CAT, 0.8, SQUARE)]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("voc2007", 6 / 11),  # the second is a duplicate: precision 1 at recalls 0 to 0.5
        ("voc2010", 1 / 2),
        ("ilsvrc", 1),  # the second finds the other object, at IoU 0.9
    ],
)
def test_a_detection_of_an_object_that_was_found_before(protocol, expected):
    assert average(protocol, NESTED, TWICE).mean == pytest.approx(expected)


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010", "ilsvrc", "coco"])
def test_one_object_is_found_once(protocol):
    """The first of three is right, and both objects are found at last: precision 1, then 2 of 3."""
    truths = [[(CAT, SQUARE), (CAT, (200, 0, 300, 100))]]
    rows = [*TWICE, (0, CAT, 0.7, (200, 0, 300, 100))]
    expected = {"voc2007": (6 + 5 * 2 / 3) / 11, "coco": (51 + 50 * 2 / 3) / 101}.get(protocol, (1 + 2 / 3) / 2)
    found = average(protocol, truths, rows)
    assert found.mean == pytest.approx(expected)
    assert found.errors["duplicate"].count == 1


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010", "ilsvrc", "coco"])
@pytest.mark.parametrize("mark", ["difficult", "crowd"])
def test_a_difficult_object_and_a_crowd_are_neither_rewarded_nor_punished(protocol, mark):
    """What lies on the marked object does not count, though it is the surest; a cat is found behind it."""
    truths = [[(CAT, SQUARE), (CAT, (200, 0, 300, 100))]]
    rows = [(0, CAT, 0.9, SQUARE), (0, CAT, 0.5, (200, 0, 300, 100))]
    found = average(protocol, truths, rows, **{mark: [[True, False]]})
    assert (found.mean, found.objects) == (1, (1, 0))


@pytest.mark.parametrize("protocol", ["voc2010", "ilsvrc", "coco"])
def test_an_overlap_of_exactly_the_threshold_is_enough(protocol):
    chosen = replace(PROTOCOLS[protocol], thresholds=(0.5,))
    assert average(chosen, [[(CAT, SQUARE)]], [(0, CAT, 0.9, (0, 0, 100, 50))]).mean == 1
    assert average(chosen, [[(CAT, SQUARE)]], [(0, CAT, 0.9, (0, 0, 100, 49.99))]).mean == 0


def test_three_of_ten_reach_the_fourth_of_eleven_points():
    """0.3 as floats have it lies above the fourth point, and below it as 3 / 10."""
    boxes = [(200 * place, 0, 200 * place + 100, 100) for place in range(10)]
    rows = [(0, CAT, 0.9 - place / 10, box) for place, box in enumerate(boxes[:3])]
    assert average("voc2007", [[(CAT, box) for box in boxes]], rows).mean == pytest.approx(4 / 11)


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010", "ilsvrc", "coco"])
def test_a_class_without_ground_truth_has_a_word_and_is_in_no_mean(protocol):
    rows = [(0, CAT, 0.9, SQUARE), (0, DOG, 0.9, SQUARE)]
    found = average(protocol, [[(CAT, SQUARE)]], rows)
    assert (found.mean, found.by_class) == (1, (1, None))
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["classes"] == {"cat": 1, "dog": "no ground truth"}
    assert "-1" not in json.dumps(told)


@pytest.mark.parametrize(
    ("side", "share", "found"),
    [
        (10, 0.25, True),  # 100 / 400
        (10, 0.24, False),
        (20, 0.45, True),  # 400 / 900
        (20, 0.44, False),
        (40, 0.5, True),  # 1600 / 2500 is more than a half
        (40, 0.49, False),
    ],
)
def test_ilsvrc_asks_less_of_small_objects(side, share, found):
    rows = [(0, CAT, 0.9, (0, 0, side, side * share))]
    assert average("ilsvrc", [[(CAT, (0, 0, side, side))]], rows).mean == found


def test_a_class_on_the_black_list_of_a_picture_does_not_count_there():
    """Its detections are neither right nor wrong in picture 0, and its object there is not asked for."""
    rows = [(0, CAT, 0.9, SQUARE), (0, CAT, 0.8, (300, 0, 400, 100)), (1, CAT, 0.7, SQUARE), (0, DOG, 0.6, SQUARE)]
    truths = [[(CAT, SQUARE), (DOG, SQUARE)], [(CAT, SQUARE)]]
    found = average("ilsvrc", truths, rows, excluded={0: frozenset({CAT})})
    assert (found.by_class, found.objects) == ((1, 1), (1, 1))


def test_nothing_detected_is_zero_and_nothing_to_detect_is_refused():
    assert average("coco", [[(CAT, SQUARE)]], []).mean == 0
    with pytest.raises(InputError, match="2 pictures, but no object to be found in them"):
        average("coco", [[(CAT, SQUARE)], []], [], difficult=[[True], []])


def test_what_the_data_set_has_not_is_left_out_and_counted():
    data = Pictures([[(CAT, SQUARE)]])
    files, ids = ("0", "elsewhere"), ("cat", "unicorn")
    images, labels = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 0])
    found = evaluate(Predictions(files, ids, images, labels, as_boxes([SQUARE] * 4), np.full(4, 0.5)), data, "voc2010")
    assert (found.mean, len(found.detected)) == (1, 1)
    assert found.left_out.pictures == {"elsewhere": 2}
    assert found.left_out.classes == {"unicorn": 1}


def test_too_many_detections_to_be_compared_are_refused_at_once():
    data = Pictures([[(CAT, SQUARE)], [(CAT, SQUARE)] * 5000])
    with pytest.raises(InputError, match=r"1\.jpg: 5,000 detections and 5,000 objects are too many"):
        evaluate(predicted([(1, CAT, 0.5, SQUARE)] * 5000, data), data, "voc2010")
    with pytest.raises(InputError, match=r"0\.jpg: 100,001 detections and 1 objects are too many"):
        evaluate(predicted([(0, CAT, 0.5, SQUARE)] * 100_001, data), data, "voc2010")


def test_as_many_overlaps_as_memory_should_not_hold_are_refused(monkeypatch):
    monkeypatch.setattr("googlenet.detection.average_precision.overlaps.MOST_PAIRS", 50)
    data = Pictures([[(CAT, SQUARE)] * 10])
    assert average("ilsvrc", data.objects_of, [(0, CAT, 0.5, SQUARE)] * 5).mean > 0
    with pytest.raises(InputError, match="over 50 detections lie over an object"):
        average("ilsvrc", data.objects_of, [(0, CAT, 0.5, SQUARE)] * 6)


def test_an_unknown_protocol_is_named():
    with pytest.raises(InputError, match="protocol 'voc2012' is none of voc2007, voc2010, ilsvrc, coco"):
        average("voc2012", [[(CAT, SQUARE)]], [])


@pytest.mark.parametrize("protocol", ["voc2007", "voc2010", "ilsvrc", "coco"])
@pytest.mark.parametrize("name", ["voc2007-100", "imagenet-val-100/boxes.json"])
def test_the_objects_of_a_data_set_as_its_predictions_are_all_right(shared, name, protocol):
    data = open_annotated(shared / "data" / name)
    found = [(data.name(index), data.objects(index)) for index in range(len(data))]
    given = predictions_of(
        Detections(path, (1, 1), one.boxes, tuple(data.classes[label].id for label in one.labels), np.ones(len(one)))
        for path, one in found
    )
    judged = evaluate(given, data, protocol)
    assert (judged.mean, {one.count for one in judged.errors.values()}) == (1, {0})
    assert sum(judged.objects) == sum(int((~one.difficult).sum()) for _, one in found)


# Once more, plainly


def plain_average(data, rows, label, protocol):
    """The area of one class, detection by detection and object by object."""
    boxes = [as_boxes([box for _, box in one]) for one in data.objects_of]
    labels = [[of for of, _ in one] for one in data.objects_of]
    taken, outcomes = set(), []
    keys = {"voc2010": lambda row: -row[2], "ilsvrc": lambda row: (-row[2], row[0])}
    for picture, _, _, box in sorted((row for row in rows if row[1] == label), key=keys[protocol]):
        overlaps = iou(as_boxes(box), boxes[picture])[0].tolist()
        candidates = [place for place, of in enumerate(labels[picture]) if of == label]
        if protocol == "ilsvrc":
            sizes = {place: boxes[picture][place, 2:] - boxes[picture][place, :2] for place in candidates}
            least = {place: min(0.5, np.prod(size) / np.prod(size + 10)) for place, size in sizes.items()}
            candidates = [
                place for place in candidates if (picture, place) not in taken and overlaps[place] >= least[place]
            ]
        best = max(candidates, key=lambda place: overlaps[place], default=None)
        if best is None or (protocol == "voc2010" and overlaps[best] < 0.5):
            outcomes.append(False)
            continue
        outcomes.append((picture, best) not in taken)
        taken.add((picture, best))
    right = np.cumsum(outcomes)
    precision = right / np.arange(1, len(right) + 1)
    positives = sum(of == label for one in labels for of in one)
    return sum(precision[place:].max() for place, hit in enumerate(outcomes) if hit) / positives


@pytest.mark.parametrize("protocol", ["voc2010", "ilsvrc"])
def test_sixty_random_sets_are_as_the_rules_say(protocol):
    checked = 0
    for seed in range(60):
        data, rows = random_set(seed)
        data.crowd = data.areas = None
        if not any(data.objects_of):
            continue
        found = evaluate(predicted(rows, data), data, protocol)
        for label, value in enumerate(found.by_class):
            if value is not None:
                assert value == pytest.approx(plain_average(data, rows, label, protocol), abs=1e-12), (seed, label)
                checked += 1
    assert checked > 80
