"""What the report of a region classifier's training shows: average precision, of all classes and of each."""

from googlenet.detection.average_precision.results import NO_GROUND_TRUTH
from googlenet.detection.regions.judging import RegionOutcome
from googlenet.errors import counted
from googlenet.reporting.html import Bar, Table, share
from googlenet.training.setup import Findings

__all__ = ["findings"]


def findings(outcome: RegionOutcome | None, weights: str, boxes: int) -> Findings:
    """Return the average precision of the final `weights` on the validation pictures, from `boxes` boxes of each."""
    if outcome is None or not outcome.images:
        return Findings()
    found = outcome.found
    asked = counted(sum(found.objects), "objects")
    note = f"{asked}, IoU 0.5, the first {boxes:,} proposals of an image, {weights} weights"
    rows = [
        [one.name, objects, len(of_class), NO_GROUND_TRUTH if ap is None else Bar(ap, interval)]
        for one, objects, of_class, ap, interval in zip(
            found.classes, found.objects, found.rows, found.by_class, found.intervals.classes, strict=True
        )
    ]
    headers = ["class", "objects", "detections", "average precision, 95 % interval"]
    table = Table(headers, rows, "Average precision of each class", heads=1)
    figure = share("Mean average precision", found.mean, found.intervals.mean, note)
    return Findings([figure], content={"tables": [table]})
