"""Pictures of which nothing is there but objects, windows, and features that a test makes up."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from coloured import objects

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import as_boxes
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.refinement.examples import Examples
from googlenet.detection.regions.refinement.features import RegionFeatures
from googlenet.detection.regions.windows import label_windows, write_windows
from googlenet.weights.classes import numbered_classes

Feature = Callable[[int, np.ndarray | None], Sequence[float]]
"""Of a picture's number and a box, or None for the whole picture."""


class World:
    """`AnnotatedImages` without pictures."""

    def __init__(self, classes: int, annotated: Sequence[Objects]) -> None:
        self.classes, self._annotated = numbered_classes(classes), annotated

    def __len__(self) -> int:
        return len(self._annotated)

    def name(self, index: int) -> str:
        return f"{index}.png"

    def read(self, index: int) -> bytes:
        raise AssertionError("no picture is read")

    def objects(self, index: int) -> Objects:
        return self._annotated[index]


def region_images(folder: Path, classes: int, annotated: Sequence[Objects], boxes: Sequence[object]) -> RegionImages:
    """Write windows: the objects of each picture, and some boxes."""
    parts = [
        label_windows(np.concatenate([found.boxes, as_boxes(own)]), found, classes)
        for found, own in zip(annotated, boxes, strict=True)
    ]
    return RegionImages(World(classes, annotated), write_windows(folder, parts, classes, "world"))


def examples(
    folder: Path, classes: int, pictures: Sequence[tuple[Sequence[object], Sequence[int], object]], feature: Feature
) -> Examples:
    """Return pictures of (boxes of objects, their labels, other boxes), whose windows have the given features."""
    annotated = [objects(boxes, labels) for boxes, labels, _ in pictures]
    images = region_images(folder, classes, annotated, [others for *_, others in pictures])
    starts, windows, values = [0], [], []
    for index in range(len(pictures)):
        of_picture = images.windows(index).boxes
        windows += [-1, *range(len(of_picture))]
        values += [feature(index, None), *(feature(index, box) for box in of_picture)]
        starts.append(len(windows))
    return Examples(images, RegionFeatures(np.array(starts), np.array(windows), np.array(values, np.float16)))
