"""The README's commands are run, and its Python is executed, on a tiny network under the names that it uses."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import googlenet
from googlenet.__main__ import main
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import numbered_classes

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what the README's examples name."""
    network = googlenet.create("googlenet", seed=1)
    save(tmp_path / "bvlc.safetensors", Checkpoint(network.specification, numbered_classes(1000), network.state_dict()))
    rng = np.random.default_rng(0)
    (tmp_path / "holiday").mkdir()
    for part in ("train", "validation"):
        for flower in ("daisy", "rose"):
            (tmp_path / "flowers" / part / flower).mkdir(parents=True)
    flowers = [f"flowers/{part}/{flower}/1.jpg" for part in ("train", "validation") for flower in ("daisy", "rose")]
    for name in ("dog.jpg", "cup.png", "holiday/a.jpg", *flowers):
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_opens_with_the_two_commands():
    first = blocks("")[0]
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == ["make demo", "make test"]
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in ("demo", "test"))


def test_its_commands_run(here):
    commands = [line[2:] for block in blocks("") for line in block.splitlines() if line.startswith("$ googlenet")]
    assert len(commands) >= 4
    for command in commands:
        _, *arguments = shlex.split(command, comments=True)
        if arguments[0] in ("import", "download", "train"):  # they need files, a network or time that a test has not
            with pytest.raises(SystemExit, match="0"):
                main([arguments[0], "--help"])
            continue
        done = subprocess.run(
            [sys.executable, "-m", "googlenet", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)


def test_its_python_runs(here):
    (program,) = blocks("python")
    names = {}
    exec(program, names)  # our own text
    assert names["features"].shape == (1, 1024, 7, 7)
    assert names["network"].specification.classifier.classes == 5
