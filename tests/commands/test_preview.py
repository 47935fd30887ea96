import json

from PIL import Image

from googlenet.__main__ import main
from googlenet.commands import preview
from googlenet.data.samples import TrainingSamples
from googlenet.images import decoding
from googlenet.images.crops import Crop
from googlenet.images.photometric import Change


def test_a_sheet_of_samples(tmp_path, capsys):
    output = tmp_path / "sheet.png"
    assert main(["preview", "digits", "-o", str(output), "--images", "2", "--size", "32"]) == 0
    assert "2 images, 5 samples of each" in capsys.readouterr().out
    with Image.open(output) as sheet:
        width, height = sheet.size
    assert width > 6 * 176  # six columns: the image and five samples
    assert height > 2 * 176


def test_the_seed_decides(tmp_path):
    sheets = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main(["preview", "digits", "-o", str(tmp_path / name), "--images", "1", "--size", "32", "--seed", seed])
        sheets.append((tmp_path / name).read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_what_cannot_be_shown_is_one_line(tmp_path, capsys):
    assert main(["preview", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["preview", "digits", "--sampling", "wild"]) == 2
    assert "sampling 'wild' is not known; there are paper, " in capsys.readouterr().err
    assert main(["preview", "digits", "--images", "0"]) == 2
    assert "give 1 to 16 images" in capsys.readouterr().err


def test_a_picture_that_is_decoded_at_half_its_size_is_shown_with_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MAXIMUM_PIXELS", 100)
    for name in ("ash", "beech"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (18, 12), "green").save(tmp_path / name / "a.jpg", progressive=True)
    captions = []
    monkeypatch.setattr(preview, "draw_sheet", lambda path, tiles, columns: captions.extend(t.caption for t in tiles))
    assert main(["preview", str(tmp_path), "--images", "2", "--size", "32", "-o", str(tmp_path / "x.png")]) == 0
    assert [caption[1] for caption in captions[::6]] == ["18 x 12, as it is"] * 2


def test_what_was_done_is_told_as_json_and_is_what_train_does(tmp_path, capsys):
    for name in ("ash", "beech"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (180, 120), "green").save(tmp_path / name / "a.png")
    arguments = ["--images", "2", "--size", "32", "--epoch", "3", "-o", str(tmp_path / "x.png"), "--json"]
    assert main(["preview", str(tmp_path), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(tmp_path / "x.png")
    assert sorted(one["class"] for one in told["images"]) == ["ash", "beech"]
    samples = TrainingSamples((32, 32), seed=0, distortion="howard")
    for one in told["images"]:
        assert one["file"] == str(tmp_path / one["class"] / "a.png")
        assert one["image"] == [180, 120]
        index = ["ash", "beech"].index(one["class"])
        for draw, sample in zip(range(index, 10, 2), one["samples"], strict=True):
            x0, y0, x1, y1 = sample["box"]
            done = samples.draw(180, 120, 3, draw)
            assert done.crop == Crop(x0, y0, x1 - x0, y1 - y0, sample["mirror"], sample["interpolation"])
            assert done.distortion.changes == tuple(Change(c["what"], tuple(c["amount"])) for c in sample["changes"])


def test_a_name_that_promises_another_form_is_refused(tmp_path, capsys):
    assert main(["preview", "digits", "-o", str(tmp_path / "sheet.jpg")]) == 2
    assert "sheet.jpg: the sheet is a PNG" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
