"""The loop of docs/own-loop.md, taken from the page and run: its losses and weights are those of `googlenet.train`."""

import json
import re
import sys
import types
from pathlib import Path

import pytest
import torch
from small_runs import write_images

import googlenet
from googlenet.weights.checkpoint import read

PAGE = Path(__file__).parents[2] / "docs/own-loop.md"


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def page(monkeypatch) -> types.ModuleType:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(program.splitlines()) <= 150
    module = types.ModuleType("own_loop")
    monkeypatch.setitem(sys.modules, "own_loop", module)  # where its dataclass looks for its names
    exec(program, module.__dict__)  # our own text
    return module


def test_its_losses_and_weights_are_those_of_the_command(page, one_thread, tmp_path, monkeypatch, capsys):
    data = str(write_images(tmp_path / "data", each=4))
    validation = str(write_images(tmp_path / "validation", each=3, seed=1))
    monkeypatch.setattr("googlenet.training.log._rounded", lambda value: value)  # all digits
    # nine epochs: the rate has fallen once
    common = {"network": "googlenet-tiny", "width": 0.25, "epochs": 9, "batch_size": 4, "seed": 3, "workers": 0}
    recipe = googlenet.Recipe(**common, device="cpu", precision="float32", log_every=1)
    run = googlenet.train(data, recipe, validation=validation, output=tmp_path / "run")
    capsys.readouterr()
    losses = page.train(data, validation, str(tmp_path / "own.safetensors"), page.Settings(**common))

    logged = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 27
    assert losses == [line["loss"] for line in logged if line["event"] == "step"]
    expected, found = read(run.weights), read(tmp_path / "own.safetensors")
    assert found.classes == expected.classes
    assert found.specification == expected.specification
    assert found.weights.keys() == expected.weights.keys()
    assert all(torch.equal(found.weights[name], value) for name, value in expected.weights.items())
    averaged = run.summary["evaluation"]["averaged"]["top1"]
    assert capsys.readouterr().err.splitlines()[-1] == f"averaged: top-1 {averaged:.1%}"
