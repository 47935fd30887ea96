"""`googlenet demo`: train on embedded real images, evaluate, use the checkpoint in a fresh process, draw it all."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from googlenet.data.digits import Digits
from googlenet.files import atomic_write
from googlenet.images.decoding import decode
from googlenet.reporting.console import json_line, percent, say
from googlenet.reporting.sheet import draw_sheet, prediction_tile
from googlenet.training.recipe import Recipe

RECIPE = Recipe(
    network="googlenet-tiny",
    epochs=8,
    rate=0.02,
    schedule="one-cycle",
    clip=5.0,
    sampling="none",
    mirror=False,  # a mirrored 5 is no 5
    distortion="none",
)
"""What brings a small network from nothing to 99 % of the held-out digits in about a minute on one core."""

SHOWN = 40


@dataclass(frozen=True)
class Options:
    """Train googlenet-tiny with both auxiliary heads on handwritten digits, evaluate it, and use what was saved."""

    output: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")] = Path("demo")
    """Where the checkpoint, the curves, the report and the sheet of predictions go."""
    json: bool = False
    """Print what came of it as one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Run the demo; what is there already from an earlier one is used."""
    from googlenet.training.run import train

    say("training googlenet-tiny with both auxiliary heads on scikit-learn's handwritten digits")
    finished = train("digits", RECIPE, validation="digits", output=options.output)
    measured = finished.summary["evaluation"][finished.summary["weights"]]
    digits = _write_digits(options.output / "digits")
    say(f"predicting {len(digits)} of the held-out digits with the saved checkpoint, in a fresh process")
    answers = _predict(finished.weights, list(digits))
    sheet = options.output / "predictions.png"
    draw_sheet(sheet, [_tile(answer, digits[answer["file"]]) for answer in answers])
    if options.json:
        files = [str(options.output / name) for name in _WRITTEN]
        print(json_line({"files": files, "summary": finished.summary, "predictions": answers}))
        return 0
    print(f"accuracy on {measured['images']} held-out digits: {percent(measured['top1'])}")
    print(f"training took {finished.summary['seconds']:.0f} s; in {options.output}:")
    for name, what in _WRITTEN.items():
        print(f"  {name:20} {what}")
    return 0


_WRITTEN = {
    "final.safetensors": "the checkpoint: googlenet predict demo/final.safetensors demo/digits",
    "curves.png": "loss and accuracy over the epochs",
    "predictions.png": "some held-out digits with what the network says",
    "report.html": "the report of the training",
}


def _write_digits(folder: Path) -> dict[str, str]:
    """Write some held-out digits as PNG files; return their paths with their true class."""
    held_out = Digits("validation")
    step = len(held_out) // SHOWN
    written = {}
    for index in range(0, step * SHOWN, step):
        path = folder / Path(held_out.name(index)).name
        with atomic_write(path) as file:
            file.write(held_out.read(index))
        written[str(path)] = held_out.classes[held_out.labels[index]].id
    return written


def _predict(weights: Path, paths: list[str]) -> list[dict[str, Any]]:
    """Ask the command line, as a user would."""
    command = [sys.executable, "-m", "googlenet", "predict", str(weights), *paths, "--json", "--top", "1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _tile(answer: dict[str, Any], truth: str) -> Any:
    (best,) = answer["predictions"]
    picture = decode(Path(answer["file"]))
    return prediction_tile(picture, best["name"], best["probability"], truth, correct=best["id"] == truth)
