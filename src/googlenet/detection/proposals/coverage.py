"""How many of the annotated objects proposals cover: recall, and best overlap, against the number of boxes.

"Coverage" is the paper's word for the share of objects that some box overlaps by half (intersection over union).
Objects that are difficult or a crowd are left out, as evaluations leave them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.annotations import Objects
from googlenet.detection.boxes import Boxes, iou
from googlenet.detection.proposals.sources import Found
from googlenet.detection.proposals.union import ranked
from googlenet.evaluation.intervals import share_interval
from googlenet.weights.classes import Class

__all__ = ["COUNTS", "SIZES", "Arm", "Coverage", "arms_of"]

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Numbers of boxes a picture at which the curves are read, before that of all boxes."""

SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}
"""COCO's, by the area of the object in pixels."""

_THRESHOLDS = np.arange(10) * 0.05 + 0.5


@dataclass(frozen=True)
class Arm:
    """Sources that are judged together, by their numbers and names."""

    sources: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return " + ".join(self.names)


def arms_of(names: Sequence[str]) -> tuple[Arm, ...]:
    """Return each source alone, then the first two together, the first three, and so on."""
    groups: list[tuple[int, ...]] = [(number,) for number in range(len(names))]
    groups += [tuple(range(count)) for count in range(2, len(names) + 1)]
    return tuple(Arm(group, tuple(names[number] for number in group)) for group in groups)


@dataclass
class Coverage:
    """Gathers pictures; its figures are of what was added so far. Shares are None where there is no object."""

    classes: tuple[Class, ...]
    arms: tuple[Arm, ...]
    counts: tuple[int, ...] = COUNTS
    images: int = 0
    left_out: int = 0
    """objects that are difficult or a crowd"""
    _labels: list[NDArray[np.int64]] = field(default_factory=list)
    _areas: list[NDArray[np.float64]] = field(default_factory=list)
    _best: list[NDArray[np.float64]] = field(default_factory=list)
    _boxes: list[list[int]] = field(default_factory=list)

    def add(self, objects: Objects, parts: Sequence[Found]) -> None:
        """Take in a picture: what is annotated, and what each source proposes, the best first."""
        counted = ~(objects.difficult | objects.crowd)
        truths = objects.boxes[counted]
        found = [ranked([parts[number] for number in arm.sources]) for arm in self.arms]
        self.images += 1
        self.left_out += int((~counted).sum())
        self._labels.append(objects.labels[counted])
        self._areas.append(objects.areas[counted])
        self._best.append(np.stack([_best_overlaps(boxes, truths, self.counts) for boxes in found]))
        self._boxes.append([len(boxes) for boxes in found])

    @property
    def objects(self) -> int:
        return sum(map(len, self._labels))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: of each arm its figures with all boxes, by class, by size, and the curve."""
        best = np.concatenate([np.empty((len(self.arms), len(self.counts) + 1, 0)), *self._best], 2)
        boxes = np.array(self._boxes, np.int64).reshape(-1, len(self.arms))
        labels, areas = np.concatenate([np.empty(0, np.int64), *self._labels]), np.concatenate([[], *self._areas])
        told = [
            {"sources": list(arm.names)} | self._arm(best[number], boxes[:, number], labels, areas)
            for number, arm in enumerate(self.arms)
        ]
        for one in told:
            first = told[0]["boxes_per_image"]
            one["share_of_first"] = one["boxes_per_image"] / first if first else None
        return {"images": self.images, "objects": self.objects, "left_out": self.left_out, "arms": told}

    def _arm(
        self,
        best: NDArray[np.float64],
        boxes: NDArray[np.int64],
        labels: NDArray[np.int64],
        areas: NDArray[np.float64],
    ) -> dict[str, Any]:
        every = best[-1]
        largest = int(boxes.max(initial=0))
        last = len(self.counts)
        places = [place for place, count in enumerate(self.counts) if count < largest] + [last]
        counts = np.array([*self.counts, largest])
        curve = [
            {
                "first": self.counts[place] if place < last else None,
                "boxes": float(np.minimum(boxes, counts[place]).mean()) if len(boxes) else 0.0,
            }
            | _shares(best[place])
            | {"mabo": _mabo(best[place], labels)}
            for place in places
        ]
        covered = int((every >= _THRESHOLDS[0]).sum())
        interval = share_interval(covered, len(every))
        return {
            "boxes_per_image": float(boxes.mean()) if len(boxes) else 0.0,
            **_shares(every),
            "recall_interval": list(interval) if interval else None,
            "mabo": _mabo(every, labels),
            "classes": {one.id: _group(every[labels == number]) for number, one in enumerate(self.classes)},
            "sizes": {name: _group(every[(areas >= least) & (areas < most)]) for name, (least, most) in SIZES.items()},
            "curve": curve,
        }


def _best_overlaps(boxes: Boxes, truths: Boxes, counts: Sequence[int]) -> NDArray[np.float64]:
    """The best overlap of each object with the first boxes, [counts + 1, objects]: for each of `counts`, and of all."""
    if not len(boxes) or not len(truths):
        return np.zeros((len(counts) + 1, len(truths)))
    best = np.maximum.accumulate(iou(boxes, truths), axis=0)
    return best[np.minimum([*counts, len(boxes)], len(boxes)) - 1]


def _group(best: NDArray[np.float64]) -> dict[str, Any]:
    return {"objects": len(best), **_shares(best), "abo": _mean(best)}


def _shares(best: NDArray[np.float64]) -> dict[str, float | None]:
    """Recall at 0.5, and its mean over 0.5, 0.55 ... 0.95."""
    reached = best[:, None] >= _THRESHOLDS - 1e-12  # the thresholds as they are written
    return {"recall": _mean(reached[:, 0]), "average_recall": _mean(reached.mean(1))}


def _mabo(best: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Mean over the classes that have objects of the mean best overlap of the class's objects."""
    return _mean(np.array([best[labels == label].mean() for label in np.unique(labels)]))


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
