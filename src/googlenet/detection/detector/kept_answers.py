"""What networks said of the boxes of pictures, kept: another choice, refinement or ensemble need not ask them again.

For each network and kind of answer (probabilities, and a description where one is needed) a file for each picture,
with its boxes [N, 4] and a row of values for each. Boxes that come later are added.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.proposals.cache import digest_of
from googlenet.detection.regions.pipeline import Answer, Boxed, Read
from googlenet.errors import BrokenOff, InputError
from googlenet.files import atomic_write
from googlenet.records import encode
from googlenet.weights.checkpoint import Checkpoint

__all__ = ["KeptAnswers", "Known", "key_of"]

KINDS = ("probabilities", "description")
"""Of an answer, array after array."""


class KeptAnswers:
    """A folder of the answers of networks with these `keys`, each so many kinds of `KINDS`: its `counts`."""

    def __init__(self, folder: Path, keys: Sequence[str], counts: Sequence[int]) -> None:
        self._folders = [folder / key / kind for key, count in zip(keys, counts, strict=True) for kind in KINDS[:count]]
        self._counts = tuple(counts)

    def known(self, picture: Boxed) -> "Known":
        """Return what is kept of a picture; what is damaged is not."""
        return Known([_read(self._path(folder, picture)) for folder in self._folders], self._counts)

    def keep(self, picture: Boxed, known: "Known") -> None:
        """Keep what is known of a picture; raises `BrokenOff` where it cannot be written."""
        try:
            for folder, table in zip(self._folders, known.tables, strict=True):
                assert table is not None
                with atomic_write(self._path(folder, picture)) as file:
                    np.savez(file, boxes=table.boxes, values=table.values)
        except InputError as error:
            raise BrokenOff(str(error)) from error

    def _path(self, folder: Path, picture: Boxed) -> Path:
        assert not isinstance(picture.image, InputError)
        name = digest_of(picture.image)
        return folder / name[:2] / f"{name}.npz"


@dataclass(frozen=True)
class _Table:
    boxes: Boxes
    values: NDArray[Any]

    @cached_property
    def places(self) -> dict[tuple[float, ...], int]:
        """The row of each box."""
        return {tuple(box): place for place, box in enumerate(self.boxes.tolist())}


@dataclass(frozen=True)
class Known:
    """What networks said of some boxes of a picture: a table for each kind of each one's answer, None without any."""

    tables: Sequence[_Table | None]
    counts: Sequence[int]

    def lacking(self, boxes: Boxes) -> Boxes:
        """Return those of the boxes [N, 4] of which not all is known."""
        if not all(self.tables):
            return boxes
        places = [table.places for table in self.tables if table]
        return boxes[[any(box not in known for known in places) for box in map(tuple, boxes.tolist())]]

    def joined(self, read: Read) -> "Known":
        """Return what is known with what was read of other boxes."""
        found = (values for answer in read.answers for values in answer)
        return Known([_joined(*pair, read.picture.boxes) for pair in zip(self.tables, found, strict=True)], self.counts)

    def answers(self, boxes: Boxes) -> list[Answer]:
        """Return the answer of each network to the boxes [N, 4], all of which are known."""
        rows = iter([_rows(table, boxes) for table in self.tables])
        return [tuple(next(rows) for _ in range(count)) for count in self.counts]


def key_of(network: Checkpoint, precision: str, context: float) -> str:
    """Return a hash of all that a region classifier's answers depend on beside pixels and boxes."""
    import torch

    digest = hashlib.sha256(json.dumps([encode(network.specification), precision, context]).encode())
    for name, tensor in sorted(network.weights.items()):
        digest.update(f"{name} {tensor.dtype} ".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _joined(known: _Table | None, values: NDArray[Any], boxes: Boxes) -> _Table:
    if known is None or known.values.shape[1] != values.shape[1]:
        return _Table(boxes, values)
    new = [tuple(box) not in known.places for box in boxes.tolist()]
    return _Table(np.concatenate([known.boxes, boxes[new]]), np.concatenate([known.values, values[new]]))


def _rows(table: _Table | None, boxes: Boxes) -> NDArray[Any]:
    assert table is not None
    found: NDArray[Any] = table.values[[table.places[tuple(box)] for box in boxes.tolist()]]
    return found


def _read(path: Path) -> _Table | None:
    try:
        with ZipFile(path) as packed:
            if any(
                one.compress_type != ZIP_STORED for one in packed.infolist()
            ):  # ours are not, and others may be bombs
                return None
        with np.load(path) as file:
            boxes, values = file["boxes"], file["values"]
    except (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, RuntimeError, BadZipFile):
        return None
    is_whole = boxes.ndim == values.ndim == 2 and boxes.shape[1] == 4 and len(boxes) == len(values)
    return _Table(boxes, values) if is_whole else None
