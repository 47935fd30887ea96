"""The localisation error against a case worked by hand, overlaps against counted pixels, and files that are wrong."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.errors import InputError
from googlenet.evaluation.localisation import localisation

TRUTHS = {
    "a.jpg": [{"wnid": "cat", "box": [0, 0, 9, 9]}],
    "b.jpg": [{"id": "cat", "box": [0, 0, 9, 9]}, {"id": "dog", "box": [20, 20, 29, 29]}],
    "c.jpg": [{"wnid": "eel", "box": [5, 5, 5, 5]}, {"wnid": "eel", "box": [0, 0, 0, 3]}],
    "d.jpg": [],
    "e.jpg": [{"wnid": "cat", "box": [0, 0, 9, 9]}],
}
GUESSES = {
    "photos/a.jpg": [("cat", [0, 0, 10, 4.9]), ("cat", [0, 0, 10, 5])],  # 49 of 100 pixels, 50 of 100
    "b.jpg": [
        ("owl", [20, 20, 30, 30]),  # class wrong
        ("dog", [0, 0, 10, 10]),  # where the cat is
        ("cat", [5, 0, 15, 10]),  # 50 of 150
        ("dog", [21, 20, 31, 30]),  # 90 of 110
    ],
    "c.jpg": [("eel", [0, 0, 1, 4])],  # the second of two
    "d.jpg": [("cat", [0, 0, 1, 1])],
    "e.jpg": [],
}


def lines(guesses: dict) -> str:
    rows = [
        {"file": name, "predictions": [{"id": id_, "name": id_, "box": box} for id_, box in of_image]}
        for name, of_image in guesses.items()
    ]
    return "\n".join(map(json.dumps, rows)) + "\n"


@pytest.fixture
def judge(tmp_path):
    def run(predictions: str, truths: str = json.dumps(TRUTHS)):
        (tmp_path / "boxes.jsonl").write_text(predictions, encoding="utf-8", errors="surrogateescape")
        (tmp_path / "truths.json").write_text(truths)
        return localisation(tmp_path / "boxes.jsonl", tmp_path / "truths.json")

    return run


def test_a_case_by_hand(judge):
    found = judge(lines(GUESSES))
    assert found.localised.tolist() == [1, 3, 0, 5]  # a, b, c, e
    assert found.classified.tolist() == [0, 1, 0, 5]
    assert found.left_out == 1
    said = found.to_json()
    assert (said["images"], said["left_out"]) == (4, 1)
    assert (said["localisation_error_top1"], said["localisation_error_top5"]) == (0.75, 0.25)
    assert (said["classification_error_top1"], said["classification_error_top5"]) == (0.5, 0.25)
    low, high = said["localisation_error_top5_interval"]
    assert low < 0.25 < high


def test_the_order_of_the_lines_does_not_matter(judge):
    found = judge(lines(dict(reversed(GUESSES.items()))) + "\n")
    assert found.localised.tolist() == judge(lines(GUESSES)).localised.tolist()


BOXES = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6))


@settings(max_examples=80, deadline=None)
@given(BOXES, BOXES)
def test_boxes_match_where_half_of_their_pixels_do(tmp_path_factory, one, other):
    (x0, y0, w, h), (u0, v0, u, v) = one, other
    pixels = np.zeros((2, 12, 12), bool)
    pixels[0, y0 : y0 + h, x0 : x0 + w] = pixels[1, v0 : v0 + v, u0 : u0 + u] = True
    folder = tmp_path_factory.getbasetemp()
    (folder / "boxes.jsonl").write_text(lines({"a.jpg": [("cat", [x0, y0, x0 + w, y0 + h])]}))
    truth = {"a.jpg": [{"wnid": "cat", "box": [u0, v0, u0 + u - 1, v0 + v - 1]}]}
    (folder / "truths.json").write_text(json.dumps(truth))
    matches = 2 * pixels.all(axis=0).sum() >= pixels.any(axis=0).sum()
    assert localisation(folder / "boxes.jsonl", folder / "truths.json").localised[0] == (0 if matches else 5)


def test_the_annotated_boxes_of_ilsvrc_are_right(shared, tmp_path):
    file = shared / "data" / "imagenet-val-100" / "boxes.json"
    guesses = {}
    for name, found in json.loads(file.read_text()).items():
        x0, y0, x1, y1 = found[-1]["box"]
        guesses[name] = [("n00000000", [x0, y0, x1 + 1, y1 + 1]), (found[-1]["wnid"], [x0, y0, x1 + 1, y1 + 1])]
    (tmp_path / "boxes.jsonl").write_text(lines(guesses))
    found = localisation(tmp_path / "boxes.jsonl", file)
    assert found.localised.tolist() == found.classified.tolist() == [1] * 100


def changed(**guesses: list) -> str:
    return lines({**GUESSES, **{f"{name}.jpg": given for name, given in guesses.items()}})


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (lines({"a.jpg": []}), r"boxes.jsonl: 3 of 4 images are not there \(b.jpg, c.jpg, e.jpg\); give"),
        (lines({"z.jpg": []}), r"boxes.jsonl, line 1: .*truths.json has no image z.jpg; leave"),
        (lines({"b.jpg": [], "x/b.jpg": []}), r"line 2: b.jpg stands in line 1 already"),
        (changed(b=[("cat", [0, 0, 1, 1])] * 6), r"line 2: 6 predictions, of which 5 count; keep the best"),
        (changed(b=[("cat", [0, 0, 1, 1]), ("cat", [3, 0, 3, 1])]), r"line 2, prediction 2: a box without area, \[3"),
        (changed(b=[("cat", [0, 0, 1])]), r"line 2, prediction 1: box: expected 4 values, found 3"),
        (changed(b=[("cat", [0, 0, 1, float("nan")])]), r"line 2: not JSON \(NaN is none of its numbers\)"),
        (changed(b=[("cat", [0, 0, 1, 1e308])]), r"line 2, prediction 1: a box beyond 1,000,000,000 pixels"),
        ('{"file": "b.jpg", "predictions": [], "predictions": []}', r"line 1: 'predictions' is there twice; keep one"),
        (changed(b=[(7, [0, 0, 1, 1])]), r"prediction 1: id: expected a text, found 7"),
        (changed(b=[(None, [0, 0, 1, 1])]), r"prediction 1: field 'id' is missing"),
        ('{"file": "b.jpg", "predictions": [3]}', r"line 1, prediction 1: expected an object, found 3"),
        ('{"file": "b.jpg"}\n', r'line 1: expected {"file": ..., "predictions": \[...\]}, found {"file": "b.jpg"}'),
        ("\n{", r"line 2: not JSON \("),
        ("[" * 60000, r"line 1: not JSON"),
        ("x" * 70000, r"line 1: over 65536 bytes, which is no prediction"),
        ("\udcff\n", r"line 1: not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_predictions_is_named_with_its_line(judge, predictions, message):
    with pytest.raises(InputError, match=message):
        judge(predictions)


@pytest.mark.parametrize(
    ("truths", "message"),
    [
        ("{", "truths.json: not JSON"),
        ("[]", "truths.json: expected an object of images"),
        ('{"a.jpg": 3}', "truths.json: expected an object of images"),
        ('{"a.jpg": []}', "truths.json: no image has a box"),
        ('{"a.jpg": [{"wnid": "cat", "box": [0, 3, 9, 2]}]}', r"a.jpg, box 1: a box without area, \[0.0, 3"),
        ('{"a.jpg": [], "b.jpg": [], "a.jpg": []}', "truths.json: 'a.jpg' is there twice; keep one of them"),
        ('{"a.jpg": [{"wnid": "cat", "box": [-1e308, 0, 1e308, 2]}]}', "a.jpg, box 1: a box beyond"),
        (lines(GUESSES), "truths.json: predictions, where the truths belong; give the predictions first"),
        (lines({"a.jpg": []}), "truths.json: predictions, where the truths belong"),
        ('{"a.jpg": [{"wnid": "cat"}]}', "a.jpg, box 1: field 'box' is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_truths_is_named_with_its_image(judge, truths, message):
    with pytest.raises(InputError, match=message):
        judge(lines({"a.jpg": []}), truths)


def test_a_file_that_is_not_there_is_named(tmp_path):
    (tmp_path / "truths.json").write_text(json.dumps(TRUTHS))
    for predictions, truths, missing in (("no", "truths.json", "no"), ("truths.json", "no", "no")):
        with pytest.raises(InputError, match=f"{missing}: cannot be read"):
            localisation(tmp_path / predictions, tmp_path / truths)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.booleans())
def test_damaged_files_give_one_line(tmp_path_factory, damage, place, of_truths):
    folder = tmp_path_factory.getbasetemp()
    contents = [lines(GUESSES).encode(), json.dumps(TRUTHS).encode()]
    contents[of_truths] = contents[of_truths][:place] + damage + contents[of_truths][place + len(damage) :]
    for name, content in zip(("boxes.jsonl", "truths.json"), contents, strict=True):
        (folder / name).write_bytes(content)
    refusal = ""
    try:
        localisation(folder / "boxes.jsonl", folder / "truths.json")
    except InputError as error:
        refusal = str(error)
    assert refusal.isprintable()
