"""A file behind a URL, of which a machine fetches the blocks that it needs, each once, and keeps them.

For shards that several machines share: each needs its share of the images of each batch, and so, in time, of every
shard. What is kept is a file with holes and a checksum for each block, 0 for none; processes of one machine share it.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from googlenet.data.remote import fetch_range, place_of_copy, source_name
from googlenet.errors import InputError

__all__ = ["BLOCK", "Ahead", "Blocks"]

BLOCK = 512
"""Bytes, as in tar files, where each image begins with a block."""

HEADERS = 4 * BLOCK
"""Bytes that are fetched for a header: a label's with the label, and the next image's behind it."""

NEAR = 8 << 10
"""Bytes that are sooner fetched than asked for in another request."""

AHEAD = 64 << 10
"""Bytes that are fetched at once where one place after the other is near."""


class Blocks:
    """`size` bytes behind `url`, as long as they have this `stamp`; on another machine it begins with nothing."""

    def __init__(self, url: str, stamp: str, size: int) -> None:
        self.url, self.stamp, self.size = url, stamp, size

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes, as many as there are up to the file's end.

        Raises `InputError` where they cannot be fetched or kept.
        """
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        first, last = offset // BLOCK, -(-end // BLOCK)
        copy, sums = (place_of_copy(self.url, self.stamp, ending) for ending in (".part", ".sums"))
        try:
            content = self._filled(copy, sums, first, last)
        except OSError as error:
            why = error.strerror or error
            where = f"{source_name(self.url)}: cannot be kept in {copy.parent}"
            raise InputError(f"{where} ({why}); free some room, or set GOOGLENET_CACHE") from error
        return content[offset - first * BLOCK : end - first * BLOCK]

    def _filled(self, copy: Path, sums: Path, first: int, last: int) -> bytes:
        """Return whole blocks, of which those are fetched that are not there or are not what was written."""
        begin, end = first * BLOCK, min(last * BLOCK, self.size)
        with _opened(copy) as file, _opened(sums) as table:
            content = bytearray(_read(file, begin, end - begin))
            known = np.frombuffer(_read(table, 4 * first, 4 * (last - first)), np.uint32)
            missing = np.flatnonzero(known != _sums(content))
            if not len(missing):
                return bytes(content)
            start, stop = int(missing[0]) * BLOCK, min((int(missing[-1]) + 1) * BLOCK, end - begin)
            fetched = fetch_range(self.url, begin + start, begin + stop)
            content[start:stop] = fetched
            _write(file, begin + start, fetched)
            _write(table, 4 * (first + int(missing[0])), _sums(fetched).tobytes())
        return bytes(content)


class Ahead:
    """Reads a file of blocks from one place to the next; where the next is near, what lies between is fetched, too."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks, self._position = blocks, 0
        self._begin, self._content = 0, b""

    def seek(self, position: int, /) -> int:
        self._position = position
        return position

    def read(self, count: int, /) -> bytes:
        begin, end = self._position, self._position + count
        kept = self._begin + len(self._content)
        if not self._begin <= begin <= end <= kept:
            is_near = self._content and -count <= begin - kept < NEAR
            ahead = AHEAD if is_near else HEADERS
            self._begin, self._content = begin, self._blocks.read(begin, max(count, ahead))
        return self._content[begin - self._begin : end - self._begin]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        file = path.open("r+b", buffering=0)
    with file:
        yield file


def _read(file: IO[bytes], begin: int, count: int) -> bytes:
    file.seek(begin)
    return file.read(count).ljust(count, b"\0")


def _write(file: IO[bytes], begin: int, content: bytes) -> None:
    file.seek(begin)
    file.write(content)


def _sums(content: bytes | bytearray) -> NDArray[np.uint32]:
    """The checksum of each block, never 0."""
    view = memoryview(content)
    return np.array([zlib.crc32(view[at : at + BLOCK]) or 1 for at in range(0, len(view), BLOCK)], np.uint32)
