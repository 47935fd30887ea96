"""What proposes boxes, by a text such as `selective-search:fast,superpixels=2`."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.selective_search.search import SelectiveSearch
from googlenet.detection.selective_search.settings import Settings, parse_settings
from googlenet.errors import InputError, shown

__all__ = ["Found", "Source", "open_source"]


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

    def propose(self, image: NDArray[np.uint8]) -> Found:
        """Propose boxes for a picture, uint8 [h, w, 3] RGB, upright."""
        ...


def open_source(text: str) -> Source:
    """Return the source that a text describes; `InputError` names what is wrong with it, before anything is loaded."""
    kind, _, rest = text.partition(":")
    if kind == "selective-search":
        return SelectiveSearchSource(text, parse_settings(rest))
    raise InputError(f"--source {shown(text)}: no such source; there is selective-search:SETTINGS")


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

    def propose(self, image: NDArray[np.uint8]) -> Found:
        found = SelectiveSearch(self.settings).propose(image)
        return Found(found.boxes, found.scores)
