"""Where the bytes of a shard are: in a file here, perhaps a copy, or behind a URL, fetched as far as needed."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from googlenet.data.blocks import Ahead, Blocks
from googlenet.data.remote import drop_older, gives_ranges, is_compressed, is_url, place_of_copy, stamped, unpacked
from googlenet.data.tar import Readable
from googlenet.errors import is_number
from googlenet.files import open_regular

__all__ = ["ShardFile", "shard_file"]


class ShardFile(Protocol):
    """A shard to read from; it can be sent to a process here or on another machine, which has copies of its own."""

    @property
    def place(self) -> str:
        """By which its index is kept."""
        ...

    def stamp(self) -> tuple[int, str]:
        """Return its size now, and what is another with each change; raises `OSError`."""
        ...

    def scanned(self) -> AbstractContextManager[Readable]:
        """Give it opened, to read one place after the other."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes; raises `OSError` or `InputError`."""
        ...


def shard_file(shard: str, *, in_parts: bool = False) -> ShardFile:
    """Return where a shard is read from; a copy that is needed is made first.

    A shard behind a URL is copied as a whole by a machine that works alone. Where several do (as torchrun tells, or
    `in_parts`), what is needed is fetched, unless the shard is compressed or its server gives no parts. Raises
    `InputError` where the shard is not there.
    """
    if is_url(shard) and not is_compressed(shard) and (in_parts or _are_several_machines()):
        stamp, size = stamped(shard)
        if size and not place_of_copy(shard, stamp, ".tar").is_file() and gives_ranges(shard, size):
            drop_older(shard, stamp)
            return Parts(Blocks(shard, stamp, size))
    return Local(shard, unpacked(shard))


class Local:
    """A file of this machine, a shard or the copy of one."""

    def __init__(self, shard: str, path: Path) -> None:
        self._shard, self._path = shard, str(path)

    @property
    def place(self) -> str:
        return os.path.abspath(self._path)  # noqa: PTH100

    def stamp(self) -> tuple[int, str]:
        status = os.stat(self._path)  # noqa: PTH116
        return status.st_size, f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"

    @contextmanager
    def scanned(self) -> Iterator[Readable]:
        with open_regular(self._path) as file:
            yield file

    def read(self, offset: int, length: int) -> bytes:
        with open(self._path, "rb") as file:  # noqa: PTH123  once for each image
            file.seek(offset)
            return file.read(length)

    def __reduce__(self) -> tuple[Any, ...]:
        return _here, (self._shard, self._path)


class Parts:
    """A file behind a URL."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    @property
    def place(self) -> str:
        return self._blocks.url

    def stamp(self) -> tuple[int, str]:
        return self._blocks.size, self._blocks.stamp

    @contextmanager
    def scanned(self) -> Iterator[Readable]:
        yield Ahead(self._blocks)

    def read(self, offset: int, length: int) -> bytes:
        return self._blocks.read(offset, length)


def _here(shard: str, path: str) -> ShardFile:
    """Return what was sent by a process that had the shard at `path`; on another machine its copy may not be there."""
    is_elsewhere = (is_url(shard) or is_compressed(shard)) and not os.path.exists(path)  # noqa: PTH110
    return shard_file(shard, in_parts=True) if is_elsewhere else Local(shard, Path(path))


def _are_several_machines() -> bool:
    """Whether torchrun, or another launcher, has started processes on other machines too."""
    counts = [os.environ.get(name, "1") for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")]
    return all(is_number(count) for count in counts) and int(counts[0]) > int(counts[1])
