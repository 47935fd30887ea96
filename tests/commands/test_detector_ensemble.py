"""`googlenet detector ensemble`: what it writes is a detector, and mistakes are one line."""

import json

import pytest

from googlenet.__main__ import main
from googlenet.detection.detector.file import read_detector, save_detector
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy
from googlenet.detection.regions.background import BACKGROUND
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.creation import create


def make(path, seed, ids=("dog", "cat")):
    network = create("googlenet-tiny", width=0.25, classes=len(ids) + 1, size=(32, 32), seed=seed)
    classes = (*(Class(one, one) for one in ids), BACKGROUND)
    settings = DetectorSettings((ProposedBy(f"selective-search:single,seed={seed}"),))
    save_detector(path, Checkpoint(network.specification, classes, network.state_dict()), settings)
    return str(path)


@pytest.fixture
def detectors(tmp_path):
    return [make(tmp_path / "one.safetensors", 0), make(tmp_path / "other.safetensors", 1, ("cat", "dog"))]


def test_it_is_a_detector_with_the_proposals_of_the_first(detectors, tmp_path, capsys):
    path = tmp_path / "both.json"
    assert main(["detector", "ensemble", *detectors, "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: stands for 2 detectors\n"
    made = read_detector(path)
    assert [str(member.resolve()) for member in made.members] == detectors
    assert made.settings.sources[0].text == "selective-search:single,seed=0"
    third = make(tmp_path / "third.safetensors", 2)
    assert main(["detector", "ensemble", str(path), third, "-o", str(tmp_path / "all.json"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], len(told["members"]), told["classes"]) == (str(tmp_path / "all.json"), 3, ["dog", "cat"])


@pytest.mark.parametrize(
    ("others", "output", "complaint"),
    [
        ([], "a.json", "a.json: an ensemble has two members or more, found 1"),
        (["one.safetensors"], "a.json", "one.safetensors would be a member twice"),
        (["birds.safetensors"], "a.json", "birds.safetensors: detects other classes than"),
        (["nowhere.safetensors"], "a.json", "nowhere.safetensors: no such file"),
        (["other.safetensors"], "a.safetensors", "let its name end in .json"),
        (["other.safetensors"], "one.safetensors/a.json", "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(detectors, tmp_path, capsys, others, output, complaint):
    make(tmp_path / "birds.safetensors", 3, ("bird", "dog"))
    given = [detectors[0], *(str(tmp_path / name) for name in others)]
    assert main(["detector", "ensemble", *given, "-o", str(tmp_path / output)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert complaint in err
