"""What a detector does beside its networks, as plain data that its file holds."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from googlenet.detection.proposals.sources import MultiBoxSource, SelectiveSearchSource, Source, open_source
from googlenet.detection.regions.crop import CONTEXT
from googlenet.detection.regions.selection import Selection
from googlenet.errors import InputError
from googlenet.files import sha256
from googlenet.inference.engine import Computing

__all__ = ["FAST", "DetectorSettings", "ProposedBy", "fast", "open_sources", "proposed_by"]

FAST = 50
"""Boxes of MultiBox that a fast detector classifies."""


@dataclass(frozen=True)
class ProposedBy:
    """A source of proposals: its text, as `--source` has it, and the SHA-256 of its weights, where it has some.

    A file's path is relative to the folder of the detector's file.
    """

    text: str
    sha256: str | None = None


@dataclass(frozen=True)
class DetectorSettings:
    """How boxes are proposed, cropped and chosen; creating one checks it."""

    sources: tuple[ProposedBy, ...]
    proposals: int | None = None
    """boxes of a picture that are classified, the best; None: all"""
    context: float = CONTEXT
    """share of a crop's side that shows what is around the box, on each side"""
    selection: Selection = Selection()  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        if not self.sources:
            raise InputError("a detector needs a source of proposals; give one")
        if self.proposals is not None and self.proposals < 1:
            raise InputError(f"proposals {self.proposals}: give at least 1")
        if not 0 <= self.context < 0.5:
            raise InputError(f"context {self.context}: give a number from 0 up to, but not including, 0.5")


def proposed_by(source: Source, folder: Path) -> ProposedBy:
    """Return how the file of a detector in `folder` names a source."""
    if isinstance(source, MultiBoxSource):
        path = Path(os.path.relpath(Path(source.path).resolve(), folder.resolve())).as_posix()
        return ProposedBy(f"multibox:{path},boxes={source.boxes}", sha256(source.path))
    if isinstance(source, SelectiveSearchSource):
        return ProposedBy(f"selective-search:{source.settings}")  # every setting: another release has other defaults
    return ProposedBy(source.name)


def fast(settings: DetectorSettings, file: Path) -> DetectorSettings:
    """Return the settings of a detector that classifies the best boxes of its MultiBox alone."""
    sources = tuple(one for one in settings.sources if one.sha256 is not None)
    if not sources:
        raise InputError(
            f"{file}: --fast takes the boxes of a MultiBox, and it has none; train it with --source multibox:FILE too"
        )
    return replace(settings, sources=sources, proposals=FAST)


def open_sources(settings: DetectorSettings, file: Path, computing: Computing) -> tuple[Source, ...]:
    """Return the sources of the detector in `file`; `InputError` where one is gone, or is not what it was."""
    return tuple(_open(entry, file, computing) for entry in settings.sources)


def _open(entry: ProposedBy, file: Path, computing: Computing) -> Source:
    if entry.sha256 is None:
        try:
            return open_source(entry.text, computing)
        except InputError as error:
            raise InputError(f"{file}: {str(error).removeprefix('--source ')}") from None
    path, _, boxes = entry.text.removeprefix("multibox:").rpartition(",boxes=")
    try:
        source = open_source(f"multibox:{file.parent / path},boxes={boxes}", computing)
        now = sha256(file.parent / path)
    except OSError as error:
        raise InputError(f"{file}: proposals by {path}: cannot be read ({error.strerror}); check it") from None
    except InputError as error:
        raise InputError(f"{file}: proposals by {error}") from None
    if now != entry.sha256:
        raise InputError(
            f"{file}: {path}, which proposes its boxes, has changed (SHA-256 {now[:12]}..., expected"
            f" {entry.sha256[:12]}...); restore the file, or give --source"
        )
    return source
