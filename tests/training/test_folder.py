"""Whose a run's folder is: the same data wherever they lie, other data whatever they are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from googlenet.errors import InputError
from googlenet.training.classification import prepare
from googlenet.training.folder import RunFolder, alone_in
from googlenet.training.recipe import Recipe

RECIPE = Recipe(network="googlenet-tiny", epochs=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(3):
            file = tmp_path / "data" / name / f"{number}.bmp"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8 + number, 3), 40 * number, np.uint8)).save(file)
    return tmp_path / "data"


def begin(folder: Path, data: str | Path, validation: str | Path | None = None, exchange: Any = None) -> None:
    setup = prepare(data, RECIPE, validation, None)
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    more = {"exchange": exchange} if exchange else {}
    run.begin(setup.recipe, {**setup.origin, **more}, setup.identities)
    run.claim()


def test_the_same_data_by_other_paths_and_moved_are_the_same_run(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    begin(run, "data", "data")
    for same in ("data/", "./data", data, tmp_path / "run/../data"):
        begin(run, same, same)
    shutil.move(data, tmp_path / "moved")
    begin(run, "moved", "moved")
    assert sorted(path.name for path in run.iterdir()) == ["data.txt.gz", "recipe.json", "validation.txt.gz"]


@pytest.mark.parametrize("what", ["data", "validation"])
def test_other_data_are_another_run_and_the_change_is_named(what, data, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(data, other)
    (other / "cat/1.bmp").rename(other / "cat/9.bmp")
    run = tmp_path / "run"
    begin(run, data, data)
    with pytest.raises(
        InputError, match=rf"another run \({what}: image 2 was cat/1.bmp \(class cat, \d+ bytes\), now cat/2.bmp"
    ):
        begin(run, other if what == "data" else data, other if what == "validation" else data)


DIVIDED = {"name": "downpour", "wire": "float32", "mitigation": "divide", "push_every": 2}
BOUNDED = {**DIVIDED, "mitigation": "bounded", "bound": 4}


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (None, DIVIDED, "exchange step, now downpour"),
        (DIVIDED, None, "exchange downpour, now step"),
        (DIVIDED, {**DIVIDED, "push_every": 3, "wire": "bfloat16"}, "wire float32, now bfloat16; push_every 2, now 3"),
        (DIVIDED, BOUNDED, "mitigation divide, now bounded"),
        (BOUNDED, {**BOUNDED, "bound": 2}, "bound 4, now 2"),
    ],
)
def test_another_exchange_is_named_by_the_options_that_differ(before, now, words, data, tmp_path):
    begin(tmp_path / "run", data, exchange=before)
    with pytest.raises(InputError, match=rf"another run \({words}\); give its options again"):
        begin(tmp_path / "run", data, exchange=now)
    begin(tmp_path / "run", data, exchange=before)


def test_a_lost_listing_is_made_again_and_missed_without_a_traceback(data, tmp_path):
    run = tmp_path / "run"
    begin(run, data)
    (run / "data.txt.gz").unlink()
    with pytest.raises(InputError, match=r"validation none, now \S*data 6 [0-9a-f]{12}"):
        begin(run, data, data)
    begin(run, data)
    whole = (run / "data.txt.gz").read_bytes()
    (run / "data.txt.gz").write_bytes(whole[:20])
    begin(run, data)
    assert (run / "data.txt.gz").read_bytes() == whole
    (run / "data.txt.gz").write_bytes(b"damaged")
    (data / "dog/2.bmp").unlink()
    with pytest.raises(InputError, match=r"data .* 6 [0-9a-f]{12}, now .* 5 [0-9a-f]{12}"):
        begin(run, data)


def test_nothing_is_left_in_a_folder_that_is_refused(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text("{}")
    (run / ".thesis.tex.tmp").write_text("mine")
    with pytest.raises(InputError, match=r"holds metrics.jsonl but no recipe.json"), RunFolder(run).held():
        pass
    assert sorted(path.name for path in run.iterdir()) == [".thesis.tex.tmp", "metrics.jsonl"]


@pytest.mark.parametrize("name", ["thesis.tex", "train/cat.jpg"])
def test_a_folder_that_holds_something_else_is_refused(data, tmp_path, name):
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True)
    (run / name).write_text("mine")
    with pytest.raises(InputError, match=r"holds (thesis.tex|train) but no recipe.json; give a new or empty"):
        begin(run, data)
    with pytest.raises(InputError, match="output: give the name of a folder"):
        RunFolder("")


def test_what_systems_leave_in_an_empty_folder_is_nothing(data, tmp_path):
    run = tmp_path / "run"
    (run / "lost+found").mkdir(parents=True)
    (run / ".DS_Store").write_text("a system's")
    (run / "metrics.jsonl").write_text("")  # of a run that was killed before it had begun
    begin(run, data)
    assert (run / "recipe.json").exists()


def test_a_recipe_that_says_nothing_is_damaged(data, tmp_path):
    begin(tmp_path / "run", data)
    for content in ("{}", '{"data": {}}', '{"data": 1, "epochs": 2}'):
        (tmp_path / "run/recipe.json").write_text(content)
        with pytest.raises(InputError, match=r"recipe\.json: damaged, it lacks (data|epochs|rate)"):
            begin(tmp_path / "run", data)


def test_leftovers_go_and_what_others_have_stays(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in (".thesis.tex.tmp", ".googlenet-left.tmp"):
        (run / name).write_text("content")
    begin(run, data)
    assert sorted(path.name for path in run.iterdir()) == [".thesis.tex.tmp", "data.txt.gz", "recipe.json"]


def test_a_folder_is_held_by_one_process(tmp_path):
    program = "import sys; from googlenet.training.folder import RunFolder\nwith RunFolder(sys.argv[1]).held(): pass"
    other = [sys.executable, "-c", program, tmp_path / "run"]
    with RunFolder(tmp_path / "run").held():
        done = subprocess.run(other, capture_output=True, text=True, check=False)
        assert "another process trains in this folder" in done.stderr
    subprocess.run(other, check=True)


def test_what_others_have_in_a_folder_stays(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "data.txt.gz").write_text("mine")
    with pytest.raises(InputError, match=r"holds data.txt.gz but no recipe.json"):
        begin(run, data)
    assert [path.name for path in run.iterdir()] == ["data.txt.gz"]


def test_a_name_that_is_no_utf_8_is_refused_at_once(tmp_path: Path) -> None:
    """The library that reads weights cannot open it."""
    with pytest.raises(InputError, match="give another name"), alone_in(tmp_path / os.fsdecode(b"run\xff")):
        pass
    assert not list(tmp_path.iterdir())
