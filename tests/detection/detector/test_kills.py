"""Twenty kills over all stages of a detector's training: the detector and what it finds are those of a run without."""

import os
import random
import sys
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from coloured import Coloured, pretrained, recipe
from safetensors import safe_open

from googlenet.detection.detector.training import DetectorData, train_detector
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.regions.refinement.recipe import RefinementRecipe

KILLS = {
    "multibox/metrics.jsonl": (1, 2, 4),
    "proposals/*/*/*.boxes": (1, 4, 7, 10),
    "windows/train/index": (1,),
    "windows/validation/index": (1,),
    "regions/metrics.jsonl": (1, 3, 5, 7, 9),
    "refinement/features/index": (1,),
    "refinement/*.safetensors": (1,),
    "detector.safetensors": (1,),
    "evaluation/detections.jsonl": (1, 2),
    "evaluation/report.html": (1,),
}
"""When to kill: once there are so many of these files, or lines in them."""

context = get_context("forkserver")
context.set_forkserver_preload(["__main__", "googlenet.detection.detector.training"])


def train(folder: Path, weights: Path) -> None:
    torch.set_num_threads(1)
    with open(os.devnull, "w") as sys.stderr:  # noqa: PTH123
        train_detector(
            *(DetectorData("coloured", Coloured(4)), recipe(epochs=4, auxiliary_weight=0.0)),
            validation=DetectorData("held out", Coloured(2, seed=1)),
            pretrained=weights,
            output=folder,
            sources=("selective-search:single,width=native", "multibox:boxes=20"),
            multibox=MultiBoxRecipe(epochs=4, batch_size=4, boxes=6, warm_up=0.0, log_every=1, save_minutes=0.0),
            refinement=RefinementRecipe("svm", box_regression=True, context=True, feature_windows=20),
        )


def start(folder: Path, weights: Path) -> BaseProcess:
    process = context.Process(target=train, args=(folder, weights))
    process.start()
    return process


def count(folder: Path, pattern: str) -> int:
    """Return how many files there are, or lines in the one of lines."""
    if pattern.endswith(".jsonl"):
        path = folder / pattern
        return path.read_bytes().count(b"\n") if path.exists() else 0
    return len(list(folder.glob(pattern)))


@pytest.mark.long
def test_twenty_kills_over_all_stages_leave_the_same_detector(tmp_path: Path):
    weights, moment = pretrained(tmp_path / "tiny.safetensors"), random.Random(1)
    whole = start(tmp_path / "whole", weights)
    whole.join(600)
    assert whole.exitcode == 0
    folder, kills = tmp_path / "killed", list[str]()
    for pattern, counts in KILLS.items():
        for least in counts:
            process, deadline = start(folder, weights), time.monotonic() + 600
            while process.is_alive() and count(folder, pattern) < least:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(moment.uniform(0, 0.02))
            if process.is_alive():
                process.kill()
                kills.append(f"{pattern} {least}")
            process.join()
    print(f"{len(kills)} kills: {', '.join(kills)}")
    assert len(kills) >= 18  # the last may come too late
    last = start(folder, weights)
    last.join(600)
    assert last.exitcode == 0
    for name in ("multibox/final.safetensors", "detector.safetensors"):
        one, other = (tensors(tmp_path / run / name) for run in ("whole", "killed"))
        assert one == other, name
    one, other = ((tmp_path / run / "evaluation/detections.jsonl").read_bytes() for run in ("whole", "killed"))
    assert one == other


def tensors(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
