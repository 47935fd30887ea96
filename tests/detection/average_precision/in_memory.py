"""Data sets and predictions without files, and random ones in which objects, copies and ties are frequent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from googlenet.detection.annotations import Objects
from googlenet.detection.average_precision.predictions import Predictions
from googlenet.detection.boxes import areas, as_boxes
from googlenet.weights.classes import Class

Box = tuple[float, float, float, float]


@dataclass
class Pictures:
    """Pictures 0.jpg, 1.jpg ..., each with (class, box) of its objects."""

    objects_of: Sequence[Sequence[tuple[int, Box]]]
    classes: tuple[Class, ...] = (Class("cat", "cat"), Class("dog", "dog"))
    difficult: Sequence[Sequence[bool]] | None = None
    crowd: Sequence[Sequence[bool]] | None = None
    areas: Sequence[Sequence[float]] | None = None
    excluded: dict[int, frozenset[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.objects_of)

    def name(self, index: int) -> str:
        return f"pictures/{index}.jpg"

    def read(self, index: int) -> bytes:
        raise AssertionError("no picture is read")

    def objects(self, index: int) -> Objects:
        rows = self.objects_of[index]
        boxes, none = as_boxes([box for _, box in rows]), [False] * len(rows)
        return Objects(
            boxes,
            np.array([label for label, _ in rows], np.int64),
            np.array(none if self.difficult is None else self.difficult[index], np.bool_),
            np.array(none if self.crowd is None else self.crowd[index], np.bool_),
            areas(boxes) if self.areas is None else np.array(self.areas[index], np.float64),
            self.excluded.get(index, frozenset()),
        )


def predicted(rows: Sequence[tuple[int, int, float, Box]], data: Pictures) -> Predictions:
    """Predictions of (picture, class, score, box)."""
    return Predictions(
        tuple(str(number) for number in range(len(data))),
        tuple(one.id for one in data.classes),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        as_boxes([row[3] for row in rows]),
        np.array([row[2] for row in rows], np.float64),
    )


def random_set(seed: int, *, most: int = 12) -> tuple[Pictures, list[tuple[int, int, float, Box]]]:
    """Up to five pictures and three classes; detections lie near objects, and many have equal scores."""
    random = np.random.default_rng(seed)
    classes = tuple(Class(f"class {number}", f"class {number}") for number in range(random.integers(1, 4)))
    truths, rows = [], []
    for picture in range(random.integers(1, 6)):
        boxes = [_box(random) for _ in range(random.integers(0, 8))]
        labels = random.integers(0, len(classes), len(boxes)).tolist()
        truths.append(list(zip(labels, boxes, strict=True)))
        for _ in range(random.integers(0, most)):
            near = boxes[random.integers(len(boxes))] if boxes and random.random() < 0.8 else _box(random)
            rows.append((picture, int(random.integers(len(classes))), random.integers(1, 9) / 8, _moved(near, random)))
    flags = [[bool(random.random() < 0.2) for _ in one] for one in truths]
    sizes = [
        [float(np.prod(np.subtract(box[2:], box[:2])) * random.choice([0.5, 1])) for _, box in one] for one in truths
    ]
    return Pictures(truths, classes, crowd=flags, areas=sizes), rows


def plain_random_set(seed: int) -> tuple[Pictures, list[tuple[int, int, float, Box]]]:
    """One of them without crowds, ties, and detections of classes that have no object."""
    data, rows = random_set(seed, most=30)
    data.crowd = data.areas = None
    labels = {label for one in data.objects_of for label, _ in one}
    return data, [(*r[:2], r[2] + place / 10_000, r[3]) for place, r in enumerate(rows) if r[1] in labels]


def _box(random: np.random.Generator) -> Box:
    x, y = random.integers(0, 60, 2).tolist()
    width, height = random.choice([8, 12, 20, 40, 80, 150], 2).tolist()
    return (x, y, x + width, y + height)


def _moved(box: Box, random: np.random.Generator) -> Box:
    x0, y0, x1, y1 = (np.array(box) + random.choice([0, 0, 0, 1, 2, 4, 8], 4)).tolist()
    return (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))
