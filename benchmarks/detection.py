"""Region scoring: images a minute with the same boxes, against the plain way; and what rejecting boxes saves and costs.

All forms score the same boxes of the same pictures, in turns; proposals are made before and are in no figure. Each
reads the picture's file. `plain` takes one picture at a time, cuts R-CNN's crops with Pillow (whole pixels of the crop,
linear, antialiased, 0 outside), and gives them in batches to the plain module, eager, in float32; in a process of its
own with the C library's memory as it comes. `network` computes crops that were cut before, and does nothing else: the
limit. `ours` is `regions/scoring.py`, in float32, and `bfloat16` the same where the machine has units for it. `best N`
classifies the first N boxes of each picture alone (`detect --proposals N`).

`--boxes` are the boxes of each picture, of which images a minute are said: the paper's were about 1,400. Where
Selective Search has fewer, these are moved about. A round takes minutes on two cores: a few boxes of the first picture
warm each form up, every round is written to `--json`, and the same command goes on after the last whole one. At 30
crops a second `--count 1 --forms plain ours` takes 47 seconds a form, 8 minutes for five rounds; with `--minutes 20`
more follow until then.

Scores are compared twice: the plain module on our crops (to 1e-5 in float32), and the plain way as a whole (to 1e-3 in
the mean). Pillow averages over all pixels of a step, where ours interpolates linearly between steps of whole pixels,
and it rounds the edge of a crop that reaches outside: crops of large boxes differ by a few shades.

    python benchmarks/detection.py [--images FOLDER] [--weights FILE] [--count 2] [--boxes 1400] [--best 200]
        [--forms plain ours] [--truth DATA --split NAME] [--rounds 5] [--minutes 0] [--json FILE]

Without a folder photographs are made of smooth noise; without weights they are random. With `--truth`, annotated
pictures in the place of a folder, it is said how many objects all boxes cover, and the best N: what rejection costs.
"""

import argparse
import hashlib
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from prediction import photographs, random_weights
from rounds import Result, elsewhere, measure_long, write

from googlenet import machine
from googlenet.detection.boxes import iou
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.regions.crop import CONTEXT, Crops, cut, outside
from googlenet.detection.regions.scoring import Boxed, Member, score
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.detection.selective_search.settings import parse_settings
from googlenet.files import sha256
from googlenet.images.decoding import decode
from googlenet.images.finding import find_images
from googlenet.inference.predictor import Predictor
from googlenet.weights.checkpoint import read
from googlenet.weights.creation import build

BATCH = 64
"""Crops that go through the plain module together, which bounds its memory."""

SAME, ALIKE = 1e-5, 1e-3
"""How far scores may differ from the plain module's on the same crops, and in the mean from the plain way's."""

FORMS = ("plain", "network", "ours", "bfloat16", "best")

Pictures = Sequence[tuple[Path, np.ndarray]]
"""Files, and boxes [N, 4] of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--truth", type=Path, help="annotated pictures")
    parser.add_argument("--split", help="a part of them")
    parser.add_argument("--weights", type=Path, help="a region classifier, or any network of classes (default: random)")
    parser.add_argument("--count", type=int, default=2, help="pictures")
    parser.add_argument("--boxes", type=int, default=1400, help="of each picture")
    parser.add_argument("--best", type=int, default=200, help="boxes of each that rejection leaves")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS, metavar="FORM", help=", ".join(FORMS))
    parser.add_argument("--rounds", type=int, default=5, help="at least")
    parser.add_argument("--minutes", type=float, default=0.0, help="more rounds follow while these are not over")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    machine.keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        weights = options.weights or random_weights(Path(folder) / "random.safetensors")
        annotated = open_annotated(options.truth, options.split) if options.truth else None
        if annotated is not None:
            paths = [Path(annotated.name(index)) for index in range(min(options.count, len(annotated)))]
        elif options.images:
            paths = list(map(Path, find_images([options.images]).paths[: options.count]))
        else:
            paths = photographs(Path(folder), options.count)
        pictures = [(path, proposed(decode(path), options.boxes)) for path in paths]
        result = compare(weights, pictures, options)
        if annotated is not None:
            objects = [annotated.objects(index).boxes for index in range(len(paths))]
            result.settings["covered"] = {
                name: covered(pictures, objects, most) for name, most in (("all", None), ("best", options.best))
            }
        show(result)
    if options.json:
        write(options.json, [result])
    found = result.settings
    if found.get("difference_on_the_same_crops", 0) > SAME or found.get("mean_difference", 0) > ALIKE:
        sys.exit(f"scores differ by more than {SAME} on the same crops, or {ALIKE} in the mean")


def proposed(image: np.ndarray, count: int) -> np.ndarray:
    """Return so many boxes: Selective Search's, and where it has fewer, these moved about."""
    boxes = SelectiveSearch(parse_settings("fast")).propose(image).boxes
    random, found = np.random.default_rng(0), [boxes[:count]]
    while sum(map(len, found)) < count:
        sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        moved = np.clip(boxes + random.normal(0, 0.1, boxes.shape) * sizes, 0, np.tile(image.shape[1::-1], 2))
        kept = ((moved[:, 2:] - moved[:, :2]) > 8).all(axis=1)
        found.append(moved[kept][: count - sum(map(len, found))])
    return np.concatenate(found)


def covered(pictures: Pictures, objects: Sequence[np.ndarray], most: int | None) -> float:
    """Return the share of the objects that the first boxes of each picture overlap by half."""
    best = [iou(boxes[:most], own).max(axis=0) for (_, boxes), own in zip(pictures, objects, strict=True)]
    return float((np.concatenate(best) >= 0.5).mean())


def compare(weights: Path, pictures: Pictures, options: argparse.Namespace) -> Result:
    """Time all forms, and compare their scores."""
    checkpoint = read(weights)
    network = build(checkpoint, auxiliary=False).eval()
    outputs = np.arange(len(checkpoint.classes))
    members = {}
    for precision in ["float32", *(["bfloat16"] if has_bfloat16(options.device) else [])]:
        predictor = Predictor(network, None, options.device, precision, options.engine)
        predictor.expect(10**9)
        members[precision] = Member(predictor, outputs)
    size, predictor = network.specification.input[1:], members["float32"].predictor
    crops = [cut(decode(path), boxes, size) for path, boxes in pictures] if "network" in options.forms else []
    few = [(path, boxes[:BATCH]) for path, boxes in pictures[:1]]
    found: dict[str, np.ndarray] = {}

    def alone(some: Sequence[Crops]) -> None:
        for wait in [predictor.submit(one.pixels, outside(one.inside, size)) for one in some]:
            wait()

    def ours(precision: str, some: Pictures, most: int | None = None) -> np.ndarray:
        boxed = (Boxed(str(path), decode(path), boxes[:most]) for path, boxes in some)
        return np.concatenate([one.scores for one in score(boxed, [members[precision]])])

    with elsewhere(plain_way, weights) as ask:
        ways: dict[str, Callable[[Pictures], Any]] = {"plain": ask, "ours": partial(ours, "float32")}
        ways |= {"bfloat16": partial(ours, "bfloat16")} if "bfloat16" in members else {}
        for way in ways.values():
            way(few)

        def timed(name: str) -> Callable[[], None]:
            return lambda: found.update({name: ways[name](pictures)})

        forms = {name: timed(name) for name in ways} | {"network": partial(alone, crops)}
        forms["best"] = partial(ours, "float32", pictures, options.best)
        result = Result(shlex.join(sys.argv), asked(weights, pictures, options))
        result.settings |= {"device": predictor.device, "engine": predictor.engine}
        measure_long(
            {name: forms[name] for name in FORMS if name in forms and name in options.forms},
            options.rounds,
            result,
            kept=options.json,
            minutes=options.minutes,
            after_round=lambda: result.settings.update(differences(network, few, found)),
        )
    return result


def asked(weights: Path, pictures: Pictures, options: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for: rounds of other weights, boxes or threads are others."""
    boxes = hashlib.sha256(b"".join(boxes.tobytes() for _, boxes in pictures)).hexdigest()[:16]
    numbers = {"pictures": len(pictures), "boxes": options.boxes, "best": options.best, "batch": BATCH}
    return numbers | {"threads": torch.get_num_threads(), "weights": sha256(weights)[:16], "boxes_sha256": boxes}


def differences(network: torch.nn.Module, few: Pictures, found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return how far the scores that were found by different forms are from each other."""
    told: dict[str, Any] = {}
    if "ours" in found:
        (path, boxes), size = few[0], network.specification.input[1:]
        crops = cut(decode(path), boxes, size)
        first = eager(network, crops.pixels, outside(crops.inside, size))
        told["difference_on_the_same_crops"] = float(np.abs(first - found["ours"][: len(boxes)]).max())
    if {"ours", "plain"} <= found.keys():
        apart = np.abs(found["ours"] - found["plain"])
        same = found["ours"].argmax(axis=1) == found["plain"].argmax(axis=1)
        told |= {
            "mean_difference": float(apart.mean()),
            "largest_difference": float(apart.max()),
            "boxes_within_1e-3": float((apart.max(axis=1) <= ALIKE).mean()),
            "same_best_class": float(same.mean()),
        }
    if {"ours", "bfloat16"} <= found.keys():
        told["largest_difference_bfloat16"] = float(np.abs(found["bfloat16"] - found["ours"]).max())
    return told


def has_bfloat16(device: str) -> bool:
    """Whether computing in bfloat16 is quicker here: a GPU, or a processor with units for it."""
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return True
    return "bfloat16" in str(machine.processor())


@torch.inference_mode()
def eager(network: torch.nn.Module, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the probabilities of crops, bytes with a mask of what lies outside, by the plain module."""
    batch = normalised(pixels, network.specification.pixels)
    batch[torch.from_numpy(mask)[:, None].expand_as(batch)] = 0
    return network(batch).softmax(dim=1).numpy()


def plain_way(weights: Path) -> Callable[[Pictures], np.ndarray]:
    """Return what scores all boxes of pictures, and returns the probabilities."""
    network = build(read(weights), auxiliary=False).eval()

    @torch.inference_mode()
    def scores(pictures: Pictures) -> np.ndarray:
        found = []
        for path, boxes in pictures:
            image = Image.open(path).convert("RGB")
            for start in range(0, len(boxes), BATCH):
                crops = [plain_crop(image, box, network.specification) for box in boxes[start : start + BATCH].tolist()]
                found.append(network(torch.stack(crops)).softmax(dim=1).numpy())
        return np.concatenate(found)

    return scores


def plain_crop(image: Image.Image, box: Sequence[float], specification: Any) -> torch.Tensor:
    """Cut a box with its surroundings as one writes it down: what lies in the picture is resized to its place."""
    height, width = specification.input[1:]
    x0, y0, x1, y1 = box
    grown_x, grown_y = (x1 - x0) * CONTEXT / (1 - 2 * CONTEXT), (y1 - y0) * CONTEXT / (1 - 2 * CONTEXT)
    x0, y0, x1, y1 = x0 - grown_x, y0 - grown_y, x1 + grown_x, y1 + grown_y
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, image.width), min(y1, image.height)
    columns = [round((edge - x0) / (x1 - x0) * width) for edge in (left, right)]
    rows = [round((edge - y0) / (y1 - y0) * height) for edge in (top, bottom)]
    size = (max(columns[1] - columns[0], 1), max(rows[1] - rows[0], 1))
    part = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    crop = torch.zeros(3, height, width)
    place = (slice(rows[0], rows[0] + size[1]), slice(columns[0], columns[0] + size[0]))
    crop[:, *place] = normalised(np.array(part)[None], specification.pixels)[0]
    return crop


def normalised(crops: np.ndarray, pixels: Any) -> torch.Tensor:
    batch = torch.from_numpy(crops).permute(0, 3, 1, 2)
    batch = (batch.flip(1) if pixels.order == "BGR" else batch).float().contiguous()
    mean, scale = (torch.tensor(values).view(3, 1, 1) for values in (pixels.mean, pixels.scale))
    return (batch * (pixels.white / 255) - mean) / scale


def show(result: Result) -> None:
    settings, pictures = result.settings, result.settings["pictures"]
    print(f"{machine.processor()}, {settings['threads']} threads, torch {torch.__version__}")
    print(f"{pictures} pictures with {settings['boxes']} boxes, {settings['device']}, engine {settings['engine']}")
    print(f"{'':10} {'images a minute':>16} {'median':>8} {'times plain: least / median / most':>36}")
    for form in result.seconds:
        ratio = (
            " / ".join(f"{value:.2f}" for value in result.ratios("plain", form)) if "plain" in result.seconds else ""
        )
        name = f"best {settings['best']}" if form == "best" else form
        best, median = (60 * pictures / seconds for seconds in (result.best(form), result.median(form)))
        print(f"{name:10} {best:16.2f} {median:8.2f} {ratio:>36}")
    if {"network", "ours"} <= result.seconds.keys():
        share = " / ".join(f"{value:.3f}" for value in result.ratios("network", "ours"))
        print(f"ours reaches {share} of the network alone")
    if "difference_on_the_same_crops" in settings:
        print(f"scores: {settings['difference_on_the_same_crops']:.1e} at most on the same crops")
    if "mean_difference" in settings:
        print(
            f"of the plain way {settings['mean_difference']:.1e} in the mean, {settings['largest_difference']:.1e} at"
            f" most, {100 * settings['boxes_within_1e-3']:.1f} % of the boxes within {ALIKE:g},"
            f" {100 * settings['same_best_class']:.1f} % with the same best class"
        )
    if "largest_difference_bfloat16" in settings:
        print(f"bfloat16 differs by {settings['largest_difference_bfloat16']:.1e} at most")
    if "covered" in settings:
        every, best = settings["covered"]["all"], settings["covered"]["best"]
        print(f"covered: {100 * every:.1f} % of the objects by all, {100 * best:.1f} % by the best {settings['best']}")


if __name__ == "__main__":
    main()
