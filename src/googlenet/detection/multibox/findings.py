"""What the report of a MultiBox's training shows: recall by the number of boxes, and pictures with what was found."""

from pathlib import PurePath

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, iou
from googlenet.detection.multibox.dataset import ObjectImages
from googlenet.detection.multibox.judging import NEAR, MultiBoxOutcome
from googlenet.errors import InputError, counted
from googlenet.evaluation.intervals import share_interval
from googlenet.images.decoding import decode
from googlenet.reporting.console import printable
from googlenet.reporting.html import Bar, Illustration, Table, share
from googlenet.reporting.pictures import data_uri
from googlenet.training.setup import Findings

__all__ = ["findings"]

COUNTS = (10, 50, 100, 200)
"""Numbers of boxes for which recall is told, and all of them."""

OVERLAPS = (0.5, 0.7, 0.9)

SHOWN = 12
"""Pictures, those of which the largest share of objects was missed."""

FOUND, MISSED, BOX = (0, 158, 115), (213, 94, 0), (0, 114, 178)
"""Colours that colour-blind people can tell apart."""

SIDE = 448
"""Pixels of the long side of a picture that is shown."""


def findings(dataset: ObjectImages | None, outcome: MultiBoxOutcome | None, weights: str) -> Findings:
    """Return the recall of the final weights on the validation pictures, as figures and a table, and pictures."""
    if dataset is None or outcome is None or not outcome.objects:
        return Findings()
    recall, objects = outcome.recall(), outcome.objects
    note = f"{counted(objects, 'objects')}, IoU {NEAR}, {weights} weights"
    figure = share("Recall", recall, share_interval(round(recall * objects), objects), note)
    pictures = {f"Where most was missed, at IoU {NEAR}": _pictures(dataset, outcome)}
    return Findings([figure], content={"tables": [_table(outcome)], "pictures": pictures})


def _table(outcome: MultiBoxOutcome) -> Table:
    most = max(len(proposals.boxes) for proposals in outcome.proposals)
    rows = [
        [count, *(Bar(outcome.recall(count, near)) for near in OVERLAPS), float(outcome.best_overlaps(count).mean())]
        for count in sorted({*(count for count in COUNTS if count < most), most})
    ]
    headers = ["boxes", *(f"recall at IoU {near}" for near in OVERLAPS), "mean best overlap"]
    return Table(headers, rows, "Recall by the number of boxes", heads=1)


def _pictures(dataset: ObjectImages, outcome: MultiBoxOutcome) -> list[Illustration]:
    found = [iou(truths, proposals.boxes) for truths, proposals in zip(outcome.truths, outcome.proposals, strict=True)]
    missed = [float((overlaps.max(1, initial=0) < NEAR).mean()) if len(overlaps) else 0.0 for overlaps in found]
    shown = []
    for place in np.argsort(-np.array(missed), kind="stable")[:SHOWN].tolist():
        index, truths, proposals = int(outcome.indices[place]), outcome.truths[place], outcome.proposals[place]
        name = dataset.name(index)
        try:
            picture = decode(dataset.read(index), name)
        except InputError:  # gone or changed since it was evaluated
            continue
        overlaps = found[place]
        is_found = overlaps.max(1, initial=0) >= NEAR
        best = proposals.boxes[overlaps[is_found].argmax(1)] if is_found.any() else proposals.boxes[:0]
        drawn = _drawn(picture, {BOX: best, FOUND: truths[is_found], MISSED: truths[~is_found]})
        file = printable(PurePath(name).name)
        caption = f"{is_found.sum()} of {len(truths)} found\n{file}"
        words = f"The image {file} with its objects (green found, orange missed) and the boxes that found them (blue)"
        shown.append(Illustration(data_uri(drawn, SIDE), caption, description=words))
    return shown


def _drawn(picture: NDArray[np.uint8], boxes: dict[tuple[int, int, int], Boxes]) -> NDArray[np.uint8]:
    """Return a picture of a bounded size with boxes of each colour."""
    scale = SIDE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    result = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for colour, found in boxes.items():
        for x0, y0, x1, y1 in (found * scale).round().astype(int).tolist():
            cv2.rectangle(result, (x0, y0), (x1 - 1, y1 - 1), colour, 2)
    return result
