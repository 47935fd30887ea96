"""Annotated pictures so small that a whole run takes seconds: red and green rectangles on dark noise."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import areas, as_boxes
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.setup import RegionData
from googlenet.detection.regions.windows import label_windows, write_windows
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint
from googlenet.weights.classes import Class, numbered_classes
from googlenet.weights.creation import create

WIDTH, HEIGHT = 48, 40
COLOURS = ((220, 40, 40), (40, 200, 40))


class Coloured:
    """`AnnotatedImages`: a red and a green rectangle on each of `count` pictures."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.classes = (Class("red", "red"), Class("green", "green"))
        drawn = [_draw(np.random.default_rng((seed, number))) for number in range(count)]
        self._files, self._boxes = [file for file, _ in drawn], [boxes for _, boxes in drawn]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> bytes:
        return self._files[index]

    def name(self, index: int) -> str:
        return f"coloured/{index}.png"

    def objects(self, index: int) -> Objects:
        return objects(self._boxes[index], [0, 1])


def objects(boxes: object, labels: object, difficult: object = False, crowd: object = False) -> Objects:
    found = as_boxes(boxes)  # type: ignore[arg-type]
    flags = [np.zeros(len(found), bool) | np.asarray(flag, bool) for flag in (difficult, crowd)]
    return Objects(found, np.asarray(labels, np.int64).reshape(-1), *flags, areas(found))


def grid() -> np.ndarray:
    """Boxes of three sizes all over a picture."""
    found = []
    for side in (10, 16, 24):
        for y in range(0, HEIGHT - side + 1, side // 2):
            found += [(x, y, x + side, y + side) for x in range(0, WIDTH - side + 1, side // 2)]
    return as_boxes(found)


def region_data(folder: Path, count: int, seed: int = 0, *, with_objects: bool = True) -> RegionData:
    """Write the windows of some pictures, their objects first, and return both."""
    images = Coloured(count, seed)
    parts = []
    for index in range(count):
        found = images.objects(index)
        boxes = np.concatenate([found.boxes, grid()]) if with_objects else grid()
        parts.append(label_windows(boxes, found, 2))
    return RegionData("coloured", RegionImages(images, write_windows(folder, parts, 2, "grid")))


def recipe(**options: object) -> RegionRecipe:
    """Every step logged and saved."""
    chosen: dict[str, object] = {
        "epochs": 2,
        "batch_size": 16,
        "accumulate": 1,
        "workers": 0,
        "log_every": 1,
        "save_minutes": 0.0,
        "device": "cpu",
        "warm_up": 0.0,
        "evaluate_every": 1,
        "validation_boxes": 40,
    }
    return RegionRecipe(**(chosen | options))  # type: ignore[arg-type]


def pretrained(path: Path, network: str = "googlenet-tiny") -> Path:
    """Write a narrow network for pictures of 32 x 32, whose weights know nothing yet."""
    made = create(network, width=0.25, classes=3, size=(32, 32))
    checkpoint.save(path, Checkpoint(made.specification, numbered_classes(3), made.state_dict()))
    return path


def _draw(random: np.random.Generator) -> tuple[bytes, np.ndarray]:
    pixels = random.integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    while len(boxes) < 2:
        w, h = random.integers(10, 20, 2)
        x, y = random.integers(0, WIDTH - w), random.integers(0, HEIGHT - h)
        if all(x >= b[2] or y >= b[3] or x + w <= b[0] or y + h <= b[1] for b in boxes):
            pixels[y : y + h, x : x + w] = COLOURS[len(boxes)]
            boxes.append((x, y, x + w, y + h))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue(), as_boxes(boxes)
