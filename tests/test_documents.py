"""What the documents show is run: every command of the README and of docs/commands, and every piece of Python.

The names that the examples use stand for small things here: the weights are those of a small network, a folder of
flowers holds one picture a class.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import googlenet
from googlenet.__main__ import COMMANDS, main
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import numbered_classes

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs/commands").glob("*.md"))]

ELSEWHERE = {"download", "import", "demo"}
"""Commands that need a connection, a file of somebody else's or a minute; tests of their own run them."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Return the page's command lines, without what only says how one is built."""
    joined = "\n".join(blocks(page, "")).replace("\\\n", " ")
    lines = [line.removeprefix("$ ").partition("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if "googlenet " in line and not re.search(r"[A-Z]{4}|\[", line)]


def write_world(folder: Path, network: str) -> None:
    """Make what the examples name."""
    made = googlenet.create(network, classes=1000, seed=1)
    for name in ("bvlc", "birds"):
        save(folder / f"{name}.safetensors", Checkpoint(made.specification, numbered_classes(1000), made.state_dict()))
    (folder / "mine.json").write_text(made.specification.to_json())
    (folder / "mine-views.json").write_text(blocks(ROOT / "docs/commands/views.md", "json")[0])
    guesses, boxes = blocks(ROOT / "docs/commands/localisation.md", "json")
    (folder / "guesses.jsonl").write_text(guesses)
    (folder / "boxes.json").write_text(boxes)
    write_voc(folder / "voc")
    (folder / "detections.jsonl").write_text(blocks(ROOT / "docs/commands/detector-evaluate.md", "json")[0])
    rng = np.random.default_rng(0)
    flowers = [f"flowers/{part}/{kind}/1.jpg" for part in ("train", "validation") for kind in ("daisy", "rose")]
    for name in ("dog.jpg", "cup.png", "holiday/a.jpg", "more/deep/b.png", *flowers):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(folder / name)


def write_voc(folder: Path) -> None:
    """Make a VOC folder of three pictures, two in the list `train` and one in `test`."""
    rng = np.random.default_rng(1)
    for name in ("1", "2", "3"):
        for place in (folder / "JPEGImages", folder / "Annotations", folder / "ImageSets/Main"):
            place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
        box = "<xmin>5</xmin><ymin>5</ymin><xmax>60</xmax><ymax>50</ymax>"
        object_ = f"<object><name>dog</name><bndbox>{box}</bndbox></object>"
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{object_}</annotation>")
    (folder / "ImageSets/Main/train.txt").write_text("1\n2\n")
    (folder / "ImageSets/Main/test.txt").write_text("3\n")


def shorter(arguments: list[str]) -> list[str]:
    """Let a run take one epoch, of the digits over the few that are held out."""
    arguments = ["digits:validation" if argument == "digits" else argument for argument in arguments]
    if "--epochs" not in arguments:
        return [*arguments, "--epochs", "1"]
    at = arguments.index("--epochs") + 1
    return [*arguments[:at], "1", *arguments[at + 1 :]]


def simulated_shortly(arguments: list[str]) -> list[str]:
    """Let a comparison learn for one epoch, at one rate, on few images."""
    small = ["--learning-workers", "1", "--epochs", "1", "--rates", "0.02", "--workers", "1", "8"]
    return ["simulate", "digits:validation", "--validation", "digits:validation", *arguments, *small]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, "googlenet-tiny")
    return folder


def train_what_is_named(text: str) -> None:
    """Train the weights of a run that `text` uses, by the command that its page shows, where no test has yet."""
    pages = {
        "runs/flowers/final": README,
        "runs/boxes/final": ROOT / "docs/commands/detector-train-multibox.md",
        "runs/objects/detector": README,
        "runs/dogs/detector": ROOT / "docs/commands/detector-train.md",
    }
    for made, page in pages.items():
        if f"{made}.safetensors" in text and not Path(f"{made}.safetensors").exists():
            (train,) = [line for line in commands(page) if line.endswith(f"-o {Path(made).parent}")]
            assert main(shorter(shlex.split(train)[1:])) == 0


def test_the_readme_opens_with_the_two_commands():
    first = blocks(README, "")[0]
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in ("demo", "test"))


def test_every_command_has_a_page():
    shown = {line.partition("googlenet ")[2] for page in PAGES for line in commands(page)}
    assert [name for name in COMMANDS if not any(f"{line} ".startswith(f"{name} ") for line in shown)] == []


@pytest.mark.parametrize("command", dict.fromkeys(line for page in PAGES for line in commands(page)))
def test_a_command_runs(command, world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    train_what_is_named(command)
    if "|" in command:
        piped = command.replace("find /", "find .").replace("googlenet ", f"{sys.executable} -m googlenet ")
        done = subprocess.run(piped, shell=True, capture_output=True, text=True, check=False, timeout=300)
        assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr
        return
    _, *arguments = shlex.split(command.partition(" > ")[0])
    if arguments[0] in ELSEWHERE:
        with pytest.raises(SystemExit, match="0"):
            main([arguments[0], "--help"])
        return
    if "train" in arguments[:2] or "train-multibox" in arguments:
        arguments = shorter(arguments)
    if arguments[0] == "simulate":
        arguments = simulated_shortly([one for one in arguments[1:] if one != "digits"])
    assert main(arguments) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert printed
    if "--json" in arguments:
        json.loads(printed)


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    write_world(tmp_path, "googlenet")
    monkeypatch.chdir(tmp_path)
    (program,) = blocks(README, "python")
    names = {}
    exec(program, names)  # our own text
    assert names["features"].shape == (1, 1024, 7, 7)
    assert names["network"].specification.classifier.classes == 5


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_commands_page_runs(page, world, monkeypatch):
    monkeypatch.chdir(world)
    for program in blocks(page, "python"):
        train_what_is_named(program)
    names = {"googlenet": googlenet, "torch": torch, "images": ["dog.jpg", "cup.png"]}
    for program in blocks(page, "python"):
        exec(program, names)  # our own text


def test_the_python_page_runs(world, monkeypatch):
    monkeypatch.chdir(world)
    names = {}
    for program in blocks(ROOT / "docs/python.md", "python"):
        exec(program, names)  # our own text
    assert names["run"].summary["steps"] == 2
    alone, in_step = (read(f"runs/{run}/final.safetensors").weights for run in ("two-epochs", "in-step"))
    assert all(torch.equal(alone[name], value) for name, value in in_step.items())
    assert names["step"].number == 3
    assert names["logits"].shape == (2, 2)
    assert next(googlenet.load("own.safetensors").predict(["dog.jpg"])).best.name in ("daisy", "rose")


def test_links_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))]
    assert len(links) > 20
    assert [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_map_names_what_is_there():
    source = ROOT / "src/googlenet"
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`([a-z_/]+\.py)`", text))
    assert [name for name in files if not list(source.rglob(name))] == []
    folders = {path.name for path in source.iterdir() if (path / "__init__.py").exists()}
    assert set(re.findall(r"^\| `([a-z]+)/`", text, re.MULTILINE)) == folders


def test_decisions_have_numbers_of_their_own():
    numbers = [path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md")]
    assert sorted(numbers) == sorted(set(numbers))
