"""TIDE's six types of error (Bolya et al., 2020), and what the mean average precision would gain without each.

A wrong detection is, at the protocol's first threshold t, the first of these that holds:

- localisation: it lies over an object of its class, at an IoU from 0.1 to t;
- classification: it lies over an object of another class, at t or more;
- duplicate: it lies, at t or more, over an object of its class that a surer one found;
- background: it lies over nothing, no IoU is above 0.1;
- both: over an object of another class, at less than t.

An object is missed that no detection found, nor would have without the first two. To mend these two, the surest of the
wrong detections of an object that was not found becomes right, and the others are left out, as are those of the last
three; missed objects are no longer asked for.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from googlenet.detection.average_precision.curves import by_class, class_averages
from googlenet.detection.average_precision.matching import Flags, Matches
from googlenet.detection.average_precision.overlaps import Pairs, best, pairs
from googlenet.detection.average_precision.protocols import Protocol
from googlenet.detection.average_precision.tables import Detected, Numbers, Truths

__all__ = ["ERRORS", "Error", "errors_of"]

ERRORS = ("classification", "localisation", "both", "duplicate", "background", "missed")
"""In the order of TIDE's own tables."""

BACKGROUND = 0.1


@dataclass(frozen=True)
class Error:
    """How often an error was made, and how much higher the mean average precision would be without it."""

    count: int
    gain: float


def errors_of(detected: Detected, truths: Truths, matches: Matches, protocol: Protocol) -> dict[str, Error]:
    """Return the errors by type, in the first range of areas and at the first threshold."""
    right, counted, wanted = matches.right[0, 0], matches.counted[0, 0], matches.wanted[0]
    sorts, objects = _sorts(detected, truths, matches)
    mendable = (objects >= 0) & ~matches.taken[objects]
    winners = _surest(detected, objects, mendable)
    missed = wanted & ~matches.taken
    missed[objects[mendable]] = False
    positives = np.bincount(truths.labels[wanted], minlength=len(truths.classes))
    mean = partial(_mean, detected, protocol, positives > 0)
    base = mean(detected.labels, right, counted, positives)
    found = {}
    for name in ERRORS[:-1]:
        those = sorts == ERRORS.index(name)
        mended = those & winners
        labels = np.where(mended, truths.labels[objects], detected.labels)
        gained = mean(labels, right | mended, counted & (~those | mended), positives) - base
        found[name] = Error(int(those.sum()), gained)
    asked = positives - np.bincount(truths.labels[missed], minlength=len(positives))
    found["missed"] = Error(int(missed.sum()), mean(detected.labels, right, counted, asked) - base)
    return found


def _sorts(detected: Detected, truths: Truths, matches: Matches) -> tuple[Numbers, Numbers]:
    """The place of each detection's error in `ERRORS`, -1 where it is not wrong; the object to mend it by, or -1."""
    wrong = matches.counted[0, 0] & ~matches.right[0, 0]
    found = pairs(detected, truths, BACKGROUND, same_class=False)
    found = found.only(wrong[found.detections] & ~truths.ignored[found.truths])
    same = detected.labels[found.detections] == truths.labels[found.truths]
    enough = found.overlaps >= matches.needed[found.truths]
    nearest, other, used = (_best(found, part) for part in (same, ~same, same & matches.taken[found.truths]))
    sorts, objects = np.full(len(detected), -1), np.full(len(detected), -1)
    # The later of these go before the earlier.
    sorts[wrong] = ERRORS.index("background")
    sorts[found.detections[found.overlaps > BACKGROUND]] = ERRORS.index("both")
    sorts[found.detections[used[enough[used]]]] = ERRORS.index("duplicate")
    near = nearest[found.overlaps[nearest] <= matches.needed[found.truths[nearest]]]
    for name, those in (("classification", other[enough[other]]), ("localisation", near)):
        sorts[found.detections[those]] = ERRORS.index(name)
        objects[found.detections[those]] = found.truths[those]
    return sorts, objects


def _best(found: Pairs, part: Flags) -> Numbers:
    """The numbers of the best pair of each detection, among a part of them."""
    places = np.flatnonzero(part)
    return places[best(found.detections[places], found.overlaps[places])]


def _surest(detected: Detected, objects: Numbers, mendable: Flags) -> Flags:
    """Whether each detection is the surest of those that could find its object."""
    places = np.flatnonzero(mendable)
    places = places[np.argsort(-detected.scores[places], kind="stable")]
    winners = np.zeros(len(objects), np.bool_)
    winners[places[np.unique(objects[places], return_index=True)[1]]] = True
    return winners


def _mean(
    detected: Detected,
    protocol: Protocol,
    classes: Flags,
    labels: Numbers,
    right: Flags,
    counted: Flags,
    positives: Numbers,
) -> float:
    """The mean over `classes`; one of which nothing is asked any longer keeps 0."""
    rows = by_class(labels, detected, len(classes), protocol.as_given)
    recalls = None if protocol.recalls is None else np.array(protocol.recalls)
    found = class_averages(rows, right, counted, positives, recalls)
    return float(np.nan_to_num(found[classes]).mean())
