"""Proposals that were made once, on the disk: by the picture's pixels and all that a source depends on.

A file for each picture and source holds rows of box and score, float64, and nothing else, so that it is mapped into
memory as it is. It is written whole or not at all: what a kill leaves, the next start goes on with, and several
processes may fill one folder at once.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from googlenet.detection.proposals.sources import Found
from googlenet.errors import BrokenOff, InputError, shown
from googlenet.files import atomic_write, read_regular, remove_leftovers
from googlenet.images.finding import display_name

__all__ = ["Keyed", "ProposalCache", "digest_of"]

_ROW = np.dtype(("<f8", 5))


_README = b"Region proposals by picture and source: rows of x0, y0, x1, y1, score, float64.\n"


class Keyed(Protocol):
    """A source of proposals, or anything else that says the same boxes for the same pixels."""

    @property
    def key(self) -> str:
        """All that its boxes depend on beside the pixels."""
        ...


class ProposalCache:
    """A folder of proposals; raises `InputError` where it cannot be written, or is a folder of other things."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not _is_ours(folder):
            with atomic_write(folder / "README") as file:
                file.write(_README)
        try:
            with self._alone("00"):
                pass
        except BrokenOff as error:  # before anything was begun
            raise InputError(str(error)) from error

    def find(self, source: Keyed, picture: str, propose: Callable[[], Found]) -> Found:
        """Return what is kept for a picture (its `digest_of`), or what `propose` returns, which is kept from then on.

        Where another process is at the same picture its result is waited for. Raises `BrokenOff` where the folder
        cannot be written any more.
        """
        path = self.path(source, picture)
        found = _read(path)
        if found is not None:
            return found
        with self._alone(picture):
            found = _read(path)
            if found is None:
                found = propose()
                _write(path, found)
        return found

    def path(self, source: Keyed, picture: str) -> Path:
        """Return the file of a picture and source."""
        return self.folder / hashlib.sha256(source.key.encode()).hexdigest()[:16] / picture[:2] / f"{picture}.boxes"

    @contextmanager
    def _alone(self, picture: str) -> Iterator[None]:
        """Keep every other thread and process from pictures whose names begin alike; a killed one holds nothing."""
        lock = FileLock(self.folder / "locks" / picture[:2])
        try:
            lock.acquire()
        except OSError as error:
            raise BrokenOff(f"{lock.lock_file}: cannot be written ({error.strerror or error})") from error
        try:
            yield
        finally:
            lock.release()


def _is_ours(folder: Path) -> bool:
    """Whether proposals are kept there already; `InputError` where anything else is."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        told = read_regular(folder / "README", 1 << 20, "README") if "README" in names else b""
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{display_name(folder)}: cannot be read ({error.strerror or error}); check it") from error
    if names and told != _README:
        raise InputError(f"{display_name(folder)}: holds {shown(names[0])}, no proposals; give a new or empty folder")
    return bool(names)


def digest_of(image: NDArray[np.uint8]) -> str:
    """Return what a picture is called by: the same for the same pixels, whatever its file is called."""
    return hashlib.blake2b(f"{image.shape}".encode() + image.tobytes(), digest_size=16).hexdigest()


def _read(path: Path) -> Found | None:
    """Map a file; None where there is none, or it is damaged, which is then made anew."""
    try:
        size = path.stat().st_size
        if size % _ROW.itemsize:
            return None
        rows = np.memmap(path, "<f8", "r").reshape(-1, 5) if size else np.empty((0, 5))
    except (OSError, ValueError):
        return None
    return Found(rows[:, :4], rows[:, 4]) if np.isfinite(rows).all() else None


def _write(path: Path, found: Found) -> None:
    """Write a file; nobody else writes in its folder meanwhile, so what lies there unfinished was left by a kill."""
    remove_leftovers(path.parent)
    try:
        with atomic_write(path) as file:
            file.write(np.column_stack([found.boxes, found.scores]).astype("<f8").tobytes())
    except InputError as error:
        raise BrokenOff(str(error)) from error
