"""`googlenet export`: what it writes, says and refuses."""

import json

import pytest

from googlenet.__main__ import main


def test_both_forms_at_once(weights, tmp_path, capsys):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    options = ["--onnx", str(tmp_path / "tiny.onnx"), "--hub-folder", str(tmp_path / "hub")]
    assert main(["export", str(weights), *options]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / 'tiny.onnx'}: ONNX opset 17, ")
    assert f"; onnxruntime {runtime.__version__} agrees to " in first
    assert second.endswith("googlenet.load reads the folder")
    assert (tmp_path / "hub" / "model.safetensors").is_file()

    assert main(["export", str(weights), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hub_folder"] == str(tmp_path / "hub")
    assert found["onnx"].keys() == {
        "file",
        "bytes",
        "opset",
        "checked_with",
        "logit_difference",
        "probability_difference",
    }


def test_nothing_to_write_is_refused(weights, capsys):
    assert main(["export", str(weights)]) == 2
    assert capsys.readouterr().err == ("googlenet: nothing to write is named; give --onnx FILE or --hub-folder DIR\n")
