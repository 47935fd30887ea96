"""An ensemble: one small JSON file that names the checkpoints of its members by path and hash.

The paths are relative to the file's own folder, so that the folder can be moved. The hash says whether a member is
still what it was when the ensemble was made.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from googlenet.errors import InputError, shown
from googlenet.files import atomic_write, open_regular, sha256
from googlenet.records import decode, encode
from googlenet.weights.checkpoint import WEIGHTS_NAME, describe

__all__ = ["Member", "expect_weights", "is_ensemble", "members_of", "save_ensemble"]

FORMAT = "googlenet-ensemble-1"

LARGEST_FILE = 2**20
"""Bytes; a thousand members take less."""


@dataclass(frozen=True)
class Member:
    """A checkpoint, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class _Entry:
    path: str
    sha256: str


@dataclass(frozen=True)
class _Ensemble:
    format: str
    members: tuple[_Entry, ...]


def save_ensemble(path: str | os.PathLike[str], members: Sequence[str | os.PathLike[str]]) -> None:
    """Write the ensemble of the checkpoints `members`; an ensemble among them stands for its own members.

    Raises `InputError` where one cannot be read, is there twice, or `path` cannot be written or is another file.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise InputError(f"{path}: an ensemble is a JSON file; let its name end in .json")
    if path.exists() and not _is_ours(path):
        raise InputError(f"{path}: is another file, which would be lost; give another name")
    found = [member for given in members for member in members_of(given)]
    if len(found) < 2:
        raise InputError(f"{path}: an ensemble has two members or more, found {len(found)}")
    folder = path.resolve().parent
    entries = tuple(_Entry(Path(os.path.relpath(one.path.resolve(), folder)).as_posix(), one.sha256) for one in found)
    if twice := {one.path for one in entries if [other.sha256 for other in entries].count(one.sha256) > 1}:
        raise InputError(f"{path}: {sorted(twice)[0]} would be a member twice; name it once")
    with atomic_write(path) as file:
        file.write(json.dumps(encode(_Ensemble(FORMAT, entries)), indent=2, ensure_ascii=False).encode() + b"\n")


def members_of(path: str | os.PathLike[str]) -> tuple[Member, ...]:
    """Return the members of an ensemble, or the one checkpoint that `path` is.

    Raises `InputError` for a missing file, a file that is no ensemble, and a member that is gone or has changed.
    """
    path = Path(path)
    if not is_ensemble(path):
        return (_member(path),)
    return tuple(_checked(entry, path) for entry in _read(path).members)


def expect_weights(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` where `path` is no checkpoint and no ensemble: soon, since no weight is read."""
    if is_ensemble(path):
        _read(Path(path))
    else:
        describe(path)


def is_ensemble(path: str | os.PathLike[str]) -> bool:
    """Whether a path is, by its name, that of an ensemble and not of a checkpoint."""
    return Path(path).suffix.lower() == ".json" and not os.path.isdir(path)  # noqa: PTH112  no name is too long for it


def _is_ours(path: Path) -> bool:
    try:
        _read(path)
    except InputError:
        return False
    return True


def _read(path: Path) -> _Ensemble:
    try:
        with open_regular(path) as file:
            text = file.read(LARGEST_FILE + 1)
        content = json.loads(text) if len(text) <= LARGEST_FILE else None
    except OSError as error:
        told = f"cannot be read ({error.strerror or error}); check the path"
        raise InputError(f"{shown(str(path), 200)}: {told}") from error
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not an ensemble of this package; googlenet evaluate --save-ensemble makes one")
    found = decode(_Ensemble, content, str(path))
    if not found.members:
        raise InputError(f"{path}: an ensemble without members")
    return found


def _checked(entry: _Entry, ensemble: Path) -> Member:
    member = _member(ensemble.parent / entry.path, f"{ensemble}: member ")
    if member.sha256 != entry.sha256:
        raise InputError(
            f"{ensemble}: member {entry.path} has changed since the ensemble was made (SHA-256"
            f" {member.sha256[:12]}..., expected {entry.sha256[:12]}...); restore the file or make the ensemble anew"
        )
    return member


def _member(path: Path, named: str = "") -> Member:
    try:
        if (path / WEIGHTS_NAME).is_file():
            path = path / WEIGHTS_NAME
        if not path.is_file():
            raise InputError(f"{named}{path}: no such file; check the path")
        return Member(path, sha256(path))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{named}{shown(str(path), 200)}: cannot be read ({reason}); check the path") from error
