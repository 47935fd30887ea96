"""How well a detector does on a data set: average precision by all boxes, and against the number of boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.average_precision import evaluate
from googlenet.detection.average_precision.intervals import Interval, paired
from googlenet.detection.average_precision.predictions import read_predictions
from googlenet.detection.average_precision.protocols import ProtocolName
from googlenet.detection.average_precision.results import AveragePrecision

__all__ = ["Covered", "Detected", "Difference", "Judged", "WithFewer", "differences", "judge_detector", "to_json"]


@dataclass(frozen=True)
class Covered:
    """Some of the boxes of each picture, and what they cover."""

    name: str
    """their number, "fast", or "all" of them that the detector classifies"""
    boxes: float
    """of a picture, in the mean"""
    recall: float | None
    """of the objects, the share that these boxes cover; None without objects"""
    rejected_by: str | None = None
    """what says that they are the best, in place of the sources' own order"""
    rejected: float = 0.0
    """proposals of a picture that are not among them, in the mean"""
    lost: float | None = 0.0
    """of the objects, the share that all proposals cover and these do not; None without objects"""


@dataclass(frozen=True)
class Detected:
    """What was found in all pictures, by some of their boxes: "50", "100" ..., "fast", and "all"."""

    files: Mapping[str, Path]
    """lines of `googlenet detect --json`"""
    covered: Mapping[str, Covered]
    errors: Sequence[str]
    """why each of the pictures that cannot be read is without detections"""
    seconds: Mapping[str, float]
    """that each picture took on the average, of those that were done now; empty where none was"""
    settings: Mapping[str, Any]
    """how boxes were proposed and chosen, by its name"""


@dataclass(frozen=True)
class WithFewer:
    """What is detected by some of the boxes of each picture: `detect --proposals N`, `--reject-by`, or `--fast`."""

    part: Covered
    mean: float
    """average precision, the mean over the classes"""
    interval: Interval | None
    difference: Interval | None
    """the interval of how far that lies above the mean by all boxes, found on the same pictures"""

    @property
    def name(self) -> str:
        """Their number, "fast", or "all" of them."""
        return self.part.name

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values (docs/json.md)."""
        part = self.part
        return {
            "proposals": int(part.name) if part.name.isdecimal() else part.name,
            "rejected_by": part.rejected_by,
            "boxes_per_image": part.boxes,
            "rejected_per_image": part.rejected,
            "recall": part.recall,
            "recall_lost": part.lost,
            "mean_average_precision": self.mean,
            "mean_average_precision_interval": self.interval,
            "difference_interval": self.difference,
        }


@dataclass(frozen=True)
class Judged:
    """A detector, or what somebody predicted, and how well it does."""

    name: str
    """as it was given: a path"""
    found: AveragePrecision
    kind: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """of a detector: "members", and whether it has "svms", "box_regression", "context"; empty of predictions"""
    by_proposals: Sequence[WithFewer] = ()
    """of a detector: the fewest boxes first, all the last"""
    seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """of what was done for it, by what it is called; of each picture"""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """of a detector: how boxes were proposed and chosen, by its name"""

    def to_json(self) -> dict[str, Any]:
        """Return what `detector evaluate --json` prints of one."""
        found = self.found.to_json()
        if self.by_proposals:
            found["by_proposals"] = [one.to_json() for one in self.by_proposals]
        return found


@dataclass(frozen=True)
class Difference:
    """How far the mean average precision of one row of several lies above that of another, on the same pictures."""

    earlier: int
    later: int
    difference: float
    interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values (docs/json.md)."""
        return vars(self).copy()


def judge_detector(
    name: str, kind: Mapping[str, Any], detected: Detected, images: AnnotatedImages, protocol: ProtocolName
) -> Judged:
    """Judge what a detector found in the pictures of a data set, by all boxes and by fewer."""
    *fewer, every = detected.files
    found = evaluate(read_predictions(detected.files[every]), images, protocol)
    rows = []
    for part in (*fewer, every):
        one = found if part == every else evaluate(read_predictions(detected.files[part]), images, protocol)
        difference = None if part == every else paired(found.intervals, one.intervals)
        rows.append(WithFewer(detected.covered[part], one.mean, one.intervals.mean, difference))
    return Judged(name, found, kind, tuple(rows), detected.seconds, detected.settings)


def differences(rows: Sequence[Judged]) -> tuple[Difference, ...]:
    """Compare each row with all before it."""
    return tuple(
        Difference(
            earlier,
            later,
            rows[later].found.mean - rows[earlier].found.mean,
            paired(rows[earlier].found.intervals, rows[later].found.intervals),
        )
        for later in range(len(rows))
        for earlier in range(later)
    )


def to_json(rows: Sequence[Judged]) -> dict[str, Any]:
    """Return what `detector evaluate --json` prints: of one its own, of several the rows and their differences."""
    if len(rows) == 1:
        return rows[0].to_json()
    found = rows[0].found
    told = [{"name": row.name, "kind": dict(row.kind)} | row.to_json() for row in rows]
    compared = [one.to_json() for one in differences(rows)]
    return {"protocol": found.protocol.name, "images": found.images, "rows": told, "differences": compared}
