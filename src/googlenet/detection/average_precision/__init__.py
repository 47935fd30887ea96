"""Average precision of detections, by the protocols of VOC, ILSVRC and COCO: `evaluate`.

Section 8 of the paper, Tables 4 and 5.
May import `detection.boxes`, `detection.annotations`, `evaluation`, `data`, `weights` and below; no torch."""

from collections import Counter

import numpy as np

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.average_precision.curves import by_class, class_averages
from googlenet.detection.average_precision.names import places_of_classes, places_of_pictures
from googlenet.detection.average_precision.predictions import Predictions
from googlenet.detection.average_precision.protocols import Protocol, ProtocolName, find_protocol
from googlenet.detection.average_precision.results import AveragePrecision, Strangers
from googlenet.detection.average_precision.tables import Numbers, detected, truths_of

__all__ = ["evaluate"]


def evaluate(predictions: Predictions, truths: AnnotatedImages, protocol: ProtocolName | Protocol) -> AveragePrecision:
    """Judge predictions by the objects of a data set; pictures and classes are matched by their names.

    Predictions in pictures, or of classes, that the data set has not are left out and named in the result; pictures
    without predictions count like all others. A protocol is one of `PROTOCOLS`, or one like them with, say, other
    thresholds. Raises `InputError` where nothing is to be found, or where no picture or class fits.
    """
    chosen = find_protocol(protocol)
    table = truths_of(truths)
    pictures = places_of_pictures(predictions.files, table.names, getattr(truths, "image_ids", {}))
    classes = places_of_classes(predictions.ids, table.classes)
    images, labels = pictures[predictions.images], classes[predictions.labels]
    found = detected(predictions, images, labels, table, chosen.most)
    thresholds = np.array(chosen.thresholds)
    matches = chosen.match(found, table, thresholds)
    rows = by_class(found.labels, found, len(table.classes), chosen.as_given)
    recalls = None if chosen.recalls is None else np.array(chosen.recalls)
    positives = [np.bincount(table.labels[wanted], minlength=len(rows)) for wanted in matches.wanted]
    precisions = np.array(
        [
            [class_averages(rows, *flags, of_range, recalls) for flags in zip(right, counted, strict=True)]
            for right, counted, of_range in zip(matches.right, matches.counted, positives, strict=True)
        ]
    )
    strangers = Strangers(
        _counts(predictions.files, predictions.images, pictures), _counts(predictions.ids, predictions.labels, classes)
    )
    return AveragePrecision(chosen, table, found, matches, rows, precisions, strangers, int((pictures >= 0).sum()))


def _counts(names: tuple[str, ...], of_detection: Numbers, places: Numbers) -> dict[str, int]:
    """How many detections there are of each name that has no place."""
    counts = Counter(of_detection[places[of_detection] < 0].tolist())
    return {name: counts[number] for number, name in enumerate(names) if places[number] < 0}
