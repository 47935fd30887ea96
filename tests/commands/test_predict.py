import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from googlenet.__main__ import main
from googlenet.prediction.loading import load


def predict(capsys, *arguments, status=0):
    assert main(["predict", *map(str, arguments)]) == status
    return capsys.readouterr()


def test_json_is_one_line_an_image(weights, pictures, capsys):
    out, err = predict(capsys, weights, pictures, "--json", "--top", 2)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == [str(pictures / name) for name in ("a.png", "b c.jpg", "below/d.WEBP")]
    for line in lines:
        assert len(line["predictions"]) == 2
        assert list(line["predictions"][0]) == ["index", "id", "name", "probability"]
    assert all(" computed by torch in float32 on " in line for line in err.splitlines())


@pytest.mark.parametrize("option", ["", "--json", "--csv"])
def test_data_are_utf_8_whatever_the_locale_and_text_has_escapes(weights, pictures, option):
    (pictures / "a.png").rename(pictures / "猫.png")
    command = [
        sys.executable,
        "-m",
        "googlenet",
        "predict",
        str(weights),
        str(pictures / "猫.png"),
        *filter(None, [option]),
    ]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("猫.png".encode() if option else rb"\u732b.png") in done.stdout


def test_a_full_output_is_one_line_and_a_status(weights, pictures):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "googlenet", "predict", str(weights), str(pictures), "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("googlenet: standard output cannot be written (No space left on device)\n")
    assert "Traceback" not in done.stderr


def test_csv_has_a_row_for_each_class(weights, pictures, capsys):
    out, _ = predict(capsys, weights, pictures / "a.png", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    (answer,) = load(weights).predict([pictures / "a.png"])
    assert [(row["id"], row["name"]) for row in rows] == [(found.id, found.name) for found in answer.predictions]
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1, abs=1e-4)


def test_the_plain_answer_names_the_file_and_its_classes(weights, pictures, capsys):
    out, _ = predict(capsys, weights, pictures / "b c.jpg", "--top", 1)
    first, second = out.splitlines()
    assert first == str(pictures / "b c.jpg")
    assert second.split("  ")[-2:] == ["crane, bird", "(n1)"] or second.endswith(("crane  (n2)", "cup"))


def test_a_broken_image_is_named_and_the_others_are_done(weights, broken, capsys):
    out, err = predict(capsys, weights, broken, "--json", status=1)
    lines = [json.loads(line) for line in out.splitlines()]
    assert sum("predictions" in line for line in lines) == 3
    (failed,) = (line for line in lines if "error" in line)
    assert failed["file"] == str(broken / "broken.png")
    assert "broken.png: not a whole PNG file" in err
    assert "1 of 4 images could not be read" in err


def test_patterns_and_a_list_on_standard_input(weights, pictures):
    command = [sys.executable, "-m", "googlenet", "predict", str(weights), str(pictures / "*.png"), "-", "--json"]
    text = f"{pictures}/b c.jpg\n\n{pictures}/below\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert files == [str(pictures / name) for name in ("a.png", "b c.jpg", "below/d.WEBP")]


NAMES = [
    "Screenshot 2024 at 9.41.00\u202fAM",
    "写真\u3000一",
    "a\nb",
    "family👨\u200d👩",
    "soft\u00adhyphen",
    "\x9b[31m\x7f",
    "\udce9t\udce9",
]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this file system holds names in Unicode only")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_in_data_are_the_real_ones_and_on_the_terminal_printable(
    weights, pictures, tmp_path, encoding, monkeypatch
):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.png").write_bytes((pictures / "a.png").read_bytes())
    expected = sorted(str(folder / f"{name}.png") for name in NAMES)

    def run(*arguments):
        stdout = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stdout, encoding=encoding))
        assert main([str(argument) for argument in arguments]) == 0
        sys.stdout.flush()
        return stdout.getvalue()

    lines = run("predict", weights, folder, "--json").decode().splitlines()
    assert len(lines) == len(NAMES)
    assert all(line.isprintable() for line in lines)
    assert sorted(json.loads(line)["file"] for line in lines) == expected
    rows = csv.reader(io.StringIO(os.fsdecode(run("predict", weights, folder, "--csv", "--top", 1)), newline=""))
    assert sorted(file for file, *_ in list(rows)[1:]) == expected
    run("embed", weights, folder, "-o", tmp_path / "features.npz")
    assert sorted(np.load(tmp_path / "features.npz")["files"].tolist()) == expected
    assert sorted(answer.file for answer in load(weights).predict(expected)) == expected
    if encoding == "utf-8":
        text = run("predict", weights, folder, "--top", 1).decode()
        assert len(text.splitlines()) == 2 * len(NAMES)
        assert text.replace("\n", "").isprintable()


def test_paths_that_give_nothing_are_failures_among_others(weights, pictures, tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    named = [pictures / "a.png", tmp_path / "gone [1].png", tmp_path / "empty", pictures / "b c.jpg"]
    given = b"".join(os.fsencode(path) + b"\0" for path in named)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    out, err = predict(capsys, weights, "-", "-0", "--json", status=1)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["file"] for answer in answers] == [str(named[place]) for place in (2, 0, 1, 3)]
    assert ["error" in answer for answer in answers] == [True, False, True, False]
    assert "2 of 4 images could not be read" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no image was named"),
        (["nowhere.jpg"], "nowhere.jpg"),
        (["*.nothing"], "*.nothing"),
        (["PICTURE", "--top", "0"], "top must be a whole number of at least 1"),
        (["PICTURE", "--json", "--csv"], "give one of them"),
    ],
)
def test_what_cannot_begin_is_one_line(weights, pictures, arguments, complaint, capsys):
    arguments = [str(pictures / "a.png") if argument == "PICTURE" else argument for argument in arguments]
    out, err = predict(capsys, weights, *arguments, status=2)
    assert out == ""
    assert err.count("\n") == 1
    assert complaint in err


def test_embed_writes_features_that_need_no_pickle(weights, pictures, tmp_path, capsys):
    output = tmp_path / "features.npz"
    assert main(["embed", str(weights), str(pictures), "--at", "inception_5b", "-o", str(output)]) == 0
    assert "inception_5b of 3 images, [3, 256, 4, 4]" in capsys.readouterr().out
    with np.load(output, allow_pickle=False) as arrays:
        assert arrays["files"].tolist() == [str(pictures / name) for name in ("a.png", "b c.jpg", "below/d.WEBP")]
        expected = load(weights).features(arrays["files"].tolist(), at="inception_5b")
        np.testing.assert_allclose(arrays["features"], expected, rtol=1e-5, atol=1e-5)


def test_embed_leaves_an_unreadable_image_out_and_names_it(weights, broken, tmp_path, capsys):
    output = tmp_path / "below" / "features.npz"
    arguments = ["embed", str(weights), str(broken), "-o", str(output), "--batch-size", "2", "--engine", "torch"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "pool5 of 3 images, [3, 256, 1, 1]" in out
    assert "broken.png: not a whole PNG file" in err
    assert "1 of 4 images could not be read" in err
    assert [path.name for path in output.parent.iterdir()] == ["features.npz"]
    with np.load(output, allow_pickle=False) as arrays:
        files = [str(broken / name) for name in ("a.png", "b c.jpg", "below/d.WEBP")]
        assert arrays["files"].tolist() == files
        np.testing.assert_allclose(arrays["features"], load(weights).features(files, at="pool5"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [["broken.png"], ["broken.png", "a.png"]])
def test_embed_says_as_json_what_is_in_the_file(names, weights, broken, tmp_path, capsys):
    output = tmp_path / "features.npz"
    images = [str(broken / name) for name in names]
    assert main(["embed", str(weights), *images, "--json", "-o", str(output)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["file", "at", "shape", "failed"]
    (failed,) = told["failed"]
    assert failed["file"] == images[0]
    assert "broken.png: not a whole PNG file" in failed["error"]
    if names[1:]:
        assert (told["file"], told["at"]) == (str(output), "pool5")
        with np.load(output, allow_pickle=False) as arrays:
            assert list(arrays["features"].shape) == told["shape"] == [1, 256, 1, 1]
    else:
        assert told["file"] is told["shape"] is None
        assert not output.exists()


def test_embed_writes_nothing_where_nothing_can_be_read(weights, broken, tmp_path, capsys):
    output = tmp_path / "features.npz"
    output.write_bytes(b"before")
    assert main(["embed", str(weights), str(broken / "broken.png"), "-o", str(output)]) == 1
    assert "1 of 1 images could not be read; " in capsys.readouterr().err
    assert output.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--at", "pool9"], "'pool9' is no layer"),
        (["--batch-size", "0"], "batch_size must be a whole number of at least 1"),
        (["-o", "/dev/null/features.npz"], "/dev/null/features.npz: cannot be written"),
    ],
)
def test_an_embedding_that_cannot_begin_is_one_line(weights, pictures, tmp_path, arguments, complaint, capsys):
    assert main(["embed", str(weights), str(pictures), "-o", str(tmp_path / "f.npz"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert complaint in err
    assert not (tmp_path / "f.npz").exists()


@pytest.mark.parametrize("command", ["predict", "embed"])
def test_how_to_compute_is_an_option(weights, pictures, tmp_path, command, capsys):
    more = ["-o", str(tmp_path / "f.npz")] if command == "embed" else []
    arguments = [command, str(weights), str(pictures / "a.png"), *more, "--device", "cpu"]
    assert main([*arguments, "--engine", "torch", "--precision", "bfloat16"]) == 0
    assert "bfloat16: " in capsys.readouterr().err
    assert main([*arguments, "--precision", "int8"]) == 2
    assert "give --calibrate FOLDER, with 50 photographs or more, once" in capsys.readouterr().err
    assert main([*arguments, "--calibrate", str(pictures)]) == 2
    assert "--calibrate is for --precision int8; float32 needs none" in capsys.readouterr().err
    assert main([*arguments, "--engine", "magic"]) == 2
    assert "--engine" in capsys.readouterr().err
