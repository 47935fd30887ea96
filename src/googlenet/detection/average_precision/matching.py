"""What became of each detection and object: the record that all protocols fill, and the search that two of them share.

A detection is right (it found an object), wrong, or does not count; the last is what lies on objects that are ignored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision.overlaps import Pairs
from googlenet.detection.average_precision.tables import Detected, Numbers, Truths, runs

__all__ = ["Flags", "Matches", "assign"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Matches:
    """What became of N detections and M objects, for each of A ranges of areas and T thresholds."""

    right: Flags
    """[A, T, N]"""
    counted: Flags
    """[A, T, N]: right or wrong"""
    wanted: Flags
    """[A, M]: objects that are to be found"""
    taken: Flags
    """[M]: objects that were found, in the first range and at the first threshold"""
    needed: NDArray[np.float64]
    """[M]: the overlap that finds each object, at the first threshold"""


def assign(
    detected: Detected,
    truths: Truths,
    pairs: Pairs,
    thresholds: NDArray[np.float64],
    limits: NDArray[np.float64],
    ignored: Flags,
    *,
    later: bool,
) -> tuple[Numbers, Numbers]:
    """Let the detections of each picture and class, in turn, take the free object that they overlap most.

    This is done in S settings that know nothing of each other. In each an object asks for an overlap of `thresholds`
    [S], or of its own of `limits` [M] where that is less. Objects that are `ignored` [S, M] are taken only where no
    other is free; a crowd stays free. Of equal overlaps the `later` object is taken, or else the first.

    Returns the D detections that have pairs, and their objects [S, D], -1 where they got none.
    """
    starts, counts = runs(pairs.detections)
    detections = pairs.detections[starts]
    result = np.full((len(thresholds), len(detections)), -1, np.int64)
    free = np.ones(ignored.shape, np.bool_)
    # A round for the first detection of every picture and class, one for the second ...: those of a round never meet.
    turns = _turns(detected.groups[detections])
    by_turn, pairs_by_turn = (np.argsort(values, kind="stable") for values in (turns, np.repeat(turns, counts)))
    rounds = np.split(by_turn, np.cumsum(np.bincount(turns))[:-1])
    begin = 0
    for columns in rounds:
        sizes = counts[columns]
        part = pairs_by_turn[begin : begin + sizes.sum()]
        begin += len(part)
        objects, overlaps = pairs.truths[part], pairs.overlaps[part]
        usable = free[:, objects] & (overlaps >= np.minimum(thresholds[:, None], limits[objects]))
        chosen = _chosen(usable, overlaps - 2 * ignored[:, objects], sizes, later)
        settings, places = np.nonzero(chosen >= 0)
        got = objects[chosen[settings, places]]
        result[settings, columns[places]] = got
        free[settings, got] = truths.crowd[got]
    return detections, result


def _chosen(usable: Flags, ratings: NDArray[np.float64], sizes: Numbers, later: bool) -> Numbers:
    """Return for each run of `sizes` columns the one of the highest rating among those that are usable, or -1."""
    begins = np.cumsum(sizes) - sizes
    ratings = np.where(usable, ratings, -np.inf)
    highest = np.repeat(np.maximum.reduceat(ratings, begins, axis=1), sizes, axis=1)
    columns = np.arange(usable.shape[1])
    ranks = np.where(usable & (ratings == highest), columns if later else columns[::-1], -1)
    last = np.maximum.reduceat(ranks, begins, axis=1)
    return last if later else np.where(last < 0, -1, len(columns) - 1 - last)


def _turns(groups: Numbers) -> Numbers:
    """How many of the same run come before each."""
    return np.arange(len(groups)) - np.repeat(*runs(groups))
