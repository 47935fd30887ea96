import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.__main__ import main


@pytest.fixture
def folders(tmp_path):
    """Training and validation with one of each fault."""
    rng = np.random.default_rng(0)
    for part, count in (("training", 3), ("validation", 2)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(rng.integers(0, 256, (20 + index, 30, 3), np.uint8)).save(
                    tmp_path / part / name / f"{index}.png"
                )
    return tmp_path


def check(capsys, *arguments):
    status = main(["data", "check", *map(str, arguments)])
    return status, capsys.readouterr().out


def test_nothing_wrong_is_status_0(folders, capsys):
    status, out = check(capsys, folders / "training", "--validation", folders / "validation")
    assert status == 0
    assert "nothing is wrong" in out


def test_everything_wrong_is_named(folders, capsys):
    (folders / "training" / "cat" / "torn.png").write_bytes((folders / "training/cat/0.png").read_bytes()[:200])
    (folders / "validation" / "dog" / "leak.png").write_bytes((folders / "training/cat/1.png").read_bytes())
    (folders / "training" / "cow").mkdir()
    status, out = check(capsys, folders / "training", "--validation", folders / "validation", "--json")
    found = json.loads(out)
    assert status == 1
    assert found["training"]["images_of_class"] == {"cat": 4, "cow": 0, "dog": 3}
    assert found["training"]["empty_classes"] == ["cow"]
    ((bad, _),) = found["training"]["bad_images"]
    assert bad.endswith("torn.png")
    (group,) = found["duplicates"]
    assert (group["in_training_and_validation"], group["contradict"]) == (True, True)
    status, out = check(capsys, folders / "training", "--validation", folders / "validation")
    assert "the same image in training and validation, as cat and dog" in out
    assert "class cow has no images" in out


def test_a_missing_folder_is_one_line(tmp_path, capsys):
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_one_level_too_high_and_split_folders_are_something_to_mend(folders, capsys):
    status, out = check(capsys, folders)
    assert status == 1
    assert "the folders training, validation are taken as classes" in out
    (folders / "top").mkdir()
    (folders / "training").rename(folders / "top" / "training")
    status, out = check(capsys, folders / "top", "--json")
    assert status == 1
    assert "all images are of one class, training; give '" in json.loads(out)["problems"][0]


def test_many_problems_of_one_kind_are_cut_short(folders, capsys):
    for number in range(30):
        for copy in range(2):
            (folders / "training" / "cat" / f"{number}-{copy}.png").write_bytes(b"x" * (number + 1))
    status, out = check(capsys, folders / "training")
    assert status == 1
    assert sum("not an image" in line or "unknown" in line for line in out.splitlines()) <= 20
    assert "... and 10 more like these; --json lists all" in out  # 30 groups of duplicates
    assert "... and 40 more like these; --json lists all" in out  # 60 bad images
    assert len(json.loads(check(capsys, folders / "training", "--json")[1])["duplicates"]) == 30


def test_json_holds_the_real_names(folders, capfd):
    names = [os.fsencode(name) for name in ("a\nb.png", "Screenshot 9.41\u202fAM.png")] + [b"\xff.png"]
    for name in names:
        path = os.fsdecode(os.fsencode(folders / "training" / "cat") + b"/" + name)
        Path(path).write_bytes(b"no image")
    status, out = check(capfd, folders / "training", "--json")
    found = json.loads(out)
    assert status == 1
    assert all(Path(name).exists() for name, _ in found["training"]["bad_images"])
    assert {Path(name).name for name in found["duplicates"][0]["names"]} == {os.fsdecode(name) for name in names}
    assert all(line.isprintable() for line in check(capfd, folders / "training")[1].replace("\t", "").splitlines())
