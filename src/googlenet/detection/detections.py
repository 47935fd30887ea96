"""What was detected in a picture, and the forms in which other programs take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, as_boxes, to_shares, to_xywh
from googlenet.errors import InputError, shown
from googlenet.weights.classes import Class, id_key

__all__ = ["Detections"]


@dataclass(frozen=True)
class Detections:
    """The objects that were detected in one picture, N of them, in any order. The arrays cannot be written to.

    Raises `InputError` where they do not have N rows each, where a number is not finite, or the picture has no size.
    """

    image: str
    """The picture's path as it is."""
    size: tuple[int, int]
    """width and height of the picture, upright"""
    boxes: Boxes
    """float64 [N, 4] as `googlenet.detection.boxes` has them"""
    ids: tuple[str, ...]
    """[N], the id of each object's class"""
    scores: NDArray[np.float64]
    """[N], higher is surer"""
    error: str | None = None
    """Why the picture could not be read; then there is nothing else"""

    def __post_init__(self) -> None:
        boxes, scores = as_boxes(self.boxes).copy(), np.array(self.scores, np.float64).reshape(-1)
        if not len(boxes) == len(self.ids) == len(scores):
            raise InputError(
                f"{self.image}: {len(boxes)} boxes, {len(self.ids)} ids and {len(scores)} scores; give as many of each"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise InputError(f"{self.image}: a box or score that is not finite; leave the detection out")
        if self.error is None and min(self.size) < 1:
            raise InputError(f"{self.image}: a picture of {self.size[0]} x {self.size[1]} pixels; give its size")
        for array in (boxes, scores):
            array.flags.writeable = False
        for name, value in (("boxes", boxes), ("ids", tuple(self.ids)), ("scores", scores)):
            object.__setattr__(self, name, value)

    @classmethod
    def failed(cls, image: str, error: str) -> "Detections":
        """Return what stands for a picture that could not be read."""
        return cls(image, (0, 0), as_boxes([]), (), np.empty(0), error)

    def __len__(self) -> int:
        return len(self.boxes)

    def to_json(self, classes: Sequence[Class]) -> dict[str, Any]:
        """Return `{"file", "image", "detections"}`, or `{"file", "error"}`; `classes` are the detector's."""
        if self.error is not None:
            return {"file": self.image, "error": self.error}
        places = {one.id: place for place, one in enumerate(classes)}
        rows = zip(self.boxes.tolist(), self.ids, self.scores.tolist(), strict=True)
        found = [
            {"box": box, "index": places[id_], "id": id_, "name": classes[places[id_]].name, "score": score}
            for box, id_, score in rows
        ]
        return {"file": self.image, "image": list(self.size), "detections": found}

    def to_coco(self, image_id: int, categories: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return the rows of a COCO results file; `categories` gives the category of each class id."""
        numbers = self._numbers(categories)
        rows = zip(numbers, to_xywh(self.boxes).tolist(), self.scores.tolist(), strict=True)
        return [
            {"image_id": image_id, "category_id": number, "bbox": box, "score": score} for number, box, score in rows
        ]

    def to_yolo(self, classes: Sequence[str]) -> str:
        """Return YOLO's lines: the class's place in `classes` (ids), centre and size as shares, and the score."""
        numbers = self._numbers({identifier: place for place, identifier in enumerate(classes)})
        rows = zip(numbers, to_shares(self.boxes, *self.size).tolist(), self.scores.tolist(), strict=True)
        return "".join(f"{number} {' '.join(f'{v:.6g}' for v in box)} {score:.6g}\n" for number, box, score in rows)

    def to_supervision(self, classes: Sequence[str]) -> Any:
        """Return `supervision.Detections`, whose class numbers are places in `classes` (ids).

        Raises `InputError` where the package `supervision` is not installed; it is no dependency.
        """
        try:
            supervision = import_module("supervision")
        except ImportError as error:
            raise InputError(f"supervision cannot be imported ({error}); pip install supervision") from error
        numbers = self._numbers({identifier: place for place, identifier in enumerate(classes)})
        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32),
            confidence=self.scores.astype(np.float32),
            class_id=np.array(numbers, np.int64),
            data={"class_name": np.array(self.ids, np.str_)},
        )

    def _numbers(self, numbers: Mapping[str, int]) -> list[int]:
        known = {id_key(identifier): number for identifier, number in numbers.items()}
        unknown = [identifier for identifier in self.ids if id_key(identifier) not in known]
        if unknown:
            raise InputError(f"{self.image}: class {shown(unknown[0])} is not among the {len(known)} given; add it")
        return [known[id_key(identifier)] for identifier in self.ids]
