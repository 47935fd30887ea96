"""`googlenet detector train` where something is wrong: each is one line, and what was done stays."""

import shutil

import numpy as np
import pytest
from PIL import Image

from googlenet.__main__ import main
from googlenet.network import zoo
from googlenet.network.module import Network
from googlenet.training.folder import alone_in
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import numbered_classes
from googlenet.weights.creation import create

SMALL = "--epochs 1 --batch-size 8 --accumulate 1 --workers 0 --device cpu --auxiliary-weight 0 --warm-up 0".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "voc"
    random = np.random.default_rng(0)
    for place in ("JPEGImages", "Annotations"):
        (folder / place).mkdir(parents=True)
    for name in ("1", "2", "3"):
        pixels = random.integers(0, 60, (40, 50, 3), np.uint8)
        pixels[10:30, 5:35] = 200
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.jpg")
        box = "<xmin>6</xmin><ymin>11</ymin><xmax>35</xmax><ymax>30</ymax>"
        text = f"<annotation><object><name>dog</name><bndbox>{box}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    made = create("googlenet-tiny", width=0.25, classes=3, size=(32, 32))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    checkpoint.save(path, Checkpoint(made.specification, numbered_classes(3), made.state_dict()))
    return path


@pytest.fixture
def train(voc, tiny, tmp_path, capsys):
    """Train in the folder `run`; return the exit status, and the last line that was said."""

    def run(*options, data=voc, output=tmp_path / "run"):
        source = () if "--source" in options else ("--source", "selective-search:single,width=native")
        given = ["detector", "train", str(data), "-o", str(output), "--pretrained", str(tiny), *SMALL]
        status = main([*given, *source, *options])
        return status, capsys.readouterr().err.splitlines()[-1]

    return run


def test_a_full_disk_breaks_off_and_the_same_command_goes_on(train, full_disk, tmp_path):
    with full_disk(20_000):
        status, line = train()
    assert status == 1
    assert line.startswith(f"googlenet: {tmp_path}/run/regions/")
    assert "cannot be written (File too large)" in line
    before = (tmp_path / "run/windows/train/index").stat().st_mtime_ns
    assert train()[0] == 0
    assert (tmp_path / "run/windows/train/index").stat().st_mtime_ns == before


def test_what_cannot_be_written_is_refused_at_once(train, tmp_path, monkeypatch):
    status, line = train(output="/proc/run")
    assert (status, line) == (
        2,
        "googlenet: /proc/run: /proc cannot be written to (No such file or directory); give another name",
    )

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("googlenet.files.tempfile.mkstemp", refuse)
    status, line = train()
    assert (status, line) == (2, f"googlenet: {tmp_path}/run/stages.json: cannot be written (Permission denied)")


def test_two_runs_in_one_folder_and_a_folder_of_other_things(train, tmp_path):
    with alone_in(tmp_path / "run"):
        status, line = train()
    told = "another process trains in this folder; wait for it or give another one"
    assert (status, line) == (2, f"googlenet: {tmp_path}/run: {told}")
    (tmp_path / "run/letters").mkdir()
    told = "holds letters but no stages.json; give a new or empty output folder"
    assert train() == (2, f"googlenet: {tmp_path}/run: {told}")


def test_data_and_sources_that_change_are_named_before_anything_is_made_anew(voc, train, tmp_path):
    data = shutil.copytree(voc, tmp_path / "voc")
    boxes = zoo.with_multibox(zoo.specification("googlenet-tiny"), ((0.1, 0.1, 0.5, 0.9), (0.5, 0.1, 0.9, 0.9)))
    weights = tmp_path / "boxes.safetensors"
    checkpoint.save(weights, Checkpoint(boxes, (), Network(boxes).state_dict()))
    source = ["--source", "selective-search:single,width=native", "--source", f"multibox:{weights}"]
    assert train(*source, data=data)[0] == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/windows").rglob("*")}

    moved = weights.rename(tmp_path / "moved.safetensors")
    assert train(*source, data=data) == (2, f"googlenet: {weights}: no such file; check the path")
    elsewhere = [*source[:3], f"multibox:{moved}"]
    assert train(*elsewhere, data=data)[0] == 0
    status, line = train(*source[:2], data=data)
    assert status == 2
    assert line.startswith(f"googlenet: {tmp_path}/run: belongs to another run (sources of proposals)")

    picture = data / "JPEGImages/2.jpg"
    picture.write_bytes(picture.read_bytes() + b"more")
    status, line = train(*elsewhere, data=data)
    assert status == 2
    assert line.startswith(f"googlenet: {tmp_path}/run: belongs to another run (train: image ")
    picture.unlink()
    status, line = train(*elsewhere, data=data)
    assert status == 2
    assert "belongs to another run (train: " in line
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run/windows").rglob("*")} == made


def test_options_of_a_multibox_that_is_not_trained_are_refused(train):
    status, line = train("--multibox.epochs", "3")
    assert (status, "give --source multibox, too" in line) == (2, True)
    assert train("--stages", "evaluation")[0] == 2
