"""A detector's file: a region classifier's checkpoint with the settings in it, or several of those by path and hash.

`detector.safetensors` is read by everything that reads checkpoints, too. An ensemble is a small JSON file, whose paths
are relative to its own folder; the hashes say whether a member is still what it was.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from googlenet.detection.detector.settings import DetectorSettings, home, moved, relative
from googlenet.detection.regions.background import BACKGROUND
from googlenet.errors import InputError
from googlenet.files import expect, open_regular, read_regular, sha256, write_json
from googlenet.network.graph import expand, logits_of
from googlenet.records import decode, encode, parse_json
from googlenet.weights.checkpoint import Checkpoint, describe, read_beside, save
from googlenet.weights.classes import Class
from googlenet.weights.kinds import BEGINNING, kind_of
from googlenet.weights.tensor_file import open_tensors

if TYPE_CHECKING:
    from googlenet.detection.regions.refinement.refinement import Refinement

__all__ = ["DetectorFile", "expect_no_detector", "is_detector", "read_detector", "read_refinement"]
__all__ += ["save_detector", "save_detector_ensemble"]

FORMAT = "googlenet-detector-1"
ENTRY = "detector"
"""Of a checkpoint's metadata, where the settings are."""

LARGEST_FILE = 2**20
"""Bytes of an ensemble; a thousand members take less."""

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class DetectorFile:
    """What a file says of a detector; no weights are read."""

    path: Path
    settings: DetectorSettings
    members: tuple[Path, ...]
    """The checkpoints of its region classifiers."""
    classes: tuple[Class, ...]
    """What it detects: the classes of the first member, without background."""

    @property
    def identity(self) -> str:
        """A hash of all that the scores of boxes depend on: weights, what refines them, the crop; not of choices."""
        hashes = [_hash_of_tensors(member) for member in self.members]
        return hashlib.sha256(json.dumps([hashes, self.settings.context]).encode()).hexdigest()

    @property
    def kind(self) -> dict[str, Any]:
        """How many networks it has, and what refines the answers of any of them."""
        parts = {name.partition(".")[0] for member in self.members for name in read_beside(member)}
        refined = {"svms": "svms" in parts, "box_regression": "regression" in parts, "context": "context" in parts}
        return {"members": len(self.members), **refined}


@dataclass(frozen=True)
class _Member:
    path: str
    sha256: str


@dataclass(frozen=True)
class _Ensemble:
    format: str
    members: tuple[_Member, ...]
    settings: DetectorSettings


def save_detector(
    path: FilePath,
    classifier: Checkpoint,
    settings: DetectorSettings,
    refinement: "Refinement | None" = None,
) -> None:
    """Write a detector of one region classifier, whose last class is background, and of what refines its answers."""
    import torch

    text = json.dumps({"format": FORMAT} | encode(settings), ensure_ascii=False)
    told = {ENTRY: text.encode("utf-8", "backslashreplace").decode()}  # a file name that is no UTF-8 stays an escape
    arrays = refinement.arrays() if refinement else {}
    save(path, classifier, told, {name: torch.from_numpy(array) for name, array in arrays.items()})


def read_refinement(path: FilePath, classifier: Checkpoint) -> "Refinement":
    """Read what refines the answers of the `classifier` in a detector's file; `InputError` where it does not fit."""
    from googlenet.detection.regions.description import width
    from googlenet.detection.regions.refinement.refinement import Refinement

    found = read_beside(path)
    if other := next((name for name, tensor in found.items() if str(tensor.dtype) != "torch.float32"), None):
        raise InputError(f"{os.fspath(path)}: {other} is {found[other].dtype}, not float32; train it anew")
    arrays = {name: tensor.numpy() for name, tensor in found.items()}
    if not arrays:
        return Refinement()
    layer = logits_of(expand(classifier.specification, auxiliary=False)).replace("/", ".")
    outputs = len(classifier.weights[f"{layer}.weight"])
    if classifier.classes[-1].id != BACKGROUND.id:
        raise InputError(f"{os.fspath(path)}: its last class is no background; train it anew")
    return Refinement.of(arrays, outputs - 1, width(classifier.specification), os.fspath(path))


def save_detector_ensemble(path: FilePath, detectors: Sequence[FilePath]) -> None:
    """Write the ensemble of several detectors: their classifiers' mean, with the proposals and settings of the first.

    An ensemble among them stands for its own members. Raises `InputError` where one is no detector or is there twice,
    where they detect other classes, or where `path` is not called .json or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise InputError(f"{path}: an ensemble is a JSON file; let its name end in .json")
    found = [read_detector(one) for one in detectors]
    members = [member for one in found for member in one.members]
    if len(members) < 2:
        raise InputError(f"{path}: an ensemble has two members or more, found {len(members)}")
    for one in found[1:]:
        if {item.id for item in one.classes} != {item.id for item in found[0].classes}:
            raise InputError(f"{one.path}: detects other classes than {found[0].path}; give detectors of the same")
    folder = home(path)
    entries = tuple(_Member(relative(member, folder), sha256(member)) for member in members)
    if twice := [one.path for one in entries if [other.sha256 for other in entries].count(one.sha256) > 1]:
        raise InputError(f"{path}: {twice[0]} would be a member twice; name it once")
    settings = _moved(found[0].settings, home(found[0].path), folder)
    write_json(path, encode(_Ensemble(FORMAT, entries, settings)))


def is_detector(path: FilePath) -> bool:
    """Whether a file is a detector by its content, and no predictions or anything else."""
    if not os.path.isfile(path):  # noqa: PTH113  no name is too long for it
        return False
    with open_regular(path) as file:
        beginning = file.read(1 << 10)
    if kind_of(beginning[:BEGINNING]) == "safetensors":
        return True  # of whatever kind: `read_detector` says what is wrong with it
    return f'"{FORMAT}"'.encode() in beginning


def expect_no_detector(path: FilePath) -> None:
    """Raise `InputError` for a detector where a network of whole pictures is asked for; another file is let be."""
    if not os.path.isfile(path):  # noqa: PTH113  no name is too long for it
        return
    with open_regular(path) as file:
        beginning = file.read(1 << 10)
    if kind_of(beginning[:BEGINNING]) == "safetensors":
        with open_tensors(Path(path)) as tensors:
            found = ENTRY in tensors.metadata
    else:
        found = f'"{FORMAT}"'.encode() in beginning
    if found:
        raise InputError(f"{path}: a detector, which knows boxes and no whole pictures; googlenet detect takes it")


def read_detector(path: FilePath) -> DetectorFile:
    """Read a detector's file; `InputError` says what is wrong with it, or which member is gone or has changed."""
    expect(path)
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _read_ensemble(path)
    settings = _settings_of(path)
    return DetectorFile(path, settings, (path,), describe(path).classes[:-1])


def _settings_of(path: Path) -> DetectorSettings:
    with open_tensors(path) as file:
        text = file.metadata.get(ENTRY)
    if text is None:
        raise InputError(f"{path}: no detector, as it says nothing of proposals; googlenet detector train makes one")
    content = parse_json(text, f"{path}: {ENTRY}")
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise InputError(f"{path}: a detector of another release; update googlenet, or train it anew")
    return decode(DetectorSettings, content, f"{path}: {ENTRY}")


def _read_ensemble(path: Path) -> DetectorFile:
    content = parse_json(read_regular(path, LARGEST_FILE, "ensemble of detectors"), str(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: no ensemble of detectors; googlenet detector ensemble makes one")
    found = decode(_Ensemble, content, str(path))
    if not found.members:
        raise InputError(f"{path}: an ensemble without members")
    members = tuple(_checked(entry, path) for entry in found.members)
    return DetectorFile(path, found.settings, members, describe(members[0]).classes[:-1])


def _checked(entry: _Member, ensemble: Path) -> Path:
    member = home(ensemble) / entry.path
    try:
        now = sha256(member)
    except (OSError, ValueError) as error:
        raise InputError(f"{ensemble}: member {entry.path}: cannot be read ({error}); check the path") from None
    if now != entry.sha256:
        raise InputError(
            f"{ensemble}: member {entry.path} has changed since the ensemble was made (SHA-256 {now[:12]}...,"
            f" expected {entry.sha256[:12]}...); restore the file or make the ensemble anew"
        )
    return member


def _hash_of_tensors(path: Path) -> str:
    """Of a checkpoint's bytes without the settings of a detector that stand in its header."""
    with open_regular(path) as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.get("__metadata__", {}).pop(ENTRY, None)
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        while content := file.read(1 << 20):
            digest.update(content)
    return digest.hexdigest()


def _moved(settings: DetectorSettings, before: Path, now: Path) -> DetectorSettings:
    """The same settings for a file in another folder."""
    sources = tuple(moved(one, before, now) for one in settings.sources)
    rejecting = settings.reject_by and moved(settings.reject_by, before, now)
    return replace(settings, sources=sources, reject_by=rejecting)
