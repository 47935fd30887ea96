"""The command `evaluate`: its table, its JSON, its statuses, and the processes it starts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.__main__ import main
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import Class

CLASSES = (Class("n1", "cup"), Class("n2", "crane"), Class("n3", "dog"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny networks, and thirty small pictures of three classes."""
    folder = tmp_path_factory.mktemp("evaluate")
    for seed, name in enumerate(("one", "two")):
        network = Network(specification("googlenet-tiny", classes=3))
        initialise(network, seed=seed)
        save(folder / f"{name}.safetensors", Checkpoint(network.specification, CLASSES, network.state_dict()))
    rng = np.random.default_rng(0)
    for index in range(30):
        path = folder / "data" / CLASSES[index % 3].id / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30 + index, 40, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(autouse=True)
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "googlenet", "evaluate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_the_table(capsys):
    assert (
        main(["evaluate", "one.safetensors", "two.safetensors", "data", "--crops", "1", "10", "--engine", "torch"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30 images of data"
    assert len(lines) == 3 + 6
    assert lines[-1].split("\t")[0].strip() == "one + two"
    assert lines[2].split("\t")[-1].strip() == "s/image"


def test_json_and_an_ensemble_file(capsys, tmp_path: Path):
    both = str(tmp_path / "both.json")
    first = ["evaluate", "one.safetensors", "two.safetensors", "data", "--engine", "torch", "--json"]
    assert main([*first, "--save-ensemble", both]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert main(["evaluate", both, "data", "--engine", "torch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 30
    (row,) = found["rows"]
    assert {name: row[name] for name in ("models", "top1", "loss")} == {
        name: rows[2][name] for name in ("models", "top1", "loss")
    }
    assert row["top5"] is None


def test_processes_give_the_table_of_one(tmp_path: Path):
    alone = run("one.safetensors", "data", "--engine", "torch", "--json")
    done = run("one.safetensors", "data", "--engine", "torch", "--json", "--processes", "2")
    assert done.returncode == 0, done.stderr
    tables = [json.loads(one.stdout)["rows"][0] for one in (alone, done)]
    assert tables[0]["top1"] == tables[1]["top1"]
    assert tables[0]["loss"] == pytest.approx(tables[1]["loss"], abs=1e-5)


def test_an_unreadable_image_is_named_and_the_status_is_1(made: Path, capsys):
    bad = made / "data" / "n1" / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    try:
        assert main(["evaluate", "one.safetensors", "data", "--engine", "torch", "--json"]) == 1
    finally:
        bad.unlink()
    told = capsys.readouterr()
    assert json.loads(told.out)["images"] == 30
    (unreadable,) = json.loads(told.out)["unreadable"]
    assert unreadable["file"].endswith("bad.png")
    assert "1 of 31 images could not be read" in told.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["one.safetensors"], "WEIGHTS and DATA are both needed"),
        (["none.safetensors", "data"], "none.safetensors: no such file"),
        (["one.safetensors", "nowhere"], "nowhere: no such file or folder"),
        (["one.safetensors", "data", "--crops", "7"], "crops '7' are not known"),
        (["one.safetensors", "data", "--until-sure", "0", "--combination", "max"], "give --combination mean alone"),
        (["one.safetensors", "data", "--fit-temperature", "data"], "go together"),
        (
            ["one.safetensors", "data", "--fit-temperature", "data", "-o", "new.safetensors"],
            "on other images than those",
        ),
        (
            ["one.safetensors", "data", "--report", "data"],
            "data: lies in the data, data; give an output folder elsewhere",
        ),
        (["one.safetensors", "data", "--logits", "data/n1/kept"], "data/n1/kept: lies in the data, data"),
        (["one.safetensors", "list.txt"], "list.txt: 2 of 3 images are not there"),
    ],
)
def test_what_cannot_be_begun_is_one_line_and_status_2(made: Path, arguments: list[str], told: str, capsys):
    (made / "list.txt").write_text("data/n1/0.png n1\nmissing.png n2\nalso-missing.png n3\n")
    assert main(["evaluate", *arguments, "--engine", "torch"]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert told in error[-1]
    assert error[-1].startswith("googlenet: ")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_after_a_signal_the_same_command_goes_on(made: Path, tmp_path: Path):
    arguments = ["one.safetensors", "data", "--crops", "10", "--engine", "torch", "--report", str(tmp_path / "report")]
    process = subprocess.Popen(
        [sys.executable, "-m", "googlenet", "evaluate", *arguments], stderr=subprocess.PIPE, text=True
    )
    records = tmp_path / "report" / "records" / "records.bin"
    while process.poll() is None and not (records.exists() and np.fromfile(records, np.uint8).any()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=180)
    if process.returncode != 0:  # else it was faster
        assert process.returncode == 130
        assert f"go on with: googlenet evaluate {' '.join(arguments)}" in error
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 30
