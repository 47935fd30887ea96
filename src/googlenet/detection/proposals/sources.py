"""What proposes boxes, by a text such as `selective-search:fast,superpixels=2` or `multibox:FILE,boxes=200`."""

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.detection.selective_search.settings import Settings, parse_settings
from googlenet.errors import InputError, is_number, shown
from googlenet.files import expect, sha256
from googlenet.inference.engine import Computing
from googlenet.network.specification import MultiBox
from googlenet.weights.checkpoint import describe

if TYPE_CHECKING:
    from googlenet.detection.multibox.proposing import Proposer

__all__ = ["Found", "Source", "file_and_boxes", "open_source"]


class Found(NamedTuple):
    """What a source proposes for a picture: boxes [N, 4], the best first, and scores [N]."""

    boxes: Boxes
    scores: NDArray[np.float64]


class Source(Protocol):
    """Something that proposes boxes for a picture, the same for the same pixels; from several threads at once."""

    @property
    def name(self) -> str:
        """What it is called in results: the text that it was made of."""
        ...

    @property
    def key(self) -> str:
        """All that its boxes depend on beside the pixels: its settings and the hash of its weights."""
        ...

    def load(self) -> None:
        """Load now what the first picture would; `InputError` where this machine has not what is asked for."""
        ...

    def propose(self, image: NDArray[np.uint8]) -> Found:
        """Propose boxes for a picture, uint8 [h, w, 3] RGB, upright."""
        ...


def open_source(text: str, computing: Computing | None = None) -> Source:
    """Return the source that a text describes; `computing` says how its network computes, where it has one.

    `InputError` names what is wrong with the text, before anything is loaded.
    """
    kind, _, rest = text.partition(":")
    if kind == "selective-search":
        try:
            return SelectiveSearchSource(text, parse_settings(rest))
        except InputError as error:
            told = str(error).removeprefix("Selective Search: ")
            raise InputError(f"--source {shown(text)}: {told}") from None
    if kind == "multibox":
        return _multibox(text, rest, computing or Computing())
    raise InputError(f"--source {shown(text)}: no such source; there are selective-search:SETTINGS and multibox:FILE")


REVISION = 1
"""Counts up when Selective Search gives other boxes for the same settings."""


@dataclass(frozen=True)
class SelectiveSearchSource:
    """Selective Search with some settings."""

    name: str
    settings: Settings

    @property
    def key(self) -> str:
        return f"selective-search {REVISION} {self.settings}"

    def load(self) -> None:
        """Nothing: it has its settings."""

    def propose(self, image: NDArray[np.uint8]) -> Found:
        found = SelectiveSearch(self.settings).propose(image)
        return Found(found.boxes, found.scores)


BOXES = 200
"""That MultiBox adds to Selective Search in the paper."""


@dataclass(frozen=True)
class MultiBoxSource:
    """The best boxes of a trained MultiBox."""

    name: str
    path: str
    boxes: int
    computing: Computing
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @cached_property
    def key(self) -> str:
        return f"multibox {sha256(self.path)} boxes={self.boxes} {self.computing.precision}"

    @cached_property
    def proposer(self) -> "Proposer":
        from googlenet.detection.multibox.proposing import load

        how = self.computing
        return load(self.path, boxes=self.boxes, device=how.device, precision=how.precision, engine=how.engine)

    def load(self) -> None:
        """Load the weights."""
        with self.one_at_a_time:
            _ = self.proposer

    def propose(self, image: NDArray[np.uint8]) -> Found:
        with self.one_at_a_time:  # a network takes all cores by itself
            (found,) = self.proposer.propose([image])
        return Found(found.boxes, found.scores)


def file_and_boxes(text: str, rest: str) -> tuple[str, int]:
    """Return the file that `rest` of the text of a source names, which may be none, and how many boxes it asks for."""
    path, setting, number = rest.rpartition(",boxes=")
    path = path if setting else number
    if setting and not (is_number(number) and 0 < int(number[:9]) == int(number)):
        raise InputError(f"--source {shown(text)}: boxes must be a whole number of at least 1, found {shown(number)}")
    return path, int(number) if setting else BOXES


def _multibox(text: str, rest: str, computing: Computing) -> MultiBoxSource:
    path, boxes = file_and_boxes(text, rest)
    if not path:
        raise InputError(f"--source {shown(text)}: no file; give multibox:FILE,boxes={BOXES}")
    if computing.calibrate is not None:
        raise InputError("--calibrate is about weights of classes; leave it out")
    if computing.precision == "int8":
        raise InputError("--precision int8 is about weights of classes; give float32 or bfloat16")
    expect(Path(path))
    if not isinstance(describe(path).specification.classifier, MultiBox):
        raise InputError(f"{path}: a network of classes, not of boxes; googlenet detector train-multibox makes one")
    return MultiBoxSource(text, path, boxes, computing)
