"""Cheap rejection: what says in little time which proposals are worth the region classifier's.

Either MultiBox, which has said already where objects are: a box is as likely one as the surest of MultiBox's boxes,
times the square of their overlap. Or a narrower detector, by its probability that a box shows anything at all.
The boxes of all sources are put into one order by it, of which the best are classified. It goes in rounds: each takes,
the surest first, what does not overlap a surer one of its own by 0.7; else the first hundred would be a few objects.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes, iou, suppress
from googlenet.detection.detector.file import read_detector
from googlenet.detection.detector.settings import OWN, ProposedBy, expect_unchanged, home, no_own_multibox, open_entry
from googlenet.detection.proposals.sources import Found, MultiBoxSource, Source
from googlenet.detection.regions.scoring import Boxed, Member, score
from googlenet.files import recorded_name, sha256
from googlenet.inference.engine import Computing
from googlenet.inference.predictor import Predictor
from googlenet.weights.checkpoint import read
from googlenet.weights.creation import build

__all__ = ["MultiBoxRejector", "NetworkRejector", "Rejector", "in_rounds", "open_rejector"]

OVERLAP = 0.7
"""Intersection over union with a surer box above which one has to wait for the next round."""

Propose = Callable[[Source], Found]
"""What proposes boxes for the picture in question, once for each source."""


class Rejector(Protocol):
    """Something that says how likely boxes show an object, at less cost than the detector; from several threads."""

    @property
    def name(self) -> str:
        """What it is called in results: as the option has it, a file by its last two parts."""
        ...

    @property
    def key(self) -> str:
        """All that it depends on beside picture and boxes."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether it takes so long that what it says is kept with the proposals; it asks for none then."""
        ...

    def confidences(self, image: NDArray[np.uint8], boxes: Boxes, propose: Propose) -> NDArray[np.float64]:
        """Return how likely each of the boxes [N, 4] of a picture, uint8 [h, w, 3] RGB, shows an object: [N]."""
        ...


class MultiBoxRejector:
    """By the boxes of a MultiBox."""

    is_kept = False

    def __init__(self, name: str, source: MultiBoxSource) -> None:
        self.name, self._source = name, source

    @property
    def key(self) -> str:
        return self._source.key

    def confidences(self, image: NDArray[np.uint8], boxes: Boxes, propose: Propose) -> NDArray[np.float64]:
        found = propose(self._source)
        return (iou(boxes, found.boxes) ** 2 * found.scores).max(axis=1, initial=0.0)


class NetworkRejector:
    """By the region classifiers of another detector: 1 less the probability of background, their mean."""

    is_kept = True

    def __init__(self, path: Path, computing: Computing) -> None:
        described = read_detector(path)
        how = (computing.device, computing.precision, computing.engine)
        self.name, self.key = recorded_name(path.resolve()), f"detector {sha256(path)} {computing.precision}"
        self._context, self._one_at_a_time = described.settings.context, threading.Lock()
        checkpoints = [read(member) for member in described.members]
        self._members = [
            Member(Predictor(build(one, auxiliary=False).eval(), None, *how), np.array([len(one.classes) - 1]))
            for one in checkpoints
        ]

    def confidences(self, image: NDArray[np.uint8], boxes: Boxes, propose: Propose) -> NDArray[np.float64]:
        with self._one_at_a_time:  # a network takes all cores by itself
            (scored,) = score([Boxed("", image, boxes)], self._members, self._context)
        return 1 - scored.scores[:, 0]


def in_rounds(boxes: Boxes, confidences: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of all boxes [N, 4] in the order in which they are to be classified."""
    rows, left = [np.empty(0, np.int64)], np.arange(len(boxes))
    while len(left):
        taken = suppress(boxes[left], confidences[left], OVERLAP)
        rows.append(left[taken])
        left = np.delete(left, taken)
    return np.concatenate(rows)


def open_rejector(entry: ProposedBy, file: Path, sources: Sequence[Source], computing: Computing) -> Rejector:
    """Return what rejects boxes for the detector in `file`, which has these `sources`, ready for use.

    Raises `InputError` where it is gone, is not what it was, or is nothing that judges boxes.
    """
    if entry.text == OWN:
        own = next((source for source in sources if isinstance(source, MultiBoxSource)), None)
        if own is None:
            raise no_own_multibox(file)
        return MultiBoxRejector(OWN, own)
    if entry.text.startswith(f"{OWN}:"):
        source = open_entry(entry, file, computing)
        assert isinstance(source, MultiBoxSource)
        return MultiBoxRejector(f"{OWN}:{recorded_name(Path(source.path).resolve())}", source)
    path = home(file) / entry.text
    rejector = NetworkRejector(path, computing)
    expect_unchanged(entry, sha256(path), f"{file}: {path}, which rejects boxes,", "--reject-by")
    return rejector
