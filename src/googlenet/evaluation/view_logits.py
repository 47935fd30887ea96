"""The logits of every view, kept in a folder: combined anew in seconds, without images and without networks.

For each model one file of its outputs for the distinct views of each image, at the image's own place, so that several
processes write at once and a kill loses nothing; the holes that images with fewer views leave (a square one has 48
distinct among the paper's 144) take no room on most file systems. `view_logits.json` says what is in them, and
checksums whether it is still what was written.
"""

import json
import os
import shutil
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.evaluation.models import Judged
from googlenet.evaluation.pipeline import Seen
from googlenet.evaluation.protocol import Protocol
from googlenet.evaluation.views import find_places
from googlenet.files import atomic_write, open_regular
from googlenet.records import decode, encode
from googlenet.reporting.console import scaled

__all__ = ["Contents", "Number", "ViewLogits"]

FORMAT = "googlenet-view-logits-2"
CONTENTS, INDEX = "view_logits.json", "images.bin"

Number = str
"""What logits are kept as: float32, or float16 in half the room."""


@dataclass(frozen=True)
class StoredModel:
    """A network of which logits are kept."""

    name: str
    sha256: str
    outputs: int

    @property
    def file(self) -> str:
        return f"{self.sha256[:16]}.logits"


@dataclass(frozen=True)
class Contents:
    """What a folder holds: logits of every model for all views of the protocols."""

    data: str
    """How many images there are, and the hash of their listing."""
    images: int
    number: Number
    computing: str
    protocols: tuple[Protocol, ...]
    models: tuple[StoredModel, ...]
    format: str = FORMAT

    @property
    def views(self) -> int:
        """For how many views of an image there is room: all, if none coincide."""
        return sum(protocol.views for protocol in self.protocols)

    @property
    def bytes(self) -> int:
        """What the files take, at most."""
        return self.images * self.views * np.dtype(self.number).itemsize * sum(one.outputs for one in self.models)

    def entry(self) -> np.dtype[np.void]:
        """What is kept of an image beside its logits: its size, the seconds that they took, and checksums.

        There is one of each model's logits, and at the end one of the entry itself and of what the folder holds.
        """
        of_models = [("seconds", "<f4", (len(self.models),)), ("logits", "<u4", (len(self.models),))]
        size = [("width", "<i4"), ("height", "<i4")]
        return np.dtype([("done", "u1"), *size, ("preparing", "<f4"), *of_models, ("checksum", "<u4")])

    def lacks(self, wanted: "Contents") -> str:
        """Say what is wanted and not here; empty where all of it is."""
        for name in ("format", "data", "images", "number", "computing"):
            if getattr(self, name) != getattr(wanted, name):
                return f"{name} {getattr(self, name)}, not {getattr(wanted, name)}"
        known = {(one.sha256, one.outputs) for one in self.models}
        missing = [one.name for one in wanted.models if (one.sha256, one.outputs) not in known]
        missing += [f"{one.name} crops" for one in wanted.protocols if one not in self.protocols]
        return f"no {' and no '.join(missing)}" if missing else ""


class ViewLogits:
    """The logits of `models` for the views of `protocols`; made, or found, in `folder`.

    What is found may hold more models and protocols. Raises `InputError` where it lacks something, holds other data,
    or where the disk has no room.
    """

    def __init__(self, folder: Path, models: Sequence[Judged], protocols: Sequence[Protocol], wanted: Contents) -> None:
        self.folder, self.models = folder, models
        self.contents, is_new = _agree(folder, wanted)
        self._entry = self.contents.entry()
        self._seed = zlib.crc32(json.dumps(encode(self.contents)).encode())
        hashes = [one.sha256 for one in self.contents.models]
        self._numbers = [hashes.index(one.sha256) for one in models]
        self._stored = [self.contents.models[number] for number in self._numbers]
        self._asked = {protocol.name for protocol in protocols}
        self._is_wider = self.contents.models != wanted.models or self.contents.protocols != wanted.protocols
        self._lock = threading.Lock()
        try:
            _sized(folder / INDEX, self.contents.images * self._entry.itemsize, is_new)
            for one in self._stored:
                _sized(folder / one.file, self.contents.images * self._step(one), is_new)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error

    def done(self) -> NDArray[np.bool_]:
        """Return of which images the logits are here: [images]."""
        return np.fromfile(self.folder / INDEX, self._entry)["done"] == 1

    def refuse_more(self) -> None:
        """Raise `InputError` where logits of more models or views are kept than this evaluation computes."""
        if self._is_wider:
            names = ", ".join(one.name for one in self.contents.models)
            crops = " ".join(one.name for one in self.contents.protocols)
            raise InputError(
                f"{self.folder}: is not finished; first finish it with all it is for: {names}, --crops {crops}"
            )

    def write(self, image: int, seen: Seen) -> Seen:
        """Keep an image's logits; return them as they are read again."""
        with np.errstate(over="ignore"):
            kept = tuple(logits.astype(self.contents.number) for logits in seen.logits)
        for ours, exact in zip(kept, seen.logits, strict=True):
            if np.isinf(ours).any() and np.isfinite(exact).all():
                raise InputError(
                    f"{self.folder}: logits of up to {np.abs(exact).max():.3g} do not fit {self.contents.number};"
                    " give --logits-as float32"
                )
        entry = np.zeros((), self._entry)
        entry["done"], entry["width"], entry["height"], entry["preparing"] = 1, seen.width, seen.height, seen.preparing
        entry["seconds"][self._numbers] = seen.seconds
        contents = [logits.tobytes() for logits in kept]
        entry["logits"][self._numbers] = [zlib.crc32(content) for content in contents]
        entry["checksum"] = self._checksum(entry)
        try:
            with self._lock:
                for one, content in zip(self._stored, contents, strict=True):
                    _write(self.folder / one.file, image * self._step(one), content)
                _write(self.folder / INDEX, image * self._entry.itemsize, entry.tobytes())
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror or error})") from error
        return replace(seen, logits=tuple(logits.astype(np.float32) for logits in kept))

    def read(self, image: int) -> Seen | None:
        """Return what was kept of an image; None where that is damaged."""
        entry = np.fromfile(self.folder / INDEX, self._entry, 1, offset=image * self._entry.itemsize)[0]
        if entry["checksum"] != self._checksum(entry):
            return None
        shape = (int(entry["height"]), int(entry["width"]))
        found = []
        logits = []
        for one, number, stored in zip(self.models, self._numbers, self._stored, strict=True):
            views, places = find_places(shape, self.contents.protocols, one.size, one.model.specification.pixels)
            found.append({name: places[name] for name in self._asked})
            with (self.folder / stored.file).open("rb") as file:
                file.seek(image * self._step(stored))
                content = file.read(len(views) * stored.outputs * np.dtype(self.contents.number).itemsize)
            if zlib.crc32(content) != entry["logits"][number]:
                return None
            kept = np.frombuffer(content, self.contents.number).reshape(len(views), stored.outputs)
            logits.append(np.array(kept, np.float32))
        seconds = tuple(entry["seconds"][self._numbers].tolist())
        return Seen(shape[1], shape[0], tuple(found), tuple(logits), seconds, float(entry["preparing"]))

    def _checksum(self, entry: NDArray[np.void] | np.void) -> int:
        return zlib.crc32(entry.tobytes()[: -self._entry["checksum"].itemsize], self._seed)

    def _step(self, model: StoredModel) -> int:
        return self.contents.views * model.outputs * np.dtype(self.contents.number).itemsize


def _agree(folder: Path, wanted: Contents) -> tuple[Contents, bool]:
    """Return what the folder holds, after seeing that it is enough, and whether it was begun just now."""
    try:
        with open_regular(folder / CONTENTS) as file:
            kept = decode(Contents, json.loads(file.read(1 << 24)), str(folder / CONTENTS))
    except FileNotFoundError:
        _refuse_without_room(folder, wanted.bytes)
        with atomic_write(folder / CONTENTS) as file:
            file.write(json.dumps(encode(wanted), indent=1, ensure_ascii=False).encode())
        return wanted, True
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{folder / CONTENTS}: cannot be read ({error.strerror}); give another folder") from error
    except (ValueError, RecursionError):
        raise InputError(f"{folder / CONTENTS}: not what this package wrote; give another folder") from None
    if lack := kept.lacks(wanted):
        raise InputError(f"{folder}: holds other logits ({lack}); give another folder")
    return kept, False


def _refuse_without_room(folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{folder}: the logits take up to {scaled(needed, 'B')}, and {scaled(free, 'B')} are free; give a folder"
            " on another disk, fewer crops, or --logits-as float16"
        )


def _sized(path: Path, size: int, is_new: bool) -> None:
    """Make a file of a size; one that was there before, and has another, is left alone and refused."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:  # noqa: PTH123
        there = os.fstat(file.fileno()).st_size
        if there == size:
            return
        if there and not is_new:
            raise InputError(f"{path}: {there:,} bytes where {size:,} belong; give another folder")
        file.truncate(size)


def _write(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
