"""Signs that boxes were written in another convention than the one they are read by: said, never refused."""

import numpy as np

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.average_precision.results import AveragePrecision
from googlenet.detection.boxes import reach_beyond
from googlenet.errors import InputError, counted
from googlenet.images.decoding import open_picture

__all__ = ["doubt_of"]

LOOKED_AT = 50
"""Pictures whose sizes are read for it."""

MANY = 0.1
"""Share of the boxes that reach beyond their pictures from which on that is no slip."""


def doubt_of(found: AveragePrecision, images: AnnotatedImages) -> str:
    """Return in words why the coordinates of detections seem to mean something else; empty where they do not.

    Detections are those of `found`, in the pictures of `images`, of which those that cannot be read say nothing.
    """
    boxes, pictures = found.detected.boxes, found.detected.images
    if not len(boxes):
        return ""
    if boxes.max() <= 1:
        return "all boxes lie within one pixel: they may be shares of the picture; give pixels"
    looked, beyond = 0, 0
    for index in np.unique(pictures)[:LOOKED_AT].tolist():
        try:
            picture = open_picture(images.read(index), images.name(index))
        except InputError:
            continue
        own = boxes[pictures == index]
        looked += len(own)
        beyond += int(reach_beyond(own, picture.width, picture.height).sum())
    if beyond <= MANY * looked:
        return ""
    told = f"{beyond:,} of {counted(looked, 'boxes')} reach beyond their pictures"
    return f"{told}: they may be corners where a width and a height are expected, or of pictures of another size"
