"""Predictions in the files of COCO, of VOC and of this package say the same; what does not fit is named."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from googlenet.detection.average_precision.json_entries import json_entries
from googlenet.detection.average_precision.predictions import predictions_of, read_predictions
from googlenet.detection.detections import Detections
from googlenet.errors import InputError

BOXES = [[10, 20, 30, 60], [0, 0, 8, 8.5], [1, 2, 3, 4]]
CLASSES, SCORES, IMAGES = ["cat", "dog", "cat"], [0.5, 0.25, 0.75], ["7", "7", "12"]

COCO = [
    {"image_id": int(image), "category_id": of, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
    for image, of, (x0, y0, x1, y1), score in zip(IMAGES, CLASSES, BOXES, SCORES, strict=True)
]
LINES = [
    {"file": image, "image": [90, 90], "detections": [
        {"box": box, "index": 0, "id": of, "name": of, "score": score}
        for box, of, score, its in zip(BOXES, CLASSES, SCORES, IMAGES, strict=True) if its == image
    ]} for image in ("7", "12")
]  # fmt: skip


def write_voc(folder: Path) -> Path:
    folder.mkdir()
    for name in ("cat", "dog"):
        rows = zip(IMAGES, CLASSES, BOXES, SCORES, strict=True)
        lines = [
            f"{image} {score} {x0 + 1} {y0 + 1} {x1} {y1}\n"
            for image, of, (x0, y0, x1, y1), score in rows
            if of == name
        ]
        (folder / f"comp4_det_test_{name}.txt").write_text("".join(lines))
    return folder


def written(folder: Path, kind: str) -> Path:
    if kind == "voc":
        return write_voc(folder / "results")
    path = folder / "predictions"
    path.write_text(json.dumps(COCO) if kind == "coco" else "".join(json.dumps(line) + "\n" for line in LINES))
    return path


@pytest.mark.parametrize("kind", ["coco", "voc", "lines"])
def test_a_file_is_known_by_its_content(tmp_path, kind):
    found = read_predictions(written(tmp_path, kind))
    rows = zip(found.images, found.labels, found.boxes.tolist(), found.scores.tolist(), strict=True)
    told = {(found.files[image], found.ids[label], *box, score) for image, label, box, score in rows}
    given = zip(IMAGES, CLASSES, BOXES, SCORES, strict=True)
    assert told == {(image, of, *box, score) for image, of, box, score in given}


def test_detections_in_memory_are_the_same(tmp_path):
    found = predictions_of(
        Detections(image, (90, 90), np.array([BOXES[place] for place in of]), tuple(CLASSES[place] for place in of),
                   np.array([SCORES[place] for place in of]))
        for image, of in (("7", [0, 1]), ("12", [2]))
    )  # fmt: skip
    read = read_predictions(written(tmp_path, "lines"))
    assert (found.files, found.ids) == (read.files, read.ids)
    assert np.array_equal(found.boxes, read.boxes)


def test_a_single_file_of_voc_and_one_that_is_named_after_its_class(tmp_path):
    (tmp_path / "potted_plant.txt").write_text("2007_000027 0.5 1 1 10 10\n\n")
    found = read_predictions(tmp_path / "potted_plant.txt")
    assert (found.files, found.ids, found.boxes.tolist()) == (("2007_000027",), ("potted_plant",), [[0, 0, 10, 10]])
    (tmp_path / "comp3_det_val_potted_plant.txt").write_text("")
    assert len(read_predictions(tmp_path / "comp3_det_val_potted_plant.txt")) == 0


@pytest.mark.parametrize("size", [3, 40_000])
def test_a_list_is_read_in_pieces_that_do_not_show(tmp_path, size):
    """The longer one takes several pieces of 2^20 characters, cut wherever they end."""
    entries = [{"number": number, "text": 'a "quoted" } é ]' * (number % 4)} for number in range(size)]
    path = tmp_path / "list.json"
    path.write_text("\ufeff \n" + json.dumps(entries, indent=1, ensure_ascii=size > 3), encoding="utf-8")
    assert list(json_entries(path)) == entries


def entry(**changes):
    return json.dumps([COCO[0] | changes])


def line(**changes):
    return json.dumps({"file": "a.jpg", "detections": [LINES[0]["detections"][0] | changes]})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[1]", "entry 1: not a list of JSON .expected an object, found 1"),
        ('[{"image_id": 1}', "entry 1: 'bbox' is missing"),
        (json.dumps(COCO)[:-1], "entry 3: not a list of JSON .expected ,, found the end"),
        (json.dumps(COCO) + "]", "entry 3: not a list of JSON .something follows"),
        (json.dumps(COCO)[:-30], "entry 3: not a list of JSON"),
        (entry(score=None), "entry 1: score null: expected a number"),
        (entry(score="1"), 'score "1": expected a number'),
        (entry(score=True), "score true: expected a number"),
        (entry(score=float("nan")), "entry 1: not a list of JSON .NaN is no number"),
        (entry(bbox=[1, 2, 3]), "bbox .1, 2, 3.: expected 4 numbers"),
        (entry(bbox=[0, 0, -1, 5]), "a box that ends before it begins"),
        (entry(bbox=[0, 0, 1e300, 5]), "lies beyond 1,000,000,000 pixels"),
        (entry(bbox=[10**400] * 4), "a number beyond what floats hold"),
        (entry(image_id=[1]), "image_id .1.: expected a text or a whole number"),
        (entry(category_id=1.5), "category_id 1.5: expected"),
        ("[" * 100_000, "not a list of JSON"),
        ('[{"a":' + "[" * 100_000, "entry 1: not a list of JSON"),
        ('[{"a": ' + "9" * 5000 + "}]", "entry 1: not a list of JSON"),
        ('{"images": [], "annotations": []}', "line 1: expected .*detections.*, found {.images"),
        ("{\n", "line 1: not JSON"),
        (line() + "\n" + line(), r"line 2: a\.jpg stands in a line before already"),
        (line(score=None), "line 1, detection 1: score null"),
        (line(box=[5, 5, 1, 1]), "a box that ends before it begins"),
        (line(id=None), "detection 1: id null: expected a text"),
        ('{"file": "a", "detections": [7]}', "detection 1: expected an object, found 7"),
        ('{"file": "a", "detections": 7}', "line 1: expected"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "predictions.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"predictions\.json, .*{complaint}") as caught:
        read_predictions(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a 0.5 1 1 10\n", r"cat\.txt, line 1: expected picture, score and four corners, found 'a 0.5 1 1 10'"),
        (b"a 0.5 1 1 10 10\na 0.5 x 1 10 10\n", "line 2: expected picture"),
        (b"a nan 1 1 10 10\n", "line 1: score nan"),
        (b"a 0.5 1 1 inf 10\n", "line 1: a box that ends before"),
        (b"a 0.5 9 1 3 10\n", "line 1: a box that ends before it begins"),
        (b"\xff\xfe 0.5 1 1 10 10\n", "line 1: not UTF-8"),
    ],
)
def test_what_is_wrong_in_a_file_of_voc_is_named(tmp_path, content, complaint):
    (tmp_path / "cat.txt").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_predictions(tmp_path)


def test_what_holds_no_predictions(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"no \.txt file in it"):
        read_predictions(tmp_path)
    with pytest.raises(InputError, match=r"holiday\.jpg: no predictions; give COCO's results"):
        read_predictions(tmp_path / "holiday.jpg")
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read"):
        read_predictions(tmp_path / "nowhere.json")


def test_an_entry_without_an_end_is_given_up_after_four_pieces(tmp_path):
    path = tmp_path / "endless.json"
    path.write_text('[{"a": [' + "7," * (1 << 24))
    start = time.process_time()
    with pytest.raises(InputError, match=r"entry 1: not a list of JSON .an entry of over 4,194,304 characters"):
        read_predictions(path)
    assert time.process_time() - start < 5
