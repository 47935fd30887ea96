import json
import sys

import pytest

import googlenet
from googlenet.__main__ import main


def explain(capsys, *arguments, status=0):
    assert main(["explain", *map(str, arguments)]) == status
    return capsys.readouterr()


def test_the_evidence_is_printed_and_the_folder_named(weights, pictures, tmp_path, capsys):
    out, _ = explain(capsys, weights, pictures / "a.png", "--class", "cup", "-o", tmp_path / "why")
    first, _, headers, *rows, rest, last = out.splitlines()
    assert first.startswith(f"{pictures / 'a.png'}: cup ")
    assert headers.split() == ["module", "1x1", "3x3", "5x5", "pool", "rest"]
    assert [row.split()[0] for row in rows] == [f"inception_{name}" for name in ("3a", "3b", "4a", "4d", "5a", "5b")]
    assert rest.startswith("The rest is the classifier's bias and, but for inception_5b, what is not linear")
    assert last == f"{tmp_path / 'why/explanation.html'}: shows where it lies"
    assert (tmp_path / "why/explanation.html").exists()


def test_json_is_what_lies_in_the_folder(weights, pictures, tmp_path, capsys):
    out, _ = explain(capsys, weights, pictures / "a.png", "--at", "inception_4a", "-o", tmp_path / "why", "--json")
    told = json.loads(out)
    assert told == json.loads((tmp_path / "why/explanation.json").read_text())
    assert list(told) == [
        *["file", "network", "class", "predictions", "logit", "modules", "at", "grad_cam", "evidence", "occlusion"]
    ]
    assert list(told["class"]) == ["index", "id", "name", "probability"]
    assert told["class"] == told["predictions"][0]
    assert (told["at"], len(told["grad_cam"]), len(told["grad_cam"][0])) == ("inception_4a", 8, 8)
    assert told["occlusion"]["square"] == [6, 6]
    assert len(told["occlusion"]["probability"]) == 14
    for module in told["modules"]:
        assert sum(module["evidence"].values()) + module["rest"] == pytest.approx(told["logit"])
    (at,) = (module for module in told["modules"] if module["name"] == told["at"])
    for branch, places in told["evidence"].items():
        assert sum(map(sum, places)) == pytest.approx(at["evidence"][branch], rel=1e-4, abs=1e-5)


def test_an_ensemble_has_a_line_and_a_folder_for_each_member(weights, pictures, tmp_path, capsys):
    other = googlenet.create("googlenet-tiny", classes=3, seed=9)
    classes = googlenet.load(weights).classes
    googlenet.save(
        tmp_path / "other.safetensors", googlenet.Checkpoint(other.specification, classes, other.state_dict())
    )
    googlenet.save_ensemble(tmp_path / "both.json", [weights, tmp_path / "other.safetensors"])
    out, _ = explain(capsys, tmp_path / "both.json", pictures / "a.png", "-o", tmp_path / "why", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    folders = [tmp_path / "why" / name for name in ("member-1", "member-2")]
    assert told == [json.loads((folder / "explanation.json").read_text()) for folder in folders]
    assert told[0]["class"]["id"] == told[1]["class"]["id"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a.png", "--class", "crane"], "class 'crane' is the name of 2: give the id of one of them: n1 (crane, bird)"),
        (["a.png", "--class", "dog"], "class 'dog' is none of the 3"),
        (["a.png", "--at", "inception_4e"], "--at inception_4e: no Inception module of googlenet-tiny; there are "),
        (["broken.png"], "broken.png: not a whole PNG file"),
        (["nowhere.png"], "nowhere.png"),
        (["below"], "below"),
    ],
)
def test_what_cannot_begin_is_one_line_and_writes_nothing(weights, broken, tmp_path, arguments, complaint, capsys):
    name, *more = arguments
    out, err = explain(capsys, weights, broken / name, *more, "-o", tmp_path / "why", status=2)
    assert out == ""
    assert err.splitlines()[-1].startswith("googlenet: ")
    assert complaint in err.splitlines()[-1]
    assert not (tmp_path / "why").exists()


@pytest.mark.parametrize("output", ["taken", "taken/below/it"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_read(tmp_path, pictures, output, capsys):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "damaged.safetensors").touch()
    _, err = explain(capsys, tmp_path / "damaged.safetensors", pictures / "a.png", "-o", tmp_path / output, status=2)
    assert err == f"googlenet: {tmp_path / output}: {tmp_path / 'taken'} is no folder; give another name\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for a folder in which nobody can write")
def test_a_folder_in_which_nothing_can_be_written_is_refused_before_anything_is_read(tmp_path, pictures, capsys):
    (tmp_path / "damaged.safetensors").touch()
    _, err = explain(capsys, tmp_path / "damaged.safetensors", pictures / "a.png", "-o", "/proc/why", status=2)
    assert err.startswith("googlenet: /proc/why: /proc cannot be written to (")


def test_weights_that_are_not_finite_explain_nothing(weights, pictures, tmp_path, capsys):
    model = googlenet.load(weights)
    tensors = googlenet.create("googlenet-tiny", classes=3).state_dict()
    tensors["classifier.weight"].fill_(float("nan"))
    path = tmp_path / "nan.safetensors"
    googlenet.save(path, googlenet.Checkpoint(model.specification, model.classes, tensors))
    out, err = explain(capsys, path, pictures / "a.png", "-o", tmp_path / "why", status=2)
    assert out == ""
    assert "a.png: the answer of googlenet-tiny is not finite" in err.splitlines()[-1]
    assert not (tmp_path / "why").exists()
