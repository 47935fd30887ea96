"""The hub's own library reads the card; the package reads the folder back."""

import json
import subprocess
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelCard

import googlenet
from googlenet.__main__ import main
from googlenet.errors import InputError
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import Class
from googlenet.weights.model_folder import BEGIN, END, model_card, write_hub_folder


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


def test_a_clone_is_written_and_what_a_person_wrote_stays(checkpoint, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitattributes").write_text("*.safetensors filter=lfs")
    assert write_hub_folder(tmp_path, checkpoint)
    card = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(card.replace("---\n\n", "license: mit\n---\n\n", 1) + "Not for medical use.\n")
    other = replace(checkpoint, provenance={"source": "another"})
    assert write_hub_folder(tmp_path, other)
    again = (tmp_path / "README.md").read_text()
    assert "- source: another\n" in again
    assert "ab" not in ModelCard.load(tmp_path / "README.md").text.split("Provenance")[1].split("Classes")[0]
    assert "license: mit\n---\n" in again
    assert again.endswith("Not for medical use.\n")
    for own in ("# My network\n", BEGIN, END + BEGIN):
        (tmp_path / "README.md").write_text(own)
        assert not write_hub_folder(tmp_path, checkpoint)
        assert (tmp_path / "README.md").read_text() == own
    assert (tmp_path / ".gitattributes").read_text() == "*.safetensors filter=lfs"
    assert read(tmp_path).provenance == checkpoint.provenance


def test_another_models_files_are_left_alone(checkpoint, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "config.json").write_text('{"library_name": "transformers"}')
    with pytest.raises(InputError, match=r"config\.json is another model's"):
        write_hub_folder(tmp_path, checkpoint)
    (tmp_path / "config.json").unlink()
    (tmp_path / "model.safetensors").write_text("theirs")
    with pytest.raises(InputError, match=r"model\.safetensors is another model's"):
        write_hub_folder(tmp_path, checkpoint)
    assert (tmp_path / "model.safetensors").read_text() == "theirs"


def test_private_places_do_not_reach_the_folder(checkpoint, tmp_path):
    private = {
        "source": {
            "file": "/home/eve/acme/clients/7/model.pth",
            "data": ["https://eve:secret@host/a.tar?token=secret"],
        },
        "recipe": {"validation": "/mnt/acme/data/flowers/test", "rate": 0.1, "preset": "fine-tune"},
    }
    write_hub_folder(tmp_path / "model", replace(checkpoint, provenance=private))
    for path in (tmp_path / "model").iterdir():
        for secret in (b"eve", b"secret", b"acme"):
            assert secret not in path.read_bytes(), (path, secret)
    assert read(tmp_path / "model").provenance == {
        "source": {"file": "7/model.pth", "data": ["https://host/a.tar"]},
        "recipe": {"validation": "flowers/test", "rate": 0.1, "preset": "fine-tune"},
    }


def test_the_command(checkpoint, tmp_path, capsys):
    save(tmp_path / "tiny.safetensors", checkpoint)
    assert main(["export", str(tmp_path / "tiny.safetensors"), "--hub-folder", str(tmp_path / "model")]) == 0
    assert "googlenet.load reads the folder" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
