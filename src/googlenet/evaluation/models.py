"""The networks that an evaluation asks, each once, and the systems they make up: one alone, or several together."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from googlenet.network.cost import multiply_adds
from googlenet.network.specification import Resize
from googlenet.prediction.loading import load
from googlenet.prediction.model import Model
from googlenet.weights.ensemble import Member, members_of

__all__ = ["Judged", "System", "find_systems", "load_models"]

_TELLS_NOTHING = ("final", "model", "checkpoint", "best", "last", "averaged", "raw")
"""What checkpoints are called whose folder has the name."""


@dataclass(frozen=True)
class System:
    """What gives one answer: the models by their numbers."""

    models: tuple[int, ...]


@dataclass(frozen=True)
class Judged:
    """A network under judgement, and what a table calls it."""

    name: str
    sha256: str
    path: Path
    model: Model

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its pictures."""
        return self.model.specification.input[1:]

    @property
    def resize(self) -> Resize:
        return self.model.specification.pixels.resize

    @property
    def multiply_adds(self) -> int:
        """Of one view."""
        return multiply_adds(self.model.specification)


def find_systems(weights: Sequence[str | os.PathLike[str]], together: bool = True) -> tuple[list[Member], list[System]]:
    """Return every checkpoint once, and the systems: each that is given, then all of them `together`.

    Raises `InputError` for a missing file, or an ensemble whose member has changed.
    """
    members: dict[str, Member] = {}
    systems: dict[tuple[int, ...], System] = {}
    for given in weights:
        found = members_of(given)
        for member in found:
            members.setdefault(member.sha256, member)
        numbers = list(members)
        system = System(tuple(dict.fromkeys(numbers.index(member.sha256) for member in found)))
        systems.setdefault(system.models, system)
    if together:
        everything = System(tuple(range(len(members))))
        systems.setdefault(everything.models, everything)
    return list(members.values()), list(systems.values())


def load_models(members: Sequence[Member], **computing: Any) -> list[Judged]:
    """Read every checkpoint; raises `InputError` for what is none, or cannot be computed as `computing` says."""
    names = _names([member.path for member in members])
    return [
        Judged(name, member.sha256, member.path, load(member.path, **computing))
        for name, member in zip(names, members, strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest names that differ: the file's, the folder's where the file's says nothing, both, and a number."""
    names = [path.resolve().parent.name if path.stem in _TELLS_NOTHING else path.stem for path in paths]
    for longer in ([f"{path.resolve().parent.name}/{path.stem}" for path in paths], [str(path) for path in paths]):
        count = Counter(names)
        names = [other if count[name] > 1 else name for name, other in zip(names, longer, strict=True)]
    return names
