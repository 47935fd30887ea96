"""Small runs whose losses are kept to the last digit: what should not change the arithmetic must not change them."""

import hashlib
import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors import safe_open
from small_runs import recipe, write_images

from googlenet import native
from googlenet.machine import processor
from googlenet.training import execution, log
from googlenet.training.recipe import Recipe
from googlenet.training.run import train

FILE = Path(__file__).parents[1] / "fixtures/golden_losses.json"

JOINED = "training-step=float32-channels-last-joined,local-response-norm=blocks"

RUNS: dict[str, Recipe] = {
    # both heads, dropout, local response normalisation, the paper's sampling and distortion, Polyak's mean
    "heads": recipe(epochs=2),
    # batch normalisation, an exponential mean, Nesterov's momentum
    "batch normalisation": recipe(
        network="googlenet-cifar",
        width=0.1,
        epochs=2,
        averaging="exponential",
        nesterov=True,
        label_smoothing=0.1,
        schedule="one-cycle",
        distortion="none",
    ),
    # unequal parts of a batch, a gradient that is cut off, balanced classes
    "accumulate and clip": recipe(epochs=2, batch_size=7, accumulate=3, clip=1.0, balance=True),
    # the 1x1 convolutions of a module as one
    "joined": recipe(epochs=2, averaging="none"),
}


def machine() -> dict[str, str]:
    """What the last digits depend on, with one thread: instructions, kernels and the libraries' versions."""
    here = processor()
    libraries = {name: version(name) for name in ("torch", "numpy", "opencv-python-headless", "simplejpeg", "pillow")}
    return {"processor": f"{here.model} ({', '.join(here.instructions)})", "kernels": native.level(), **libraries}


def measure(name: str) -> dict[str, Any]:
    """Run one of `RUNS` on one thread and return its losses and the digest of everything that it left in its state."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    told = {"GOOGLENET_FORMS": JOINED} if name == "joined" else {}
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            patch.object(log, "_rounded", lambda value: value),
            patch.object(execution, "WORTH_MEASURING", 0.0 if told else float("inf")),
            patch.dict(os.environ, told),
        ):
            here = Path(folder)
            data, validation = write_images(here / "train"), write_images(here / "validation", each=3, seed=1)
            run = train(data, RUNS[name], validation=validation, output=here / "run")
            lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
            return {
                "losses": [line["loss"] for line in lines if line["event"] == "step"],
                "gradients": [line["gradient"] for line in lines if line["event"] == "step"],
                "evaluations": [line["loss"] for line in lines if line["event"] == "evaluation"],
                "state": _digest(run.folder / "state.safetensors"),
            }
    finally:
        torch.set_num_threads(threads)


def _digest(path: Path) -> str:
    """Of weights, averages and velocity."""
    digest = hashlib.sha256()
    with safe_open(path, framework="np") as file:
        for name in sorted(file.keys()):
            digest.update(name.encode() + file.get_tensor(name).tobytes())
    return digest.hexdigest()
