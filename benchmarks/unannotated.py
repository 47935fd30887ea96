"""Sure detections that overlap no annotated object, counted by class, and some of them drawn to be looked at.

A detector is punished for each of them, also where the picture shows an object that nobody annotated. `REPORT` is the
folder of a `googlenet detector evaluate --report`. With `--draw` some of the class `--class`, drawn at random, stand in
one picture: annotated objects in white, the detection in orange.

    python benchmarks/unannotated.py REPORT DATA [--split NAME] [--score 0.5] [--class ID --draw FILE --count 40]
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.boxes import Boxes, as_boxes, iou
from googlenet.detection.datasets.opening import open_annotated
from googlenet.images.decoding import decode
from googlenet.reporting.console import table

NOTHING, RIGHT = 0.1, 0.5
"""IoU with the nearest annotated object, of any class, below which a detection lies on none, and from which on one."""

SIDE, SHOWN, COLUMNS = 160, 148, 8
"""Pixels around a detection that are drawn, how large, and how many in a row."""


class Found(NamedTuple):
    """A detection: its class, and its picture's number."""

    id: str
    image: int
    box: Boxes
    overlap: float

    @property
    def place(self) -> str:
        return "none" if self.overlap < NOTHING else "partly" if self.overlap < RIGHT else "an object"


def detections(report: Path, images: AnnotatedImages, least: float) -> Iterator[Found]:
    """Yield those of at least such a score."""
    numbers = {images.name(index): index for index in range(len(images))}
    for line in (report / "detections.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        index = numbers[one["file"]]
        truths = images.objects(index).boxes
        for found in one["detections"]:
            if found["score"] >= least:
                box = as_boxes([found["box"]])
                yield Found(found["id"], index, box, float(iou(box, truths).max(initial=0)))


def draw(found: Sequence[Found], images: AnnotatedImages, file: Path) -> None:
    """Write one picture of all."""
    sheet = Image.new("RGB", (COLUMNS * SHOWN, -(-len(found) // COLUMNS) * SHOWN))
    for place, one in enumerate(found):
        picture = Image.fromarray(decode(images.read(one.image)))
        pen = ImageDraw.Draw(picture)
        for box in images.objects(one.image).boxes:
            pen.rectangle(box.tolist(), outline=(255, 255, 255))
        pen.rectangle(one.box[0].tolist(), outline=(255, 100, 0), width=2)
        x, y = (one.box[0, :2] + one.box[0, 2:]) / 2 - SIDE / 2
        cut = picture.crop((round(x), round(y), round(x) + SIDE, round(y) + SIDE)).resize((SHOWN, SHOWN))
        sheet.paste(cut, (SHOWN * (place % COLUMNS), SHOWN * (place // COLUMNS)))
    sheet.save(file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("data")
    parser.add_argument("--split")
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--class", dest="id")
    parser.add_argument("--draw", type=Path)
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    images = open_annotated(arguments.data, arguments.split)
    found = list(detections(arguments.report, images, arguments.score))
    counts = Counter((one.id, one.place) for one in found)
    places = ("an object", "partly", "none")
    ids = sorted({one.id for one in found})
    print(
        table(["class", *places, "all"], [(id_, *(row := [counts[id_, at] for at in places]), sum(row)) for id_ in ids])
    )
    if arguments.draw:
        alone = [one for one in found if one.id == arguments.id and one.place == "none"]
        chosen = np.random.default_rng(0).permutation(len(alone))[: arguments.count]
        draw([alone[place] for place in chosen], images, arguments.draw)
        print(arguments.draw)
    return 0


if __name__ == "__main__":
    sys.exit(main())
