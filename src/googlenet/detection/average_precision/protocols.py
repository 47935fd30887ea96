"""The protocols by which average precision is measured, as data."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.average_precision import coco, ilsvrc, voc
from googlenet.detection.average_precision.matching import Matches
from googlenet.detection.average_precision.tables import Detected, Truths
from googlenet.errors import InputError, shown

__all__ = ["PROTOCOLS", "Protocol", "ProtocolName", "find_protocol"]

ProtocolName = Literal["voc2007", "voc2010", "ilsvrc", "coco"]

Floats = NDArray[np.float64]
Match = Callable[[Detected, Truths, Floats], Matches]
Figures = Callable[[Floats, Matches, Detected, Truths, Floats], dict[str, float | None]]


@dataclass(frozen=True)
class Protocol:
    """When a detection finds an object, and what is averaged of the curve of precision against recall."""

    name: str
    words: str
    match: Match
    recalls: tuple[float, ...] | None
    """At which precision is averaged; None: everywhere, the area below the curve."""
    thresholds: tuple[float, ...] = (0.5,)
    """Intersections over union; averaged over them."""
    most: int | None = None
    """Detections of a picture and class that are judged."""
    as_given: bool = True
    """Detections of equal scores stand in the order in which they were given; or else the pictures' is first."""
    figures: Figures | None = None
    """What else the protocol reports."""


_ELEVEN = tuple((np.linspace(0, 1, 11) - 1e-12).tolist())
"""A recall of 3 in 10 reaches the fourth point, though floats have that above 0.3."""

_HUNDRED = tuple(np.linspace(0, 1, 101).tolist())

PROTOCOLS = MappingProxyType(
    {
        one.name: one
        for one in (
            Protocol("voc2007", "VOC 2007: mean precision at 11 recalls, IoU 0.5", voc.match, _ELEVEN),
            Protocol("voc2010", "VOC 2010 and later: area below the curve, IoU 0.5", voc.match, None),
            Protocol(
                "ilsvrc",
                "ILSVRC: area below the curve, IoU 0.5, less for small objects",
                ilsvrc.match,
                None,
                as_given=False,
            ),
            Protocol(
                "coco",
                "COCO: mean precision at 101 recalls, IoU 0.5 to 0.95, at most 100 detections of a picture and class",
                coco.match,
                _HUNDRED,
                coco.THRESHOLDS,
                coco.MOST,
                as_given=False,
                figures=coco.figures,
            ),
        )
    }
)


def find_protocol(protocol: "str | Protocol") -> Protocol:
    """Return the protocol of a name; raises `InputError` that lists the names there are."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol '{shown(protocol)}' is none of {', '.join(get_args(ProtocolName))}")
    return PROTOCOLS[protocol]
