"""COCO's average precision of 5,000 pictures, 100 detections each, 80 classes: this package and faster-coco-eval.

Once from what is in memory (theirs: two loaded `COCO` objects; ours: `Predictions`, and the objects of each picture) to
the twelve figures, and once from the two JSON files, interleaved, one process. Pictures have as many objects and
classes as COCO's (7.4 and 2.9); of the detections a part lies near objects, most of them of the right class.

    pip install faster-coco-eval
    python benchmarks/average_precision.py [--rounds 5] [--images 5000] [--detections 100] [--json FILE]
"""

import argparse
import contextlib
import io
import json
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faster_coco_eval
import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from rounds import Result, measure, write

from googlenet import machine
from googlenet.detection.annotations import Objects
from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.predictions import read_predictions
from googlenet.detection.datasets.opening import open_annotated

CLASSES = 80
SIDE = 640
OBJECTS, KINDS = 7.4, 2.9
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        truth, results = (Path(temporary) / name for name in ("instances_val.json", "results.json"))
        make(truth, results, options.images, options.detections)
        sizes = {"images": options.images, "detections": options.detections, "classes": CLASSES}
        result = Result(shlex.join(sys.argv), sizes | {"faster_coco_eval": faster_coco_eval.__version__})
        difference = compare(truth, results)
        measure(forms(truth, results), options.rounds, result)
    show(result, difference)
    if options.json:
        write(options.json, [result])


def make(truth: Path, results: Path, images: int, detections: int) -> None:
    """Write a data set and detections as COCO's JSON."""
    random = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        kinds = random.choice(CLASSES, 1 + random.poisson(KINDS - 1), replace=False) + 1
        count = random.poisson(OBJECTS)
        sizes = np.exp(random.uniform(np.log(10), np.log(400), (count, 2)))
        boxes = np.concatenate([random.uniform(0, SIDE - sizes), sizes], axis=1).round(2)
        labels = random.choice(kinds, count)
        for label, box, crowd in zip(labels.tolist(), boxes.tolist(), random.random(count) < 0.01, strict=True):
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": box}
            annotations.append(row | {"area": box[2] * box[3] * 0.7, "iscrowd": int(crowd)})
        near = random.integers(0, max(count, 1), min(detections, 4 * count))
        moved = boxes[near] + random.normal(0, 0.08, (len(near), 4)) * np.tile(sizes[near], 2)
        moved[:, 2:] = np.maximum(moved[:, 2:], 1)
        others = np.exp(random.uniform(np.log(10), np.log(400), (detections - len(near), 4)))
        right = np.where(random.random(len(near)) < 0.8, labels[near], random.choice(kinds, len(near)))
        guessed = np.concatenate([right, random.integers(1, CLASSES + 1, len(others))])
        scores = np.concatenate([random.beta(3, 2, len(near)), random.beta(1, 4, len(others))])
        every = zip(guessed.tolist(), np.concatenate([moved, others]).round(2).tolist(), scores.tolist(), strict=True)
        for label, box, score in every:
            found.append({"image_id": image, "category_id": label, "bbox": box, "score": round(score, 3)})
    listed = [{"id": n, "file_name": f"{n:012}.jpg", "width": SIDE, "height": SIDE} for n in range(1, images + 1)]
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    truth.write_text(json.dumps({"images": listed, "categories": categories, "annotations": annotations}))
    results.write_text(json.dumps(found))


def theirs(truth: COCO, results: COCO) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        judged = COCOeval_faster(truth, results, "bbox", print_function=lambda *_: None)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return list(judged.stats[: len(NAMES)])


def load(truth: Path, results: Path) -> tuple[COCO, COCO]:
    with contextlib.redirect_stdout(io.StringIO()):
        one = COCO(str(truth), print_function=lambda *_: None)
        return one, one.loadRes(str(results))


class InMemory:
    """A data set whose objects are read already."""

    def __init__(self, path: Path) -> None:
        self._data = open_annotated(path)
        self.classes, self.image_ids = self._data.classes, getattr(self._data, "image_ids", {})
        self._objects = [self._data.objects(index) for index in range(len(self._data))]

    def __len__(self) -> int:
        return len(self._objects)

    def name(self, index: int) -> str:
        return self._data.name(index)

    def read(self, index: int) -> bytes:
        return self._data.read(index)

    def objects(self, index: int) -> Objects:
        return self._objects[index]


def ours(predictions: Any, truth: Any) -> list[float | None]:
    figures = evaluate(predictions, truth, "coco").figures
    return [figures[name] for name in NAMES]


def compare(truth: Path, results: Path) -> float:
    """Return by how much the figures of both differ at most."""
    one = np.array(theirs(*load(truth, results)))
    other = np.array(ours(read_predictions(results), open_annotated(truth)), np.float64)
    return float(np.abs(one - other).max())


def forms(truth: Path, results: Path) -> dict[str, Callable[[], Any]]:
    loaded, predictions, data = load(truth, results), read_predictions(results), InMemory(truth)
    return {
        "faster-coco-eval: in memory": lambda: theirs(*loaded),
        "googlenet: in memory": lambda: ours(predictions, data),
        "faster-coco-eval: files": lambda: theirs(*load(truth, results)),
        "googlenet: files": lambda: ours(read_predictions(results), open_annotated(truth)),
    }


def show(result: Result, difference: float) -> None:
    print(f"{machine.processor()}, faster-coco-eval {faster_coco_eval.__version__}")
    print(f"the twelve figures differ by {difference:.1e} at most")
    print(f"{'form':30} {'median s':>9} {'best s':>8}   times as fast (least / median / most)")
    for name in result.seconds:
        kind = name.partition(": ")[2]
        ratios = " / ".join(f"{ratio:.2f}" for ratio in result.ratios(f"faster-coco-eval: {kind}", name))
        print(f"{name:30} {result.median(name):9.2f} {result.best(name):8.2f}   {ratios}")


if __name__ == "__main__":
    main()
