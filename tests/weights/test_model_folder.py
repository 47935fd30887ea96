"""The hub's own library reads the card; the package reads the folder back."""

import json

import pytest
import torch
from huggingface_hub import ModelCard

import googlenet
from googlenet.__main__ import main
from googlenet.errors import InputError
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import Class
from googlenet.weights.model_folder import model_card, write_hub_folder


@pytest.fixture
def checkpoint():
    network = googlenet.create("googlenet-tiny", classes=2, seed=3)
    provenance = {"source": {"file": "a_b.caffemodel", "sha256": "ab"}, "metrics": {"top1": 0.9}, "date": "2026-01-01"}
    classes = (Class("n1", "<script>alert(1)</script>"), Class("n2", "line\nbreak | pipe"))
    return Checkpoint(network.specification, classes, network.state_dict(), provenance)


def test_the_folder_is_read_back(checkpoint, tmp_path):
    write_hub_folder(tmp_path / "model", checkpoint)
    again = read(tmp_path / "model")
    assert (again.specification, again.classes, again.provenance) == (
        checkpoint.specification,
        checkpoint.classes,
        checkpoint.provenance,
    )
    x = torch.rand(1, 3, 32, 32)
    ours, theirs = googlenet.load(tmp_path / "model"), googlenet.load(tmp_path / "model" / "model.safetensors")
    assert torch.equal(ours.network(x), theirs.network(x))


def test_the_hub_reads_the_card_and_the_configuration(checkpoint, tmp_path):
    write_hub_folder(tmp_path / "model", checkpoint)
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert card.data.library_name == "googlenet"
    assert card.data.pipeline_tag == "image-classification"
    configuration = json.loads((tmp_path / "model" / "config.json").read_text())
    assert configuration["id2label"]["0"] == "<script>alert(1)</script>"
    assert configuration["specification"]["name"] == "googlenet-tiny"


def test_the_card_tells_the_provenance_and_escapes_names(checkpoint):
    text = model_card(checkpoint)
    assert "- source:\n  - file: a\\_b.caffemodel\n  - sha256: ab\n" in text
    assert "- metrics:\n  - top1: 0.9" in text
    assert "<script>" not in text
    assert "line break \\| pipe" in text


def test_another_folder_is_left_alone(checkpoint, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds diary\.txt and no model"):
        write_hub_folder(tmp_path, checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]
    with pytest.raises(InputError, match="not a folder"):
        write_hub_folder(tmp_path / "diary.txt", checkpoint)


def test_the_command(checkpoint, tmp_path, capsys):
    save(tmp_path / "tiny.safetensors", checkpoint)
    assert main(["export", str(tmp_path / "tiny.safetensors"), "--hub-folder", str(tmp_path / "model")]) == 0
    assert "googlenet.load reads the folder" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
