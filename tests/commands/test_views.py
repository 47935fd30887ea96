import json

import numpy as np
import pytest
from PIL import Image

import googlenet
from googlenet.__main__ import main
from googlenet.evaluation.protocol import Protocol
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import numbered_classes


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (75, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def listed(capsys, *arguments):
    assert main(["views", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_lists_the_144_of_a_photograph(picture, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = listed(capsys, picture)
    assert found["image"] == [100, 75]
    assert len(found["views"]) == 144
    assert found["views"][11] == {
        "scale": 256,
        "box": [0, 0, 256, 256],
        "mirror": True,
        "resized": True,
        "size": [341, 256],
        "part": [0, 0, 100, 75],
    }
    assert sorted({view["scale"] for view in found["views"]}) == [256, 288, 320, 352]
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]  # no sheet that nobody asked for


def test_a_file_names_views_of_ones_own(picture, capsys, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(Protocol("mine", (280,), ("end",)).to_json())
    (view,) = listed(capsys, picture, "--crops", path)["views"]
    assert view["box"] == [373 - 280 + 28, 28, 373 - 28, 280 - 28]  # 373.3 long
    (view,) = listed(capsys, picture, "--crops", path, "--network", "googlenet-cifar")["views"]
    assert view["box"] == [53 - 40 + 4, 4, 53 - 4, 40 - 4]  # 280 is 40 for 32


def test_weights_bring_their_size_and_resize(picture, capsys, tmp_path):
    network = googlenet.create("googlenet-cifar", classes=4, width=0.125, seed=0)
    weights = tmp_path / "w.safetensors"
    save(weights, Checkpoint(network.specification, numbered_classes(4), network.state_dict()))
    resize = network.specification.pixels.resize
    (view,) = listed(capsys, picture, "--crops", "1", "--weights", weights)["views"]
    assert view["scale"] == resize.size
    assert view["box"][2] - view["box"][0] == 32


def test_the_sheet(picture, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["views", str(picture), "--crops", "144", "--network", "googlenet-cifar"]) == 0
    assert "views.png: 144 views of 100 x 75 pixels, 144 distinct" in capsys.readouterr().out
    with Image.open("views.png") as sheet:
        assert sheet.width > 13 * 176  # the map and twelve views
        assert sheet.height > 12 * 176  # three squares of four scales


def test_squares_that_coincide_share_a_row_of_the_sheet(capsys, tmp_path):
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), "teal").save(dot)
    output = tmp_path / "sheet.png"
    assert main(["views", str(dot), "--network", "googlenet-cifar", "-o", str(output)]) == 0
    assert "144 views of 1 x 1 pixels, 48 distinct" in capsys.readouterr().out
    with Image.open(output) as sheet:
        assert 4 * 176 < sheet.height < 5 * 250


def test_what_cannot_be_shown_is_one_line(picture, capsys, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for arguments, message in [
        ([picture, "--crops", "12"], "crops '12' are not known; there are 1, 10, 144, howard-90, or a .json file"),
        ([tmp_path / "nowhere.png"], "nowhere.png"),
        ([picture, "--network", "lenet"], "network 'lenet' is not known"),
        ([picture, "--network", "googlenet", "--weights", "w"], "--weights bring their own network; leave --network"),
        ([tmp_path / "nowhere.png", "-o", tmp_path / "folder.png"], "folder.png: cannot be written (it is a folder)"),
        ([picture, "-o", tmp_path / "sheet.jpg"], "sheet.jpg: the sheet is a PNG; let the name end in .png"),
    ]:
        assert main(["views", *map(str, arguments)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
