"""Annotated pictures so small that a whole run takes seconds: bright rectangles on dark noise."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import areas, as_boxes
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class, numbered_classes
from googlenet.weights.creation import create


class Shapes:
    """`AnnotatedImages`: `each` rectangles, which share nothing, on each of `count` pictures."""

    def __init__(self, count: int, each: int = 2, seed: int = 0, size: tuple[int, int] = (48, 40)) -> None:
        self.classes = (Class("shape", "shape"),)
        drawn = [_draw(np.random.default_rng((seed, number)), size, each) for number in range(count)]
        self._files, self._boxes = [file for file, _ in drawn], [boxes for _, boxes in drawn]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> bytes:
        return self._files[index]

    def name(self, index: int) -> str:
        return f"shapes/{index}.png"

    def objects(self, index: int) -> Objects:
        return objects(self._boxes[index])


def objects(boxes: object, difficult: object = False, crowd: object = False) -> Objects:
    found = as_boxes(boxes)  # type: ignore[arg-type]
    flags = [np.zeros(len(found), bool) | np.asarray(flag, bool) for flag in (difficult, crowd)]
    return Objects(found, np.zeros(len(found), np.int64), *flags, areas(found))


def recipe(**options: object) -> MultiBoxRecipe:
    """Twelve boxes; every step logged and saved."""
    chosen: dict[str, object] = {
        "boxes": 12,
        "epochs": 3,
        "batch_size": 4,
        "workers": 0,
        "log_every": 1,
        "save_minutes": 0.0,
        "device": "cpu",
        "warm_up": 0.0,
    }
    return MultiBoxRecipe(**(chosen | options))  # type: ignore[arg-type]


def pretrained(path: Path) -> Path:
    """Write a narrow googlenet-tiny for pictures of 32 x 32, whose weights know nothing yet."""
    network = create("googlenet-tiny", width=0.25, classes=3)
    found = Checkpoint(network.specification, numbered_classes(3), network.state_dict())
    checkpoint.save(path, found)
    return path


def _draw(random: np.random.Generator, size: tuple[int, int], each: int) -> tuple[bytes, np.ndarray]:
    width, height = size
    pixels = random.integers(0, 60, (height, width, 3), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    while len(boxes) < each:
        w, h = random.integers(width // 4, width // 2), random.integers(height // 4, height // 2)
        x, y = random.integers(0, width - w), random.integers(0, height - h)
        if all(x >= b[2] or y >= b[3] or x + w <= b[0] or y + h <= b[1] for b in boxes):
            pixels[y : y + h, x : x + w] = random.integers(150, 256, 3)
            boxes.append((x, y, x + w, y + h))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue(), as_boxes(boxes)
