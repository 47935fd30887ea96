"""What `localisation` prints of a case worked by hand, and what it refuses."""

import json

import pytest

from googlenet.__main__ import main


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cat = [{"wnid": "cat", "box": [0, 0, 9, 9]}]
    (tmp_path / "truths.json").write_text(json.dumps({"a.jpg": cat, "b.jpg": cat, "c.jpg": []}))
    guesses = [{"id": "cat", "box": [0, 0, 1, 1]}, {"id": "cat", "box": [0, 0, 10, 10]}]  # too small, right
    lines = [{"file": "a.jpg", "predictions": guesses}, {"file": "b.jpg", "predictions": guesses[:1]}]
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.usefixtures("files")
def test_errors_with_their_intervals(capsys):
    assert main(["localisation", "boxes.jsonl", "truths.json"]) == 0
    printed = capsys.readouterr().out
    assert "100.0 %  [34.2, 100.0]" in printed  # Wilson's, 2 of 2
    assert "50.0 %  [9.5, 90.5]" in printed
    assert "0.0 %  [0.0, 65.8]" in printed
    assert printed.endswith("2 images, 1 without boxes left out\n")


@pytest.mark.usefixtures("files")
def test_json(capsys):
    assert main(["localisation", "boxes.jsonl", "truths.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["localisation_error_top1"], found["localisation_error_top5"]) == (1, 0.5)


@pytest.mark.usefixtures("files")
def test_what_does_not_fit_is_one_line(capsys):
    assert main(["localisation", "truths.json", "truths.json"]) == 2
    assert capsys.readouterr().err.startswith("googlenet: truths.json, line 1: expected {")


@pytest.mark.usefixtures("files")
def test_the_first_file_that_is_not_there_is_named(capsys):
    for arguments, missing in ((["no.jsonl", "no.json"], "no.jsonl"), (["boxes.jsonl", "no.json"], "no.json")):
        assert main(["localisation", *arguments]) == 2
        assert capsys.readouterr().err == f"googlenet: {missing}: no such file; check the path\n"
