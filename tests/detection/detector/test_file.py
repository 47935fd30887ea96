"""Files of detectors: what is written is read, a file that is none is refused, and a changed member is noticed."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import pretrained

from googlenet.detection.detector.file import (
    is_detector,
    read_detector,
    read_refinement,
    save_detector,
    save_detector_ensemble,
)
from googlenet.detection.detector.settings import DetectorSettings, ProposedBy, open_sources, proposed_by, rejected_by
from googlenet.detection.proposals.sources import open_source
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.description import width
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.refinement.regression import BoxRegression
from googlenet.detection.regions.selection import Selection
from googlenet.errors import InputError
from googlenet.files import sha256
from googlenet.inference.engine import Computing
from googlenet.network import zoo
from googlenet.network.module import Network
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class
from googlenet.weights.creation import create

SETTINGS = DetectorSettings((ProposedBy("selective-search:single,superpixels=2,width=500,seed=0"),), 50)


def detector(path: Path, seed: int = 0, ids: tuple[str, ...] = ("red", "green"), settings=SETTINGS) -> Path:
    network = create("googlenet-tiny", width=0.25, classes=len(ids) + 1, size=(32, 32), seed=seed)
    classes = (*(Class(one, one.title()) for one in ids), BACKGROUND)
    save_detector(path, Checkpoint(network.specification, classes, network.state_dict()), settings)
    return path


def test_what_is_written_is_read(tmp_path: Path):
    settings = DetectorSettings(SETTINGS.sources, None, 0.1, Selection(0.2, 0.4, 7))
    path = detector(tmp_path / "one.safetensors", settings=settings)
    found = read_detector(path)
    assert (found.settings, found.members) == (settings, (path,))
    assert [(one.id, one.name) for one in found.classes] == [("red", "Red"), ("green", "Green")]
    assert is_detector(path)
    assert checkpoint.read(path).classes[-1] == BACKGROUND  # for everything that reads checkpoints


def test_the_same_detector_is_the_same_bytes(tmp_path: Path):
    first, second = (detector(tmp_path / f"{name}.safetensors") for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_it_is_told_what_refines_the_answers(tmp_path: Path):
    path = detector(tmp_path / "plain.safetensors")
    nothing = {"svms": False, "box_regression": False, "context": False}
    assert read_detector(path).kind == {"members": 1, **nothing}
    numbers = width(checkpoint.read(path).specification)
    moves = BoxRegression(np.zeros((2, 4, numbers), np.float32), np.zeros((2, 4), np.float32))
    save_detector(tmp_path / "moved.safetensors", checkpoint.read(path), SETTINGS, Refinement(regression=moves))
    assert read_detector(tmp_path / "moved.safetensors").kind == {"members": 1, **nothing, "box_regression": True}
    save_detector_ensemble(tmp_path / "both.json", [path, tmp_path / "moved.safetensors"])
    assert read_detector(tmp_path / "both.json").kind == {"members": 2, **nothing, "box_regression": True}


def test_what_scores_depend_on_is_known_apart_from_choices(tmp_path: Path):
    path = detector(tmp_path / "plain.safetensors")
    other = replace(SETTINGS, proposals=3, selection=Selection(0.2, 0.4, 7))
    same = detector(tmp_path / "chosen.safetensors", settings=other)
    assert same.read_bytes() != path.read_bytes()
    identities = [read_detector(one).identity for one in (path, same)]
    assert identities[0] == identities[1]
    numbers = width(checkpoint.read(path).specification)
    moves = BoxRegression(np.zeros((2, 4, numbers), np.float32), np.zeros((2, 4), np.float32))
    save_detector(tmp_path / "moved.safetensors", checkpoint.read(path), SETTINGS, Refinement(regression=moves))
    others = [
        detector(tmp_path / "seed.safetensors", 1),
        detector(tmp_path / "ids.safetensors", ids=("red", "blue")),
        detector(tmp_path / "crop.safetensors", settings=replace(SETTINGS, context=0.2)),
        tmp_path / "moved.safetensors",
    ]
    save_detector_ensemble(tmp_path / "both.json", [path, others[0]])
    identities += [read_detector(one).identity for one in (*others, tmp_path / "both.json")]
    assert len(set(identities)) == 6


def test_other_weights_are_no_detector(tmp_path: Path):
    with pytest.raises(InputError, match=r"no detector, as it says nothing of proposals; googlenet detector train"):
        read_detector(pretrained(tmp_path / "weights.safetensors"))
    with pytest.raises(InputError, match=r"nowhere\.safetensors: no such"):
        read_detector(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{", "detector: not JSON"),
        ("[]", "of another release"),
        ('{"format": "googlenet-detector-9"}', "of another release"),
        ('{"format": "googlenet-detector-1"}', "field 'sources' is missing"),
        ('{"format": "googlenet-detector-1", "sources": []}', "needs a source of proposals"),
        ('{"format": "googlenet-detector-1", "sources": [{"text": 3}]}', "expected a text, found 3"),
        ('{"format": "googlenet-detector-1", "sources": [{"text": "x"}], "proposals": 0}', "proposals 0"),
        ('{"format": "googlenet-detector-1", "sources": [{"text": "x"}], "context": 0.5}', "context 0.5"),
        ('{"format": "googlenet-detector-1", "sources": [{"text": "x"}], "selection": {"most": -1}}', "most -1"),
    ],
)
def test_hostile_settings_are_one_line(tmp_path: Path, entry: str, complaint: str):
    network = create("googlenet-tiny", width=0.25, classes=2, size=(32, 32))
    found = Checkpoint(network.specification, (Class("red", "red"), BACKGROUND), network.state_dict())
    checkpoint.save(tmp_path / "bad.safetensors", found, {"detector": entry})
    with pytest.raises(InputError, match=complaint) as caught:
        read_detector(tmp_path / "bad.safetensors")
    assert str(caught.value).startswith(str(tmp_path / "bad.safetensors"))


def test_an_ensemble_names_its_members_by_path_and_hash(tmp_path: Path):
    members = [detector(tmp_path / f"runs/{seed}/detector.safetensors", seed) for seed in (0, 1)]
    save_detector_ensemble(tmp_path / "both.json", members)
    assert is_detector(tmp_path / "both.json")
    found = read_detector(tmp_path / "both.json")
    assert [one.resolve() for one in found.members] == members
    assert found.settings == SETTINGS
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    assert (
        read_detector(tmp_path / "copy/both.json").members[0].resolve() == tmp_path / "copy/runs/0/detector.safetensors"
    )


def test_a_member_that_has_changed_or_is_gone_is_named(tmp_path: Path):
    members = [detector(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1)]
    save_detector_ensemble(tmp_path / "both.json", members)
    detector(members[1], 2)
    with pytest.raises(InputError, match=r"both.json: member 1.safetensors has changed since"):
        read_detector(tmp_path / "both.json")
    members[1].unlink()
    with pytest.raises(InputError, match=r"both.json: member 1.safetensors: cannot be read"):
        read_detector(tmp_path / "both.json")


def test_an_ensemble_is_of_two_or_more_that_detect_the_same(tmp_path: Path):
    one, other = detector(tmp_path / "one.safetensors"), detector(tmp_path / "other.safetensors", 1, ("red", "blue"))
    with pytest.raises(InputError, match="two members or more, found 1"):
        save_detector_ensemble(tmp_path / "a.json", [one])
    with pytest.raises(InputError, match="would be a member twice"):
        save_detector_ensemble(tmp_path / "a.json", [one, one])
    with pytest.raises(InputError, match=r"other.safetensors: detects other classes than"):
        save_detector_ensemble(tmp_path / "a.json", [one, other])
    with pytest.raises(InputError, match=r"let its name end in \.json"):
        save_detector_ensemble(tmp_path / "a.safetensors", [one, other])
    assert not (tmp_path / "a.json").exists()


def test_a_multibox_is_named_by_path_and_hash(tmp_path: Path):
    found = zoo.with_multibox(zoo.specification("googlenet-tiny"), ((0.1, 0.1, 0.9, 0.9),))
    boxes = tmp_path / "boxes, new/final.safetensors"
    checkpoint.save(boxes, Checkpoint(found, (), Network(found).state_dict()))
    source = open_source(f"multibox:{boxes},boxes=7")
    entry = proposed_by(source, tmp_path / "runs")
    assert entry == ProposedBy("multibox:../boxes, new/final.safetensors,boxes=7", sha256(boxes))
    settings = DetectorSettings((entry,))
    (tmp_path / "runs").mkdir()
    (opened,) = open_sources(settings, tmp_path / "runs/detector.safetensors", Computing())
    assert opened.key == source.key
    rejecting = replace(settings, proposals=3, reject_by=entry)
    members = [detector(tmp_path / f"runs/{seed}.safetensors", seed, settings=rejecting) for seed in (0, 1)]
    save_detector_ensemble(tmp_path / "far/off/both.json", members)
    moved = read_detector(tmp_path / "far/off/both.json")
    assert moved.settings.sources[0].text == "multibox:../../boxes, new/final.safetensors,boxes=7"
    assert moved.settings.reject_by == moved.settings.sources[0]
    (opened,) = open_sources(moved.settings, moved.path, Computing())
    assert opened.key == source.key
    weights = Network(found).state_dict()
    weights["classifier.bias"] = torch.ones_like(weights["classifier.bias"])
    checkpoint.save(boxes, Checkpoint(found, (), weights))
    with pytest.raises(InputError, match=r"final.safetensors, which proposes its boxes, has changed"):
        open_sources(settings, tmp_path / "runs/detector.safetensors", Computing())
    boxes.unlink()
    with pytest.raises(InputError, match=r"detector.safetensors: proposals by .*no such file.*: keep both together"):
        open_sources(settings, tmp_path / "runs/detector.safetensors", Computing())


def test_predictions_are_no_detector(tmp_path: Path):
    (tmp_path / "lines.jsonl").write_text(json.dumps({"file": "a.jpg", "detections": []}) + "\n")
    assert not is_detector(tmp_path / "lines.jsonl")
    assert not is_detector(tmp_path)
    assert not is_detector(tmp_path / "nowhere")


def test_names_that_are_no_utf_8_and_links_lead_where_they_led(tmp_path: Path):
    strange = tmp_path / os.fsdecode(b"nu\xff")
    strange.mkdir()
    members = [detector(tmp_path / f"runs/{seed}.safetensors", seed) for seed in (0, 1)]
    moved = [Path(shutil.copy(member, strange)) for member in members]
    save_detector_ensemble(tmp_path / "strange.json", moved)
    assert [one.resolve() for one in read_detector(tmp_path / "strange.json").members] == moved
    (tmp_path / "far").mkdir()
    (tmp_path / "link.json").symlink_to("far/both.json")
    save_detector_ensemble(tmp_path / "link.json", members)
    assert [one.resolve() for one in read_detector(tmp_path / "link.json").members] == members
    (tmp_path / "a.json").symlink_to("b.json")
    (tmp_path / "b.json").symlink_to("a.json")
    with pytest.raises(InputError, match=r"a.json: cannot be written \(its links lead in a circle\)"):
        save_detector_ensemble(tmp_path / "a.json", members)


def test_a_member_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    members = [detector(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1)]
    save_detector_ensemble(tmp_path / "both.json", members)
    members[1].unlink()
    os.mkfifo(members[1])
    with pytest.raises(InputError, match=r"both.json: member 1.safetensors: cannot be read .*pipe or device"):
        read_detector(tmp_path / "both.json")
    with pytest.raises(InputError, match=r"1.safetensors: cannot be read .*not a file but a folder, pipe or device"):
        rejected_by(str(members[1]), tmp_path)


@pytest.mark.parametrize(
    ("biases", "told"),
    [
        (torch.zeros(2, dtype=torch.bfloat16), "svms.biases is torch.bfloat16, not float32; train it anew"),
        (torch.tensor([0.0, float("nan")]), "svms.biases holds what is no number; train it anew"),
    ],
)
def test_refinements_are_finite_float32(tmp_path: Path, biases: torch.Tensor, told: str):
    path = detector(tmp_path / "one.safetensors")
    found = checkpoint.read(path)
    weights = torch.zeros(2, width(found.specification))
    checkpoint.save(path, found, {}, {"svms.weights": weights, "svms.biases": biases})
    with pytest.raises(InputError, match=told):
        read_refinement(path, found)
