"""The README's first command, as a whole."""

import json
import subprocess
import sys

from PIL import Image

from googlenet.weights.checkpoint import read


def test_the_whole_path_on_embedded_images(tmp_path):
    command = [sys.executable, "-m", "googlenet", "demo", "--output", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "demo"
    summary = json.loads((folder / "summary.json").read_text())
    best = summary["evaluation"][summary["weights"]]
    assert best["images"] == 359
    assert best["top1"] >= 0.97
    assert f"accuracy on 359 held-out digits: {100 * best['top1']:.1f} %" in done.stdout
    checkpoint = read(folder / "final.safetensors")
    assert [item.id for item in checkpoint.classes] == list("0123456789")
    assert [head.name for head in checkpoint.specification.auxiliary] == ["auxiliary_4a", "auxiliary_4d"]
    assert checkpoint.provenance["recipe"]["network"] == "googlenet-tiny"
    for picture in ("curves.png", "predictions.png"):
        with Image.open(folder / picture) as image:
            assert min(image.size) > 300
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=600)
    assert again.returncode == 0, again.stderr
    shown = json.loads(again.stdout)
    assert list(shown) == ["files", "summary", "predictions"]
    assert shown["summary"] == summary
    assert len(shown["predictions"]) == 40
    assert all((folder / name).exists() for name in shown["files"])
