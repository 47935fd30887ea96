"""`googlenet detector train-multibox` on a VOC folder: what it prints, and that mistakes are one line."""

import json

import numpy as np
import pytest
from PIL import Image

from googlenet.__main__ import main
from googlenet.detection.multibox.proposing import load
from googlenet.images.decoding import decode


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "voc"
    random = np.random.default_rng(0)
    for place in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for name in ("1", "2", "3", "4"):
        pixels = random.integers(0, 60, (40, 50, 3), np.uint8)
        pixels[10:30, 5:35] = 200
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.jpg")
        box = "<xmin>6</xmin><ymin>11</ymin><xmax>35</xmax><ymax>30</ymax>"
        text = f"<annotation><object><name>dog</name><bndbox>{box}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets/Main/train.txt").write_text("1\n2\n3\n")
    (folder / "ImageSets/Main/test.txt").write_text("4\n")
    return folder


def small(*options):
    return [*options, "--boxes", "6", "--epochs", "1", "--batch-size", "3", "--workers", "0", "--device", "cpu"]


def test_it_trains_says_the_recall_and_goes_on(voc, weights, tmp_path, capsys):
    where = [str(voc), "--split", "train", "--validation-split", "test", "--pretrained", str(weights)]
    arguments = ["detector", "train-multibox", *where, *small("-o", str(tmp_path / "run"))]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("recall of the averaged weights: ")
    assert printed[0].endswith(" of 1 object in 1 image, with 6 boxes an image, at IoU 0.5")
    assert printed[1].startswith("1 step in ")
    (found,) = load(tmp_path / "run/final.safetensors").propose([decode(voc / "JPEGImages/4.jpg")])
    assert 0 < len(found.boxes) <= 200
    assert main([*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["boxes"], summary["objects"], summary["images"], summary["steps"]) == (6, 3, 3, 1)
    recorded = json.loads((tmp_path / "run/recipe.json").read_text())
    assert recorded["data"]["source"].endswith("voc")
    assert recorded["boxes"] == 6


def test_several_data_sets_are_one(voc, weights, tmp_path, capsys):
    lists = [str(voc / "ImageSets/Main" / name) for name in ("train.txt", "test.txt")]
    run = ["--pretrained", str(weights), *small("-o", str(tmp_path / "run")), "--json"]
    assert main(["detector", "train-multibox", *lists, *run]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 4
    assert json.loads((tmp_path / "run/recipe.json").read_text())["data"]["source"] == "Main/train.txt, Main/test.txt"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--split", "val"], "val"),
        (["--boxes", "0"], "--boxes 0: give at least 1"),
        (["--location-weight", "nan"], "--location-weight nan: give a number above 0"),
        (["--matching", "nearest"], "--matching"),
        (["--patience", "2"], "patience 2: give --validation images"),
        (["--freeze", "conv9"], "freeze: conv9 is no row of the network"),
        (["--boxes", "13000"], "--boxes 13000: give at most 2000"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(voc, weights, tmp_path, capsys, options, complaint):
    given = ["detector", "train-multibox", str(voc), "-o", str(tmp_path / "run"), "--pretrained", str(weights)]
    few = [] if "--boxes" in options else ["--boxes", "6"]
    assert main([*given, *options, *few]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err
    assert not (tmp_path / "run").exists()


def test_weights_are_asked_for(voc, tmp_path, capsys):
    assert main(["detector", "train-multibox", str(voc), "-o", str(tmp_path / "run")]) == 2
    assert "pretrained" in capsys.readouterr().err
