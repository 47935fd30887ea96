import json

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
