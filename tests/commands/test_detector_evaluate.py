"""What `detector evaluate` prints and writes of cases worked by hand, in every form of predictions and truth."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from googlenet.__main__ import main
from googlenet.detection.average_precision.tide import ERRORS

XML = "<annotation><size><width>200</width><height>100</height></size>{}</annotation>"
OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures with a cat, one of them with a dog too; a cat is found, and a wrong one with less certainty."""
    monkeypatch.chdir(tmp_path)
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / "pets" / name).mkdir(parents=True)
    cat, dog = OBJECT.format("cat", 1, 1, 50, 50), OBJECT.format("dog", 101, 1, 150, 50)
    for name, objects in (("000001", cat + dog), ("000002", cat)):
        (tmp_path / f"pets/Annotations/{name}.xml").write_text(XML.format(objects))
    (tmp_path / "pets/ImageSets/Main/test.txt").write_text("000002\n")
    found = [{"box": [0, 0, 50, 50], "index": 0, "id": "cat", "name": "cat", "score": 0.9}]
    wrong = [{"box": [120, 60, 150, 90], "index": 0, "id": "cat", "name": "cat", "score": 0.4}]
    lines = [
        {"file": "pets/JPEGImages/000001.jpg", "image": [200, 100], "detections": found},
        {"file": "pets/JPEGImages/000002.jpg", "image": [200, 100], "detections": wrong},
    ]
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["detector", "evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


@pytest.mark.usefixtures("world")
def test_json(capsys):
    """One of two cats and no dog: 1/2 and 0; eleven points have 6 at precision 1."""
    found = told(capsys, "found.jsonl", "pets", "--protocol", "voc2010")
    assert found["protocol"] == "voc2010"
    assert found["images"] == 2
    assert found["mean_average_precision"] == pytest.approx(1 / 4)
    assert found["classes"] == {"cat": pytest.approx(1 / 2), "dog": 0}
    assert found["objects"] == {"cat": 2, "dog": 1}
    assert {name: one["count"] for name, one in found["errors"].items()} == {
        **dict.fromkeys(ERRORS, 0),
        **{"background": 1, "missed": 2},
    }
    low, high = found["mean_average_precision_interval"]
    assert low <= 1 / 4 <= high
    assert told(capsys, "found.jsonl", "pets", "--protocol", "voc2007")["classes"]["cat"] == pytest.approx(6 / 11)
    coco = told(capsys, "found.jsonl", "pets", "--protocol", "coco")
    assert coco["figures"]["AP50"] == pytest.approx(51 / 101 / 2)
    assert coco["figures"]["APs"] == "no ground truth"


@pytest.mark.usefixtures("world")
def test_a_split_has_its_own_pictures_and_classes_without_truth_have_a_word(capsys):
    assert main(["detector", "evaluate", "found.jsonl", "pets", "--protocol", "ilsvrc", "--split", "test"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("found.jsonl: ILSVRC: ")
    assert re.search(r"dog\s+0\s+0\s+no ground truth\s+-", printed.out)
    assert "1 detections are left out: TRUTH has no such pictures (pets/JPEGImages/000001.jpg)" in printed.err


@pytest.mark.usefixtures("world")
def test_a_list_is_a_truth_and_a_folder_of_voc_are_predictions(world, capsys):
    (world / "results").mkdir()
    (world / "results/comp4_det_test_cat.txt").write_text("000002 0.5 1 1 50 50\n")
    found = told(capsys, "results", "pets/ImageSets/Main/test.txt", "--protocol", "voc2007")
    assert found["mean_average_precision"] == 1


@pytest.mark.usefixtures("world")
def test_the_report(world, capsys):
    arguments = ["detector", "evaluate", "found.jsonl", "pets", "--protocol", "voc2010", "--report", "new/report"]
    assert main(arguments) == 0
    assert "new/report/report.html: the report" in capsys.readouterr().err
    folder = world / "new/report"
    page = " ".join((folder / "report.html").read_text().split())
    for words in (
        "Protocol voc2010.",
        "3 objects, 2 classes",
        "Most would be gained without errors of the type missed",
        'aria-label="cat: precision against recall; average precision 50.0 %"',
        "<dt>truth</dt><dd>pets</dd>",
    ):
        assert words in page
    behind = json.loads((folder / "average-precision.json").read_text(), parse_constant=pytest.fail)
    assert behind["classes"]["cat"] == 0.5
    assert (folder / "classes.csv").read_text().splitlines()[1].startswith("cat,cat,2,2,0.5,")
    assert (folder / "curves.csv").read_text() == "id,score,recall,precision\ncat,0.9,0.5,1\n"


@pytest.mark.usefixtures("world")
def test_several_are_rows_with_the_intervals_of_their_differences(world, capsys):
    """One finds the second cat too: 2/2 and 0 against 1/2 and 0."""
    lines = [json.loads(line) for line in (world / "found.jsonl").read_text().splitlines()]
    lines[1]["detections"][0]["box"] = [0, 0, 50, 50]
    (world / "more.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["found.jsonl", "more.jsonl", "pets", "--protocol", "voc2010"]
    found = told(capsys, *arguments)
    assert (found["protocol"], found["images"]) == ("voc2010", 2)
    assert [row["name"] for row in found["rows"]] == ["found.jsonl", "more.jsonl"]
    assert found["rows"][0] == {**told(capsys, "found.jsonl", *arguments[2:]), "name": "found.jsonl", "kind": {}}
    (difference,) = found["differences"]
    assert (difference["earlier"], difference["later"], difference["difference"]) == (0, 1, pytest.approx(1 / 4))
    assert difference["interval"][0] <= 1 / 4 <= difference["interval"][1]
    assert main(["detector", "evaluate", *arguments, "--report", "report"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"2 - 1\s+\+25.0\s+\[", printed)
    assert "Average precision of 2 detectors" in (world / "report/report.html").read_text()
    assert (world / "report/row-2/classes.csv").read_text().splitlines()[1].startswith("cat,cat,2,2,1.0,")


@pytest.mark.parametrize(
    ("turn", "complaint"),
    [
        (lambda x0, y0, x1, y1: [x0, y0, x1 - x0, y1 - y0], ""),
        (lambda x0, y0, x1, y1: [x0, y0, x1, y1], "1 of 2 boxes reach beyond their pictures: they may be corners"),
        (lambda x0, y0, x1, y1: [x0 / 200, y0 / 100, (x1 - x0) / 200, (y1 - y0) / 100], "may be shares of the picture"),
    ],
)
def test_boxes_of_another_convention_are_doubted(world, capsys, turn, complaint):
    """As COCO has them: corners in the place of a width and a height, and shares in that of pixels."""
    boxes = {"000001": (0, 0, 50, 50), "000002": (120, 60, 150, 90)}
    entries = [
        {"image_id": name, "category_id": "cat", "bbox": turn(*box), "score": 0.5} for name, box in boxes.items()
    ]
    (world / "coco.json").write_text(json.dumps(entries))
    for name in boxes:
        Image.new("RGB", (200, 100)).save(world / f"pets/JPEGImages/{name}.jpg")
    assert main(["detector", "evaluate", "coco.json", "pets", "--protocol", "voc2010"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == bool(complaint)
    assert all(complaint in line for line in warnings)


@pytest.mark.usefixtures("world")
def test_a_report_that_cannot_be_written_costs_no_figure(capsys, full_disk):
    with full_disk(100):
        assert main(["detector", "evaluate", "found.jsonl", "pets", "--protocol", "voc2010", "--report", "report"]) == 1
    printed = capsys.readouterr()
    assert "mean average precision 25.0 %" in printed.out
    assert re.fullmatch(r"googlenet: .*: cannot be written \(File too large\)\n", printed.err)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no.json", "pets", "--protocol", "coco"], "no.json: no such file or folder; check the path"),
        (["found.jsonl", "no", "--protocol", "coco"], "no: no such file or folder; check the path"),
        (
            ["found.jsonl", "pets", "--protocol", "coco", "--report", "found.jsonl"],
            "found.jsonl: found.jsonl is no folder",
        ),
        (["pets/Annotations", "pets", "--protocol", "coco"], "pets/Annotations: no .txt file in it"),
        (["found.jsonl", "pets"], "--protocol"),
        (["found.jsonl", "--protocol", "coco"], "DETECTOR or PREDICTIONS, and TRUTH, are needed"),
        (["found.jsonl", "pets", "--protocol", "voc"], "voc"),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_cannot_be_begun_is_one_line(capsys, arguments, complaint):
    assert main(["detector", "evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_it_needs_no_torch(world):
    program = (
        "import sys; from googlenet.__main__ import main;"
        "main(['detector', 'evaluate', 'found.jsonl', 'pets', '--protocol', 'coco', '--report', 'report']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=world).returncode == 0
