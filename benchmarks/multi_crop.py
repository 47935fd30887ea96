"""The paper's 144 crops: `googlenet.evaluate` against the usual way, its memory, and what stopping early saves.

Speed, in turns over the same photographs: `usual way` cuts the 144 crops of an image with Pillow (each scale resized
once), and gives them as one batch to the plain module, eager, in float32; in a process of its own with the C library's
memory as it comes. `network` computes the distinct views, cut before, and does nothing else: the limit. `evaluate` is
the whole path, from the checkpoint's bytes to the scores. Photographs are those with 144 distinct views that Pillow and
this package decode alike; the weights' resize is changed to Pillow's filter here, so that probabilities have to agree.

Memory: the peaks of fresh processes that evaluate more and more small images with `googlenet-tiny`.

Until sure: `evaluate` with all views, and with views added until the answer is sure: views, seconds, changed answers.

    python benchmarks/multi_crop.py [--images FOLDER] [--weights FILE] [--only speed memory sure] [--json FILE]
        [--count 4] [--rounds 3] [--precision bfloat16] [--memory 1000 10000 100000] [--sure 12]

Without a folder, photographs of 500 x 375 pixels are made of smooth noise. Without weights, they are random, which is
good for speed; but such a network is not sure of anything.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from prediction import photographs, random_weights
from rounds import Result, elsewhere, measure, write

import googlenet
from googlenet import machine
from googlenet.evaluation.cutting import cut
from googlenet.evaluation.protocol import find_protocol
from googlenet.evaluation.results import Evaluation, Row
from googlenet.evaluation.views import find_places
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images
from googlenet.network.specification import Pixels
from googlenet.weights.checkpoint import Checkpoint, read, save
from googlenet.weights.classes import numbered_classes
from googlenet.weights.creation import build

CROPS = find_protocol("144")
RISKS = (None, 0.0, 0.01, 0.05)
PARTS = ("speed", "memory", "sure")
AGREE = 1e-5
"""How far probabilities may differ from the usual way's, in float32."""

MEMORY = """
import sys
import numpy as np
import googlenet
from googlenet.machine import keep_freed_memory

def peak():  # of this process alone: what getrusage says includes the process that started it
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

keep_freed_memory()
googlenet.load(sys.argv[1], device="cpu").predictor(np.zeros((32, 32, 32, 3), np.uint8))
before = peak()
found = googlenet.evaluate(sys.argv[1], sys.argv[2], crops=["10"], device="cpu")
assert found.images == int(sys.argv[3]), found.unreadable[:1]
print(before, peak())
"""
"""Prints the peak memory in KiB of a process that has the network, and of the same after so many images."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, help="a checkpoint of `googlenet` (default: random)")
    parser.add_argument("--count", type=int, default=4, help="photographs whose evaluation is timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="+", default=[1000, 10_000], help="images of the data sets")
    parser.add_argument("--sure", type=int, default=12, help="photographs that are evaluated until sure")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    machine.keep_freed_memory()
    computing = {"device": options.device, "precision": options.precision, "engine": options.engine}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = options.weights or random_weights(folder / "random.safetensors")
        results = []
        if {"speed", "sure"} & set(options.only):
            given = find_images([options.images]).paths if options.images else photographs(folder, 16)
            paths = list(islice(filter(has_all_views, map(Path, given)), max(options.count, options.sure)))
        if "speed" in options.only:
            results.append(
                speed(with_pillow_filter(weights, folder), paths[: options.count], options.rounds, computing)
            )
        if "memory" in options.only:
            results.append(memory(folder, options.memory))
        if "sure" in options.only:
            results.append(until_sure(weights, paths[: options.sure], computing))
    if options.json:
        write(options.json, results)
    if any(result.settings.get("difference", 0) > AGREE for result in results) and options.precision == "float32":
        sys.exit(f"probabilities differ by more than {AGREE}")


def has_all_views(path: Path) -> bool:
    """Whether no two views coincide, and the picture is one of those that Pillow needs no help with."""
    image, size = decode(path), (224, 224)
    found, _ = find_places(
        (image.shape[0], image.shape[1]), (CROPS,), size, googlenet.specification("googlenet").pixels
    )
    return len(found) == CROPS.views and np.array_equal(image, np.asarray(Image.open(path).convert("RGB")))


def with_pillow_filter(weights: Path, folder: Path) -> Path:
    """Write the checkpoint with pixels that are resized as Pillow does it."""
    given = read(weights)
    pixels = given.specification.pixels
    pixels = replace(pixels, resize=replace(pixels.resize, filter="bilinear", antialias=True))
    path = folder / "pillow.safetensors"
    save(path, replace(given, specification=replace(given.specification, pixels=pixels)))
    return path


def listed(paths: Sequence[Path], folder: Path, labels: Sequence[int]) -> Path:
    """Write a list of images; who asks for speed needs labels, not right ones."""
    path = folder / f"{len(paths)}.txt"
    path.write_text("".join(f"{image.resolve()} {label}\n" for image, label in zip(paths, labels, strict=True)))
    return path


def speed(weights: Path, paths: Sequence[Path], rounds: int, computing: dict[str, str]) -> Result:
    """Time the usual way, the network alone and the whole path."""
    data = listed(paths, weights.parent, [0] * len(paths))
    model = googlenet.load(weights, **computing)
    predictor = model.predictor
    predictor.expect(10**9)
    size, pixels = model.specification.input[1:], model.specification.pixels
    sets = [cut(decode(path), (CROPS,), size, pixels).pictures for path in paths]
    found: dict[str, Any] = {}

    def network() -> None:
        for wait in [predictor.submit(pictures) for pictures in sets]:
            wait()

    def evaluate() -> None:
        found["evaluate"] = whole(googlenet.evaluate(weights, data, crops=[CROPS], **computing))

    with elsewhere(usual_way, weights, paths) as ask:

        def usual() -> None:
            found["usual"] = ask()

        settings = {"part": "speed", "photographs": len(paths), "views": CROPS.views, **computing}
        result = Result(shlex.join(sys.argv), settings | {"threads": torch.get_num_threads()})
        measure({"usual way": usual, "network": network, "evaluate": evaluate}, rounds, result)
    outcome, expected = found["evaluate"].outcome, found["usual"]
    difference = np.abs(np.take_along_axis(expected, outcome.first, axis=1) - outcome.probabilities).max()
    same = int((expected.argmax(axis=1) == outcome.first[:, 0]).sum())
    result.settings |= {"device": predictor.device, "engine": predictor.engine}
    result.settings |= {"difference": float(difference), "same_best_class": same}
    show_speed(result)
    return result


def whole(found: Evaluation | None) -> Row:
    """Return the one row of an evaluation of which no image was left out."""
    assert found is not None
    assert not found.unreadable, found.unreadable[:3]
    return found.rows[0]


def usual_way(weights: Path, paths: Sequence[Path]) -> Callable[[Any], np.ndarray]:
    """Return what evaluates the photographs, and returns the probabilities."""
    checkpoint = read(weights)
    network = build(checkpoint, auxiliary=False).eval()

    @torch.inference_mode()
    def evaluate(_: Any) -> np.ndarray:
        found = []
        for path in paths:
            batch = normalised(usual_crops(Image.open(path).convert("RGB")), checkpoint.specification.pixels)
            found.append(network(batch).softmax(dim=1).mean(dim=0).numpy())
        return np.stack(found)

    return evaluate


def usual_crops(image: Image.Image) -> list[Image.Image]:
    """Cut the crops as one writes it down from the paper."""
    crops = []
    for scale in CROPS.scales:
        short = min(image.size)
        width, height = (int(side * scale / short + 0.5) for side in image.size)
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        room = max(width, height) - scale
        for start in (0, room // 2, room):
            x, y = (start, 0) if width > height else (0, start)
            square = resized.crop((x, y, x + scale, y + scale))
            end = scale - 224
            for left, top in ((0, 0), (end, 0), (0, end), (end, end), (end // 2, end // 2)):
                crops.append(square.crop((left, top, left + 224, top + 224)))
            crops.append(square.resize((224, 224), Image.Resampling.BILINEAR))
    return crops + [ImageOps.mirror(crop) for crop in crops]


def normalised(crops: Sequence[Image.Image], pixels: Pixels) -> torch.Tensor:
    batch = torch.from_numpy(np.stack([np.asarray(crop) for crop in crops])).permute(0, 3, 1, 2)
    batch = (batch.flip(1) if pixels.order == "BGR" else batch).float().contiguous()
    mean, scale = (torch.tensor(values).view(3, 1, 1) for values in (pixels.mean, pixels.scale))
    return (batch * (pixels.white / 255) - mean) / scale


def show_speed(result: Result) -> None:
    settings = result.settings
    views = settings["photographs"] * settings["views"]
    print(f"{machine.processor()}, {settings['threads']} threads, torch {torch.__version__}")
    print(
        f"{settings['photographs']} photographs of {settings['views']} distinct views, {settings['device']},"
        f" {settings['precision']}, engine {settings['engine']}"
    )
    for form in result.seconds:
        print(f"{form:10} {views / result.best(form):7.1f} views/s, median {views / result.median(form):7.1f}")
    for slow, quick, told in (
        ("usual way", "evaluate", "evaluate is {} times as fast as the usual way"),
        ("network", "evaluate", "evaluate reaches {} of the network alone"),
    ):
        print(
            told.format(" / ".join(f"{ratio:.3f}" for ratio in result.ratios(slow, quick))), "(least / median / most)"
        )
    same = f"{settings['same_best_class']} of {settings['photographs']} best classes are the same"
    print(f"{same}; probabilities differ by up to {settings['difference']:.1e}\n")


def memory(folder: Path, counts: Sequence[int]) -> Result:
    """Return the peak memory, in KiB, by the number of images."""
    network = googlenet.create("googlenet-tiny")
    weights = folder / "tiny.safetensors"
    save(weights, Checkpoint(network.specification, numbered_classes(10), network.state_dict()))
    images = small_images(folder, 64)
    result = Result(shlex.join(sys.argv), {"part": "memory", "network": "googlenet-tiny", "crops": "10"})
    peaks = {}
    for count in counts:
        data = listed([images[number % len(images)] for number in range(count)], folder, [n % 10 for n in range(count)])
        command = [sys.executable, "-c", MEMORY, str(weights), str(data), str(count)]
        start = time.perf_counter()
        before, after = map(int, subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split())
        result.seconds[f"{count} images"] = [time.perf_counter() - start]
        peaks[count] = {"network": before, "evaluated": after}
        print(f"{count:7} images: peak {after / 1024:.0f} MiB, {(after - before) / 1024:.0f} MiB beside the network")
    result.settings["peak_memory_kib"] = peaks
    print()
    return result


def small_images(folder: Path, count: int) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [folder / f"small-{number}.png" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((48, 36), Image.Resampling.BICUBIC).save(path)
    return paths


def until_sure(weights: Path, paths: Sequence[Path], computing: dict[str, str]) -> Result:
    """Evaluate with all views and until sure, once each, and count what that saves and changes."""
    settings = {"part": "sure", "photographs": len(paths), "views": CROPS.views, **computing}
    result = Result(shlex.join(sys.argv), settings | {"threads": torch.get_num_threads()})
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = listed(paths, Path(folder), [0] * len(paths))
        few = listed(paths[:1], Path(folder), [0])
        googlenet.evaluate(weights, few, crops=[CROPS], **computing)  # the engine is chosen, the files are read
        for risk in RISKS:
            name = "all views" if risk is None else f"until sure {risk:g}"
            start = time.perf_counter()
            rows[name] = whole(googlenet.evaluate(weights, data, crops=[CROPS], until_sure=risk, **computing))
            result.seconds[name] = [time.perf_counter() - start]
    everything = rows["all views"].outcome
    result.settings["answers"] = {name: compared(row, everything.first) for name, row in rows.items()}
    show_sure(result)
    return result


def compared(row: Row, expected: np.ndarray) -> dict[str, float]:
    found = row.outcome.first
    sets = np.sort(found, axis=1) != np.sort(expected, axis=1)
    return {
        "views": row.multiply_adds_performed / row.multiply_adds * CROPS.views,
        "best_class_changed": int((found[:, 0] != expected[:, 0]).sum()),
        "first_five_changed": int(sets.any(axis=1).sum()),
        "checked": row.checked,
        "changed_of_checked": row.changed,
    }


def show_sure(result: Result) -> None:
    photographs = result.settings["photographs"]
    print(f"{photographs} photographs, of which one in ten is computed whole to check a risk")
    print(f"{'':16} {'views an image':>14} {'seconds':>8} {'other best class':>17} {'other first five':>17}")
    for name, told in result.settings["answers"].items():
        changed = f"{told['best_class_changed']:17} {told['first_five_changed']:17}"
        print(f"{name:16} {told['views']:14.1f} {result.median(name):8.1f} {changed}")


if __name__ == "__main__":
    main()
