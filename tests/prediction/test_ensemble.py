"""Ensembles: against their members one by one, and files that do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import googlenet
from googlenet.errors import InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.prediction.ensemble import Ensemble
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import Class

CUP, CRANE, DOG, NOTHING = Class("n1", "cup"), Class("n2", "crane"), Class("n3", "dog"), Class("n0", "nothing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two networks of other sizes and orders of classes, and three pictures of which one is none."""
    for seed, (name, network, classes) in enumerate(
        [("tiny", "googlenet-tiny", (CUP, CRANE, DOG)), ("other", "googlenet-cifar", (NOTHING, DOG, CUP, CRANE))]
    ):
        made = Network(specification(network, classes=len(classes)))
        initialise(made, seed=seed)
        save(tmp_path / f"{name}.safetensors", Checkpoint(made.specification, classes, made.state_dict()))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 60, 50, 3), dtype=np.uint8)
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    googlenet.save_ensemble(tmp_path / "both.json", [tmp_path / "tiny.safetensors", tmp_path / "other.safetensors"])
    return tmp_path


@pytest.mark.parametrize("name", ["x" * 5000, f"{'x' * 300}.safetensors", "y/" * 3000 + "z"])
def test_a_name_that_no_file_can_have(folder: Path, name: str):
    content = json.loads((folder / "both.json").read_text())
    content["members"][1]["path"] = name
    (folder / "both.json").write_text(json.dumps(content))
    for given in (folder / "both.json", folder / name, folder / f"{name}.json"):
        with pytest.raises(InputError, match="check the path") as refusal:
            googlenet.save_ensemble(folder / "more.json", [given, folder / "tiny.safetensors"])
        assert len(str(refusal.value)) < 800
    with pytest.raises(InputError, match=r"both\.json: member .*check the path"):
        googlenet.load(folder / "both.json")
    with pytest.raises(InputError):
        googlenet.load(folder / name)


def test_the_mean_over_the_classes_that_all_know(folder: Path):
    pictures = [folder / "0.png", folder / "broken.png", folder / "1.png"]
    ensemble = googlenet.load(folder / "both.json", engine="torch")
    answers = list(ensemble.predict(pictures, top=3))
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert ensemble.classes == (CUP, CRANE, DOG)
    assert isinstance(ensemble, Ensemble)
    for path, answer in zip(pictures[::2], answers[::2], strict=True):
        of_members = []
        for member in ensemble.members:
            (alone,) = member.predict(path, top=4)
            told = {one.id: one.probability for one in alone.predictions if one.id != "n0"}
            of_members.append({identifier: value / sum(told.values()) for identifier, value in told.items()})
        expected = {one: np.mean([told[one] for told in of_members]) for one in ("n1", "n2", "n3")}
        assert {one.id: one.probability for one in answer.predictions} == pytest.approx(expected, abs=1e-6)


def test_what_belongs_to_one_network_is_the_members(folder: Path):
    ensemble = googlenet.load(folder / "both.json", engine="torch")
    assert repr(ensemble) == "<Ensemble googlenet-tiny + googlenet-cifar: 3 classes>"
    with pytest.raises(InputError, match="an ensemble has no network of its own; ask one of its members"):
        ensemble.features(folder / "0.png", at="pool5")


def test_it_is_told_where_one_network_is_meant(folder: Path):
    with pytest.raises(InputError, match=r"both.json: an ensemble, where one network is meant; name one of its"):
        googlenet.create(pretrained=folder / "both.json")


def test_the_folder_can_be_moved(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    folder.rename(elsewhere)
    assert len(googlenet.load(elsewhere / "both.json").members) == 2  # type: ignore[attr-defined]


def test_a_member_that_has_changed_or_is_gone(folder: Path):
    (folder / "tiny.safetensors").write_bytes((folder / "other.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"both.json: member tiny.safetensors has changed since the ensemble was made"):
        googlenet.load(folder / "both.json")
    (folder / "tiny.safetensors").unlink()
    with pytest.raises(InputError, match=r"both.json: member .*tiny.safetensors: no such file"):
        googlenet.load(folder / "both.json")


def test_an_ensemble_of_an_ensemble_stands_for_its_members(folder: Path):
    with pytest.raises(InputError, match="would be a member twice"):
        googlenet.save_ensemble(folder / "more.json", [folder / "both.json", folder / "tiny.safetensors"])
    googlenet.save_ensemble(folder / "again.json", [folder / "both.json"])
    assert json.loads((folder / "again.json").read_text()) == json.loads((folder / "both.json").read_text())


@pytest.mark.parametrize(
    "content", [b"{}", b"[1]", b"\xff", b'{"format": "googlenet-ensemble-1", "members": []}', b"["]
)
def test_another_file(folder: Path, content: bytes):
    (folder / "bad.json").write_bytes(content)
    with pytest.raises(InputError, match=r"bad.json: "):
        googlenet.load(folder / "bad.json")


def test_no_other_file_is_lost_to_it(folder: Path):
    members = [folder / "tiny.safetensors", folder / "other.safetensors"]
    (folder / "notes.json").write_text('{"my": "notes"}')
    with pytest.raises(InputError, match=r"notes\.json: is another file, which would be lost"):
        googlenet.save_ensemble(folder / "notes.json", members)
    assert (folder / "notes.json").read_text() == '{"my": "notes"}'
    before = (folder / "both.json").read_bytes()
    googlenet.save_ensemble(folder / "both.json", members)
    assert (folder / "both.json").read_bytes() == before


def test_one_alone_is_none(folder: Path):
    with pytest.raises(InputError, match="an ensemble has two members or more, found 1"):
        googlenet.save_ensemble(folder / "one.json", [folder / "tiny.safetensors"])
    with pytest.raises(InputError, match=r"let its name end in \.json"):
        googlenet.save_ensemble(folder / "one.safetensors", [folder / "tiny.safetensors"])
