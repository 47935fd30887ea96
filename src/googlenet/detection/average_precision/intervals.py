"""How well a mean average precision is known from so many images: resampled with replacement, each copy for itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.curves import Floats, Weighted, average_precision, curve_of
from googlenet.detection.average_precision.matching import Matches
from googlenet.detection.average_precision.tables import Detected, Numbers, Truths
from googlenet.evaluation.intervals import LEVEL
from googlenet.randomness import generator
from googlenet.reporting.progress import Progress

__all__ = ["Interval", "Intervals", "intervals_of", "paired"]

Interval = tuple[float, float]

RESAMPLES = 1000

_AT_ONCE = 1 << 20
"""Detections times resamples that are computed together, which bounds the memory."""


@dataclass(frozen=True)
class Intervals:
    """95 % percentile intervals of the mean and of each class; None without ground truth."""

    mean: Interval | None
    classes: tuple[Interval | None, ...]
    means: Floats = field(repr=False, compare=False)
    """[R], the mean in each resample; NaN where it has no object. So many images are resampled alike every time."""


def paired(earlier: Intervals, later: Intervals) -> Interval | None:
    """Return the interval of how far the mean of `later` lies above that of `earlier`, found on the same images.

    What makes a picture hard for both is no difference: this is narrower than what the two intervals would say.
    """
    differences = later.means - earlier.means
    return _interval(differences[~np.isnan(differences)])


def intervals_of(
    detected: Detected,
    truths: Truths,
    matches: Matches,
    rows: Sequence[Numbers],
    recalls: Floats | None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Return the intervals over images, of the first range of areas; `rows` are the detections of each class.

    A class of which a resample has no object is left out of its mean.
    """
    images = len(truths.names)
    most = max(images, *(len(those) for those in rows))
    found = []
    with Progress("resampling images", total=resamples, unit="resamples", threshold=1 << 30) as progress:
        for weights in _weights(images, resamples, max(1, _AT_ONCE // most), seed):
            found.append(_averages(detected, truths, matches, rows, recalls, weights))
            progress.update(len(weights))
    values = np.concatenate(found)
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        means = np.where(known, values, 0).sum(axis=1) / counts
    of_classes = tuple(_interval(column[~np.isnan(column)]) for column in values.T)
    return Intervals(_interval(means[counts > 0]), of_classes, means)


def _weights(images: int, resamples: int, at_once: int, seed: int) -> Iterator[Numbers]:
    """How often each image is drawn, [R, images], some resamples at a time."""
    random = generator(seed, "bootstrap of images")
    for start in range(0, resamples, at_once):
        yield random.multinomial(images, np.full(images, 1 / images), min(at_once, resamples - start))


def _averages(
    detected: Detected,
    truths: Truths,
    matches: Matches,
    rows: Sequence[Numbers],
    recalls: Floats | None,
    weights: Numbers,
) -> Floats:
    """The average precision of each class in each resample, mean over the thresholds: [R, C]."""
    found = np.full((len(weights), len(rows)), np.nan)
    for label, those in enumerate(rows):
        objects = truths.images[matches.wanted[0] & (truths.labels == label)]
        if not len(objects):
            continue
        positives, of_rows = weights[:, objects].sum(axis=1), Weighted.of(weights[:, detected.images[those]])
        curves = (
            curve_of(right[those], counted[those], of_rows, positives)
            for right, counted in zip(matches.right[0], matches.counted[0], strict=True)
        )
        found[:, label] = np.mean([average_precision(curve, recalls) for curve in curves], axis=0)
    return found


def _interval(values: NDArray[np.float64]) -> Interval | None:
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
