"""What a detector does beside its networks, as plain data that its file holds."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from googlenet.detection.proposals.sources import (
    MultiBoxSource,
    SelectiveSearchSource,
    Source,
    file_and_boxes,
    open_source,
)
from googlenet.detection.regions.crop import CONTEXT
from googlenet.detection.regions.selection import Selection
from googlenet.errors import InputError, whole
from googlenet.files import sha256
from googlenet.inference.engine import Computing

__all__ = ["FAST", "OWN", "Choice", "DetectorSettings", "ProposedBy", "check_rejection", "chosen", "expect_unchanged"]
__all__ += [
    "fast",
    "home",
    "moved",
    "no_own_multibox",
    "open_entry",
    "open_sources",
    "proposed_by",
    "rejected_by",
    "relative",
]

FAST = 50
"""Boxes of MultiBox that a fast detector classifies."""

OWN = "multibox"
"""The text of a rejection by the MultiBox that is among the detector's own sources."""


@dataclass(frozen=True)
class ProposedBy:
    """What proposes boxes, or judges them: its text, as the option has it, and the SHA-256 of its file, if it has one.

    A file's path is relative to the folder of the detector's file.
    """

    text: str
    sha256: str | None = None


@dataclass(frozen=True)
class Choice:
    """Which proposals are classified, and which of them are detections; what is None is as the detector has it."""

    proposals: int | None = None
    """Classify only so many boxes of an image, the best: faster, and finds less."""
    reject_by: str | None = None
    """What says which are the best, in place of the sources' own order: multibox (the detector's own), multibox:FILE,
    or the FILE of another detector, of a narrower network."""
    least_score: float | None = None
    """Least probability of a detection."""
    overlap: float | None = None
    """Intersection over union with a surer box of the same class above which a box is no detection."""
    most: int | None = None
    """Detections of an image, the surest."""

    def __post_init__(self) -> None:
        for name in ("least_score", "overlap"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} {value}: give a number from 0 to 1")
        if self.most is not None and self.most < 1:
            raise InputError(f"most {self.most}: give at least 1")


@dataclass(frozen=True)
class DetectorSettings:
    """How boxes are proposed, cropped and chosen; creating one checks it."""

    sources: tuple[ProposedBy, ...]
    proposals: int | None = None
    """boxes of a picture that are classified, the best; None: all"""
    context: float = CONTEXT
    """share of a crop's side that shows what is around the box, on each side"""
    selection: Selection = Selection()  # noqa: RUF009  frozen
    reject_by: ProposedBy | None = None
    """what says which boxes are the best; None: each source of its own"""

    def __post_init__(self) -> None:
        if not self.sources:
            raise InputError("a detector needs a source of proposals; give one")
        if self.proposals is not None and self.proposals < 1:
            raise InputError(f"proposals {self.proposals}: give at least 1")
        if not 0 <= self.context < 0.5:
            raise InputError(f"context {self.context}: give a number from 0 up to, but not including, 0.5")

    def told(self) -> dict[str, Any]:
        """Return them as a report lists them, but for the sources, which may be others of the day."""
        by = f", by {self.reject_by.text}" if self.reject_by else ""
        return {
            "proposals": f"the best {self.proposals}{by}" if self.proposals else "all",
            "context": self.context,
            "least score": self.selection.score,
            "overlap": self.selection.overlap,
            "most of a picture": self.selection.most,
        }


def proposed_by(source: Source, folder: Path) -> ProposedBy:
    """Return how the file of a detector in `folder` names a source."""
    if isinstance(source, MultiBoxSource):
        path = relative(Path(source.path), folder)
        return ProposedBy(f"multibox:{path},boxes={source.boxes}", sha256(source.path))
    if isinstance(source, SelectiveSearchSource):
        return ProposedBy(f"selective-search:{source.settings}")  # every setting: another release has other defaults
    return ProposedBy(source.name)


def rejected_by(text: str, folder: Path) -> ProposedBy:
    """Return how the file of a detector in `folder` names what rejects boxes: `text` is that of `Choice`."""
    kind, _, rest = text.partition(":")
    if text == OWN:
        return ProposedBy(text)
    if kind == OWN:
        path, boxes = file_and_boxes(text, rest)
        return ProposedBy(f"{OWN}:{relative(Path(path), folder)},boxes={boxes}", _hash_of(path))
    return ProposedBy(relative(Path(text), folder), _hash_of(text))


def chosen(settings: DetectorSettings, choice: Choice, file: Path) -> DetectorSettings:
    """Return the settings of the detector in `file` with what is chosen otherwise.

    Raises `InputError` for a number out of range, or a file that cannot be read; whether that is one that judges boxes
    shows when it is opened.
    """
    if choice.proposals is not None:
        settings = replace(settings, proposals=whole("--proposals", choice.proposals))
    if choice.reject_by is not None:
        settings = replace(settings, reject_by=rejected_by(choice.reject_by, home(file)))
    own = settings.selection
    selection = Selection(
        own.score if choice.least_score is None else choice.least_score,
        own.overlap if choice.overlap is None else choice.overlap,
        own.most if choice.most is None else choice.most,
    )
    return replace(settings, selection=selection)


def check_rejection(settings: DetectorSettings, file: Path | str, *, needs_number: bool = False) -> None:
    """Raise `InputError` where the detector in `file` rejects by a MultiBox of its own that it has not.

    With `needs_number` also where it is not said how many boxes are left.
    """
    if settings.reject_by is None:
        return
    if settings.reject_by.text == OWN and all(one.sha256 is None for one in settings.sources):
        raise no_own_multibox(file)
    if needs_number and settings.proposals is None:
        raise InputError("--reject-by says which boxes are the best; say with --proposals how many are classified")


def no_own_multibox(file: Path | str) -> InputError:
    """Return what is wrong with a detector in `file` that rejects by a MultiBox of its own."""
    return InputError(f"{file}: --reject-by {OWN} takes the boxes of its MultiBox, and it has none; give {OWN}:FILE")


def home(file: Path) -> Path:
    """Return the folder from which a detector's file names others: that of the file itself, not of a link to it."""
    return Path(os.path.realpath(file)).parent


def relative(path: Path, folder: Path) -> str:
    """Return a path as a file in `folder` names it."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def moved(entry: ProposedBy, before: Path, now: Path) -> ProposedBy:
    """Return the same entry for a file in another folder."""
    if entry.sha256 is None:
        return entry
    if entry.text.startswith(f"{OWN}:"):
        path, _, boxes = entry.text.removeprefix(f"{OWN}:").rpartition(",boxes=")
        return replace(entry, text=f"{OWN}:{relative(before / path, now)},boxes={boxes}")
    return replace(entry, text=relative(before / entry.text, now))


def fast(settings: DetectorSettings, file: Path) -> DetectorSettings:
    """Return the settings of a detector that classifies the best boxes of its MultiBox alone."""
    sources = tuple(one for one in settings.sources if one.sha256 is not None)
    if not sources:
        raise InputError(
            f"{file}: --fast takes the boxes of a MultiBox, and it has none; train it with --source multibox:FILE too"
        )
    return replace(settings, sources=sources, proposals=FAST, reject_by=None)


def open_sources(settings: DetectorSettings, file: Path, computing: Computing) -> tuple[Source, ...]:
    """Return the sources of the detector in `file`; `InputError` where one is gone, or is not what it was."""
    return tuple(open_entry(entry, file, computing) for entry in settings.sources)


def open_entry(entry: ProposedBy, file: Path, computing: Computing) -> Source:
    """Return one source of the detector in `file`; `InputError` as of `open_sources`."""
    if entry.sha256 is None:
        try:
            return open_source(entry.text, computing)
        except InputError as error:
            raise InputError(f"{file}: {str(error).removeprefix('--source ')}") from None
    path, _, boxes = entry.text.removeprefix(f"{OWN}:").rpartition(",boxes=")
    try:
        source = open_source(f"{OWN}:{home(file) / path},boxes={boxes}", computing)
        now = sha256(home(file) / path)
    except OSError as error:
        raise InputError(f"{file}: proposals by {path}: cannot be read ({error.strerror}); check it") from None
    except InputError as error:
        told = f"; a detector names its MultiBox by the way from its own folder ({path}): keep both together"
        raise InputError(f"{file}: proposals by {error}{'' if (home(file) / path).exists() else told}") from None
    expect_unchanged(entry, now, f"{file}: {path}, which proposes its boxes,", "--source")
    return source


def expect_unchanged(entry: ProposedBy, now: str, what: str, option: str) -> None:
    """Raise `InputError` where a file that an entry names has another SHA-256 `now`; `option` is one for another."""
    if now != entry.sha256:
        raise InputError(
            f"{what} has changed (SHA-256 {now[:12]}..., expected {str(entry.sha256)[:12]}...); restore the file, or"
            f" give {option}"
        )


def _hash_of(path: str) -> str:
    try:
        return sha256(path)
    except (OSError, InputError) as error:
        told = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise InputError(f"--reject-by {path}: {told}; give {OWN}, {OWN}:FILE or the file of a detector") from None
