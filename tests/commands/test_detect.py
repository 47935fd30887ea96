"""`googlenet detect` and a detector in `detector evaluate`: all forms of output, broken pictures, and mistakes."""

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from googlenet.__main__ import main
from googlenet.commands.detector_train import _told
from googlenet.detection.detector.file import save_detector, save_detector_ensemble
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.regions.background import BACKGROUND
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class

CPU = ["--device", "cpu", "--engine", "torch"]


def make(path, seed):
    network = Network(specification("googlenet-tiny", classes=3, width=0.25))
    initialise(network, "gaussian", seed)
    weights = dict(network.state_dict())
    weights["classifier.bias"] = weights["classifier.bias"] + weights["classifier.bias"].new_tensor([3.0, 0.0, 0.0])
    settings = DetectorSettings((ProposedBy("selective-search:single"),), 30)
    classes = (Class("n1", "dog, hound"), Class("кот", "кот"), BACKGROUND)
    save_detector(path, Checkpoint(network.specification, classes, weights), settings)
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return make(tmp_path_factory.mktemp("detector") / "detector.safetensors", 0)


def test_json_is_as_the_design_has_it(detector, broken, capsys):
    assert main(["detect", str(detector), str(broken), "--json", *CPU]) == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 4
    (failed,) = [line for line in lines if "error" in line]
    assert failed["file"].endswith("broken.png")
    assert "1 of 4 images could not be read" in err
    good = next(line for line in lines if line["file"].endswith("a.png"))
    assert good["image"] == [50, 40]
    assert good["detections"]
    for one in good["detections"]:
        assert list(one) == ["box", "index", "id", "name", "score"]
        assert (one["id"], one["name"]) == (("n1", "dog, hound"), ("кот", "кот"))[one["index"]]
        x0, y0, x1, y1 = one["box"]
        assert 0 <= x0 < x1 <= 50
        assert 0 <= y0 < y1 <= 40


def test_predict_says_that_it_is_a_detector(detector, pictures, tmp_path, capsys):
    save_detector_ensemble(tmp_path / "both.json", [detector, make(tmp_path / "other.safetensors", 1)])
    for path in (detector, tmp_path / "both.json"):
        assert main(["predict", str(path), str(pictures)]) == 2
        told = "a detector, which knows boxes and no whole pictures; googlenet detect takes it"
        assert capsys.readouterr() == ("", f"googlenet: {path}: {told}\n")


def test_csv_text_and_pictures(detector, pictures, tmp_path, capsys):
    picture = str(pictures / "a.png")
    assert main(["detect", str(detector), picture, "--csv", *CPU]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["file"] == picture
    assert float(rows[0]["score"]) > 0.5
    assert main(["detect", str(detector), picture, "--draw", str(tmp_path / "drawn"), *CPU]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == picture
    assert "dog, hound  [" in second
    drawn = np.asarray(Image.open(tmp_path / "drawn/1-a.png"))
    assert drawn.shape == (40, 50, 3)
    assert (drawn != np.asarray(Image.open(picture))).any()


def test_fewer_proposals_and_another_source(detector, pictures, capsys):
    where = ["detect", str(detector), str(pictures / "a.png"), "--json", *CPU]

    def boxes(*options):
        assert main([*where, *options]) == 0
        return {tuple(one["box"]) for one in json.loads(capsys.readouterr().out)["detections"]}

    assert len(boxes("--proposals", "1")) <= 1
    assert boxes("--source", "selective-search:fast", "--source", "selective-search:single", "--proposals", "500")


def test_another_choice_and_a_detector_that_rejects(detector, pictures, tmp_path, capsys):
    where = ["detect", str(detector), str(pictures / "a.png"), "--json", *CPU]

    def found(*options):
        assert main([*where, *options]) == 0
        return json.loads(capsys.readouterr().out)["detections"]

    surest = found("--most", "2")
    assert surest == found()[:2]
    assert all(one["score"] >= 0.6 for one in found("--least-score", "0.6"))
    assert len(found("--overlap", "1")) >= len(found("--overlap", "0"))
    narrow = make(tmp_path / "narrow.safetensors", 1)
    assert len({tuple(one["box"]) for one in found("--proposals", "3", "--reject-by", str(narrow))}) <= 3


def test_an_ensemble_is_taken_too(detector, pictures, tmp_path, capsys):
    other = make(tmp_path / "other.safetensors", 1)
    save_detector_ensemble(tmp_path / "both.json", [detector, other])
    assert main(["detect", str(tmp_path / "both.json"), str(pictures / "a.png"), "--json", *CPU]) == 0
    assert json.loads(capsys.readouterr().out)["detections"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--json", "--csv"], "--json and --csv say two things"),
        (["--proposals", "0"], "--proposals must be a whole number of at least 1, found 0"),
        (["--source", "nothing"], "--source nothing: no such source"),
        (["--fast"], "--fast takes the boxes of a MultiBox, and it has none"),
        (["--fast", "--proposals", "3"], "--fast says what is classified; leave --source, --proposals and --reject-by"),
        (["--fast", "--reject-by", "multibox"], "--fast says what is classified"),
        (["--reject-by", "multibox", "--proposals", "3"], "takes the boxes of its MultiBox, and it has none"),
        (["--reject-by", "nowhere", "--proposals", "3"], "--reject-by nowhere: cannot be read"),
        (["--least-score", "2"], "--least-score 2.0: give a number from 0 to 1"),
        (["--precision", "int8"], "int8 is for networks of whole pictures"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(detector, pictures, capsys, options, complaint):
    assert main(["detect", str(detector), str(pictures), *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err


def test_it_does_not_draw_among_the_pictures(detector, pictures, capsys):
    """Or the next call would take what it has drawn for pictures."""
    assert main(["detect", str(detector), str(pictures / "a.png"), "--draw", str(pictures / ".." / pictures.name)]) == 2
    assert "the images themselves lie there; draw into another folder" in capsys.readouterr().err


def test_a_drawing_that_cannot_be_written_ends_nothing(detector, pictures, tmp_path, capsys):
    """Nor does a picture's name that is as long as names may be."""
    (tmp_path / "some").mkdir()
    for name in ("a" * 251 + ".png", "b.png"):
        (tmp_path / "some" / name).write_bytes((pictures / "a.png").read_bytes())
    (tmp_path / "drawn/2-b.png").mkdir(parents=True)
    assert (
        main(["detect", str(detector), str(tmp_path / "some"), "--draw", str(tmp_path / "drawn"), "--json", *CPU]) == 1
    )
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "1 of 2 images could not be drawn" in err
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [f"1-{'a' * 198}.png", "2-b.png"]


def test_predictions_are_not_overwritten_by_what_is_detected(detector, voc, tmp_path, capsys):
    given = tmp_path / "report/row-1/detections.jsonl"
    given.parent.mkdir(parents=True)
    given.write_text("{}")
    arguments = ["detector", "evaluate", str(detector), str(given), str(voc), "--protocol", "voc2010"]
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 2
    assert "would be overwritten by what is detected; give --report another folder" in capsys.readouterr().err
    assert given.read_text() == "{}"


def test_an_interrupted_evaluation_says_how_it_goes_on(detector, voc, tmp_path, monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("googlenet.detection.detector.evaluating.detect_all", interrupted)
    arguments = ["detector", "evaluate", str(detector), str(voc), "--protocol", "voc2010"]
    monkeypatch.setattr("sys.argv", ["googlenet", *arguments])
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 130
    assert "googlenet: interrupted; go on with: googlenet detector evaluate " in capsys.readouterr().err
    assert main(arguments) == 130
    assert capsys.readouterr().err.endswith("googlenet: interrupted\n")


def test_weights_that_are_no_detector_are_refused(weights, pictures, capsys):
    assert main(["detect", str(weights), str(pictures)]) == 2
    assert "no detector, as it says nothing of proposals; googlenet detector train makes one" in capsys.readouterr().err


@pytest.fixture
def voc(tmp_path):
    folder = tmp_path / "voc"
    random = np.random.default_rng(0)
    for place in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for name in ("1", "2", "3", "4"):
        pixels = random.integers(0, 60, (40, 50, 3), np.uint8)
        pixels[10:30, 5:35] = 200
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.jpg")
        box = "<xmin>6</xmin><ymin>11</ymin><xmax>35</xmax><ymax>30</ymax>"
        text = f"<annotation><object><name>n1</name><bndbox>{box}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets/Main/train.txt").write_text("1\n2\n3\n")
    (folder / "ImageSets/Main/test.txt").write_text("4\n")
    return folder


def test_a_detector_stands_in_the_place_of_predictions(detector, voc, tmp_path, capsys):
    (voc / "JPEGImages/2.jpg").write_bytes(b"no picture")
    where = ["detector", "evaluate", str(detector), str(voc), "--split", "train", "--protocol", "voc2010", "--json"]
    assert main([*where, "--report", str(tmp_path / "report"), *CPU]) == 1
    out, err = capsys.readouterr()
    assert "1 of 3 images could not be read" in err
    found = json.loads(out)
    assert found["images"] == 3
    lines = tmp_path / "report/detections.jsonl"
    assert len(lines.read_text().splitlines()) == 3
    assert main(["detector", "evaluate", str(lines), *where[3:]]) == 0
    of_lines = json.loads(capsys.readouterr().out)
    assert found == of_lines | {"by_proposals": found["by_proposals"]}
    assert [one["proposals"] for one in found["by_proposals"]] == ["all"]  # it classifies 30 at most
    assert main(["detector", "evaluate", str(lines), *where[3:], "--overlap", "0.5"]) == 2
    assert "--most, --source and --cache are about detectors; give one" in capsys.readouterr().err
    # a kill in the middle of a line: the rest is done, and no picture twice
    whole = lines.read_bytes()
    lines.write_bytes(whole[: whole.index(b"\n") + 30])
    assert main([*where, "--report", str(tmp_path / "report"), *CPU]) == 1
    assert json.loads(capsys.readouterr().out) == found
    assert lines.read_bytes() == whole


def test_rows_of_one_table_share_their_proposals_and_show_what_rejection_costs(detector, voc, tmp_path, capsys):
    narrow, cache = make(tmp_path / "narrow.safetensors", 1), tmp_path / "kept"
    where = [str(voc), "--split", "train", "--protocol", "voc2010", "--cache", str(cache), *CPU]
    assert main(["detector", "evaluate", str(detector), str(narrow), *where, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 2
    assert len(list(cache.rglob("*.boxes"))) == 3
    assert len(list((cache / "answers").rglob("*.npz"))) == 2 * 3
    other = ["--source", "selective-search:fast", "--source", "selective-search:single"]
    assert main(["detector", "evaluate", str(detector), *where, *other, "--json"]) == 0
    detections = json.loads(capsys.readouterr().out)["by_proposals"][-1]
    assert detections["boxes_per_image"] == 30  # of more, as the detector has it
    assert len(list((cache / "answers").rglob("*.npz"))) == 2 * 3
    where += ["--proposals", "20", "--reject-by", str(narrow)]
    assert main(["detector", "evaluate", str(detector), *where]) == 0
    assert re.search(r"all by \S+/narrow.safetensors\s+20\s", capsys.readouterr().out)


def test_sources_that_are_none_are_refused(detector, voc, capsys):
    where = ["detector", "evaluate", str(detector), str(voc), "--split", "train", "--protocol", "voc2010"]
    assert main([*where, "--source", "nothing"]) == 2
    assert "--source nothing: no such source" in capsys.readouterr().err


def test_other_classes_are_refused_before_anything_is_detected(detector, voc, monkeypatch, capsys):
    for path in (voc / "Annotations").iterdir():
        path.write_text(path.read_text().replace("n1", "cat"))
    monkeypatch.setattr("googlenet.detection.detector.detector.load_detector", None)
    assert main(["detector", "evaluate", str(detector), str(voc), "--protocol", "voc2010"]) == 2
    assert "none of the 1 of the data (cat)" in capsys.readouterr().err


def test_a_detector_is_trained_by_the_command(voc, weights, tmp_path, capsys):
    arguments = ["detector", "train", str(voc), "--split", "train", "--validation-split", "test"]
    arguments += ["--pretrained", str(weights), "-o", str(tmp_path / "run"), "--source", "selective-search:single"]
    arguments += ["--epochs", "1", "--batch-size", "8", "--workers", "0", "--device", "cpu"]
    assert main(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("mean average precision ")
    assert first.endswith("on 1 image, voc2010")
    assert second == str(tmp_path / "run/detector.safetensors")
    assert main([*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["regions"]["steps"] == 3
    (source,) = summary["settings"]["sources"]
    assert source["text"].startswith("selective-search:single,superpixels=1,")
    assert main(["detect", second, str(voc / "JPEGImages/4.jpg"), "--json", *CPU]) == 0
    assert json.loads(capsys.readouterr().out)["image"] == [50, 40]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--split", "val"], "val"),
        (["--batch-size", "3"], "--batch-size 3: give at least 4"),
        (["--patience", "2"], "patience 2: give --validation images"),
        (["--source", "multibox:nowhere"], "nowhere: no such file"),
        (["--freeze", "conv9"], "freeze: conv9 is no row of the network"),
    ],
)
def test_a_mistake_in_training_is_one_line_and_leaves_nothing(voc, weights, tmp_path, capsys, options, complaint):
    given = ["detector", "train", str(voc), "-o", str(tmp_path / "run"), "--pretrained", str(weights)]
    assert main([*given, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("mean", "interval", "told"),
    [
        (0.25, [0.125, 0.5], "mean average precision 25.0 %  [12.5, 50.0] on 2 images, voc2010"),
        (0.25, None, "mean average precision 25.0 % on 2 images, voc2010"),
        (None, None, "mean average precision no ground truth on 2 images, voc2010"),
    ],
)
def test_an_evaluation_without_objects_that_count_is_told_too(mean, interval, told):
    found = {"mean_average_precision": mean, "mean_average_precision_interval": interval, "images": 2}
    assert _told(found | {"protocol": "voc2010"}) == told
