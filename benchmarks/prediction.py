"""Prediction over a folder: how much of decoding and network, each alone, is left where they work together.

The same photographs, in turns: `decode` reads and prepares them and does nothing else, `network` computes their
prepared crops and does nothing else, `predict` is `Model.predict`, all with the same cores. On a CPU decoding and
network share the cores, so that 1 / (t_decode + t_network) is the limit; on a GPU the slower of the two is. Also: the
peak memory of fresh processes that predict more and more images, and the seconds from the start of a process to the
answer for one photograph.

    python benchmarks/prediction.py [--images FOLDER] [--weights FILE] [--rounds 7] [--count 256] [--json FILE]

Without a folder, photographs of 500 x 375 pixels are made of smooth noise; without weights, they are random.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rounds import Result, measure, write

import googlenet
from googlenet import machine
from googlenet.images.finding import find_images
from googlenet.images.reading import read_crops
from googlenet.inference.predictor import BATCH
from googlenet.prediction.model import Model
from googlenet.weights.checkpoint import Checkpoint, save
from googlenet.weights.classes import numbered_classes

MEMORY = """
import resource, sys
from itertools import cycle, islice
import googlenet
from googlenet.machine import keep_freed_memory
keep_freed_memory()
model, paths, count = googlenet.load(sys.argv[1], device=sys.argv[2]), sys.argv[4:], int(sys.argv[3])
model.predictor.expect(10**9)
for answer in model.predict(islice(cycle(paths), count)):
    assert answer.error is None, answer.error
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""Prints the peak memory in KiB of a process that predicts so many images."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, help="a checkpoint of `googlenet` (default: random)")
    parser.add_argument("--count", type=int, default=256, help="images a round; the folder's are repeated as needed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    machine.keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        weights = options.weights or random_weights(Path(folder) / "random.safetensors")
        paths = find_images([options.images]).paths if options.images else photographs(Path(folder))
        model = googlenet.load(weights, device=options.device, precision=options.precision, engine=options.engine)
        result = together(model, list(islice(cycle(paths), options.count)), options.rounds)
        result.settings["peak_memory_kib"] = memory(weights, paths, model.predictor.device)
        result.settings["first_photograph_seconds"] = first_photograph(weights, paths[0], options.rounds)
    show(result)
    if options.json:
        write(options.json, [result])


def random_weights(path: Path) -> Path:
    network = googlenet.create("googlenet")
    save(path, Checkpoint(network.specification, numbered_classes(1000), network.state_dict()))
    return path


def photographs(folder: Path, count: int = 64) -> list[Path]:
    """Make JPEG files as cameras and the web have them: smooth, with some grain."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        smooth = cv2.resize(
            random.integers(0, 256, (12, 16, 3), dtype=np.uint8), (500, 375), interpolation=cv2.INTER_CUBIC
        )
        grain = random.normal(0, 6, smooth.shape)
        paths.append(folder / f"{number:03}.jpg")
        cv2.imwrite(str(paths[-1]), np.clip(smooth + grain, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return paths


def together(model: Model, paths: list[Path], rounds: int) -> Result:
    """Time decoding, network and both, over the same images."""
    predictor, specification = model.predictor, model.specification
    predictor.expect(10**9)

    def decode() -> list[Any]:
        return [crop for _, crop in read_crops(paths, specification.pixels, specification.input[1:])]

    crops = np.stack(decode())
    batches = [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]

    def network() -> None:
        for wait in [predictor.submit(batch) for batch in batches]:
            wait()

    def predict() -> None:
        assert not any(answer.error for answer in model.predict(paths))

    forms: dict[str, Callable[[], Any]] = {"decode": decode, "network": network, "predict": predict}
    settings = {"images": len(paths), "batch": BATCH, "threads": torch.get_num_threads(), "device": predictor.device}
    result = Result(shlex.join(sys.argv), settings)
    measure(forms, rounds, result)
    result.settings |= {"engine": predictor.engine, "precision": predictor.precision}
    return result


def memory(weights: Path, paths: list[Path], device: str) -> dict[int, int]:
    """Return the peak memory, in KiB, by the number of images."""
    found = {}
    for count in (64, 256, 1024):
        command = [sys.executable, "-c", MEMORY, str(weights), device, str(count), *map(str, paths)]
        found[count] = int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def first_photograph(weights: Path, path: Path, rounds: int) -> list[float]:
    """Time `googlenet predict` of one photograph, the start of the process and of torch included."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        command = [sys.executable, "-m", "googlenet", "predict", str(weights), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return seconds


def show(result: Result) -> None:
    settings, images = result.settings, result.settings["images"]
    on_cpu = settings["device"] == "cpu"
    print(f"{machine.processor()}, {settings['threads']} threads, torch {torch.__version__}")
    print(f"{images} images, {settings['device']}, {settings['precision']}, engine {settings['engine']}")
    for form in result.seconds:
        print(f"{form:8} {images / result.best(form):8.1f} images/s, median {images / result.median(form):8.1f}")
    rounds = zip(*(result.seconds[form] for form in ("decode", "network", "predict")), strict=True)
    shares = sorted((decode + network if on_cpu else max(decode, network)) / both for decode, network, both in rounds)
    limit = "1 / (decode + network)" if on_cpu else "the slower of decode and network"
    spread = f"{shares[0]:.3f} / {statistics.median(shares):.3f} / {shares[-1]:.3f}"
    print(f"predict is {spread} of {limit} (least / median / most)")
    peaks = ", ".join(f"{count} images {kib / 1024:.0f} MiB" for count, kib in settings["peak_memory_kib"].items())
    print(f"peak memory: {peaks}")
    seconds = settings["first_photograph_seconds"]
    print(f"first photograph: {statistics.median(seconds):.2f} s (first run {seconds[0]:.2f} s)")


if __name__ == "__main__":
    main()
