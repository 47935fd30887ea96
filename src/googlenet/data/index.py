"""A table of many names in a file that processes share: written once, mapped into memory, never copied.

Scanning a folder of a million files or the headers of many tar shards takes a while, and their names as Python strings
take a gigabyte in each worker process. Here all names are one run of bytes with offsets, in a file of the user's cache
folder whose pages all processes share.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.machine import cache_folder

__all__ = ["Index", "Names", "content_of", "index_file"]

_MAGIC = b"googlenet index 4\n"  # counts up with every change of what an index holds or leaves out
_ALIGNMENT = 64
_TYPES = {"uint8": np.uint8, "int32": np.int32, "int64": np.int64}


@dataclass(frozen=True)
class Names:
    """Many byte strings: `blob` is their bytes one after the other, `offsets` [N + 1] where each begins."""

    blob: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, names: Iterable[bytes]) -> "Names":
        listed = list(names)
        offsets = np.zeros(len(listed) + 1, np.int64)
        np.cumsum([len(name) for name in listed], out=offsets[1:])
        return cls(np.frombuffer(b"".join(listed), np.uint8), offsets)

    @classmethod
    def joined(cls, parts: "Sequence[Names]") -> "Names":
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(np.concatenate([part.blob for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[bytes]:
        blob = self.blob.tobytes()
        ends = self.offsets.tolist()
        return (blob[start:stop] for start, stop in itertools.pairwise(ends))

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> "Names": ...

    def __getitem__(self, index: int | slice) -> "bytes | Names":
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            offsets = self.offsets[start : stop + 1]
            return Names(self.blob[offsets[0] : offsets[-1]], offsets - offsets[0])
        return self.blob[self.offsets[index] : self.offsets[index + 1]].tobytes()


@dataclass(frozen=True)
class Index:
    """Arrays and a small header, in memory or in a file; a file is opened anew by each process that is sent one.

    `identity` says what the content is, so that another process can tell whether the file is still the same. `again`
    makes the index where it is sent to a machine that does not have the file.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    path: Path | None = None
    again: "Callable[[], Index] | None" = None

    @property
    def identity(self) -> str:
        return str(self.header.get("identity", ""))

    def save(self, path: Path) -> "Index":
        """Write to `path` and return the index as mapped from there; where nothing can be written, `self`."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        layout = [[name, array.dtype.name, len(array)] for name, array in arrays.items()]
        head = json.dumps({"header": dict(self.header), "arrays": layout}).encode()
        head = _MAGIC + len(head).to_bytes(8, "little") + head
        try:
            with atomic_write(path) as file:
                file.write(head)
                position = len(head)
                for array in arrays.values():
                    file.write(bytes(-position % _ALIGNMENT))
                    file.write(array.data)
                    position += -position % _ALIGNMENT + array.nbytes
        except InputError:
            return self
        return Index.load(path) or self

    @classmethod
    def load(cls, path: Path) -> "Index | None":
        """Map an index that `save` wrote; None where there is none, or the file is damaged in any way."""
        try:
            mapped = np.memmap(path, np.uint8, "r")
            if mapped[: len(_MAGIC)].tobytes() != _MAGIC:
                return None
            start = len(_MAGIC) + 8
            length = int.from_bytes(mapped[len(_MAGIC) : start].tobytes(), "little")
            if length > len(mapped) - start:
                return None
            content = json.loads(mapped[start : start + length].tobytes())
            arrays, position = {}, start + length
            for name, type_, count in content["arrays"]:
                position += -position % _ALIGNMENT
                size = count * np.dtype(_TYPES[type_]).itemsize
                if count < 0 or size > len(mapped) - position:
                    return None
                # a plain array over the mapped pages: numpy's own memmap class costs on each access
                arrays[name] = np.frombuffer(mapped.data, _TYPES[type_], count, position)
                position += size
            return cls(content["header"], arrays, path) if position == len(mapped) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is None:
            return Index, (dict(self.header), dict(self.arrays))
        return _reopen, (self.path, self.identity, self.again)


def index_file(kind: str, source: str) -> Path:
    """Return where the index of a source (a folder's or shard's absolute path) is kept."""
    digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "indexes" / f"{kind}-{digest}"


def content_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what is the same of the same arrays, as an identity."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _reopen(path: Path, identity: str, again: Callable[[], Index] | None) -> Index:
    index = Index.load(path)
    if (index is None or index.identity != identity) and again is not None:
        index = again()
    if index is None or index.identity != identity:
        raise InputError(f"{path}: the data changed while processes were started, or are others there; start again")
    return index
