"""What proposals cover: this package's Selective Search, with usual and with doubled superpixels, and OpenCV contrib's.

For each data set: boxes a picture, the share of objects that some box overlaps by half (the paper's coverage), the mean
of that share over overlaps of 0.5 to 0.95, and the mean best overlap, a class at a time (MABO). Objects that are
difficult or a crowd are left out. OpenCV's is its own fast mode at the same width of 500, which has 12 strategies, not
8, and ends the process on some pictures: these have no boxes then, and are counted.

    python benchmarks/proposal_coverage.py ../shared/data/voc2007-100 ../shared/data/bccd:test [--pictures 20]
        [--opencv PYTHON] [--json FILE]

A data set is anything that `open_annotated` opens, with `:SPLIT` where there are splits. For OpenCV contrib see
`selective_search.py`.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Result, write
from selective_search import OPENCV, with_contrib

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.boxes import Boxes, as_boxes, from_xywh, iou
from googlenet.detection.datasets.opening import open_annotated
from googlenet.detection.selective_search import SelectiveSearch, parse_settings
from googlenet.detection.selective_search.resizing import resize, working_size
from googlenet.images.decoding import decode

SETTINGS = ("fast", "fast,superpixels=2")
OVERLAPS = 0.5 + 0.05 * np.arange(10)

WORKER = """
import json
import sys
import cv2
import numpy as np

cv2.setNumThreads(1)
for line in sys.stdin:
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.load(line.strip())[:, :, ::-1].copy())
    search.switchToSelectiveSearchFast()
    print(json.dumps(search.process().tolist()), flush=True)
"""
"""Answers each path of pixels with boxes (x, y, width, height)."""

Propose = Callable[[np.ndarray], Boxes]


class Contrib:
    """OpenCV's Selective Search in a process of its own, which is started anew where a picture ended it."""

    def __init__(self, python: Path) -> None:
        self.command = [str(python), "-c", WORKER]
        self.failures = 0
        self.start()

    def start(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def propose(self, image: np.ndarray) -> Boxes:
        size = working_size(*image.shape[:2], 500)
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file, resize(image, *size))
            file.flush()
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(file.name + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            self.failures += 1
            self.process.wait()
            self.start()
            return as_boxes([])
        factors = [image.shape[1] / size[1], image.shape[0] / size[0]] * 2
        return np.unique(from_xywh(json.loads(answer)), axis=0) * factors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--pictures", type=int, help="the first so many of each")
    parser.add_argument("--opencv", type=Path, metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    contrib = Contrib(options.opencv or with_contrib(Path("build/opencv-contrib")))
    forms: dict[str, Propose] = {text: searching(text) for text in SETTINGS} | {OPENCV: contrib.propose}
    results = []
    for text in options.data:
        path, _, split = text.partition(":")
        data = open_annotated(path, split or None)
        print(f"{text}")
        for name, form in forms.items():
            contrib.failures = 0
            figures = cover(data, form, min(len(data), options.pictures or len(data)))
            figures["failures"] = contrib.failures
            print(f"  {name:20}", ", ".join(f"{key} {value:.5g}" for key, value in figures.items()), flush=True)
            results.append(Result(shlex.join(sys.argv), {"data": text, "form": name, **figures}))
    contrib.process.kill()
    if options.json:
        write(options.json, results)


def searching(settings: str) -> Propose:
    search = SelectiveSearch(parse_settings(settings))
    return lambda image: search.propose(image).boxes


def cover(data: AnnotatedImages, propose: Propose, pictures: int) -> dict[str, Any]:
    counts, best, labels = [], [], []
    for number in range(pictures):
        objects = data.objects(number)
        counted = ~(objects.difficult | objects.crowd)
        boxes = propose(decode(data.read(number), data.name(number)))
        counts.append(len(boxes))
        overlaps = iou(objects.boxes[counted], boxes)
        best.append(overlaps.max(1) if len(boxes) else np.zeros(int(counted.sum())))
        labels.append(objects.labels[counted])
    best_of, classes = np.concatenate(best), np.concatenate(labels)
    mean_best = [best_of[classes == label].mean() for label in np.unique(classes)]
    return {
        "pictures": pictures,
        "objects": len(best_of),
        "boxes": float(np.mean(counts)),
        "coverage": float((best_of >= 0.5).mean()),
        "over overlaps": float((best_of[:, None] >= OVERLAPS).mean()),
        "MABO": float(np.mean(mean_best)),
    }


if __name__ == "__main__":
    main()
