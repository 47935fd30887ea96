"""ZIP archives from strangers (`.npz`, `.pth`): what they declare is checked against the file before it is believed."""

import struct
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from re import finditer

from googlenet.errors import InputError, shown
from googlenet.weights.importers.source import Source

__all__ = ["Archive"]

DIRECTORY_ENTRY = b"PK\x01\x02"

MOST_MEMBERS = 10_000
"""Files in an archive; published weights have under 400."""


@dataclass(frozen=True)
class Archive:
    """A ZIP archive whose directory fits its file: few members, no name twice, no byte that belongs to two."""

    path: Path
    members: dict[str, zipfile.ZipInfo]
    _zip: zipfile.ZipFile = field(repr=False)

    @classmethod
    def open(cls, source: Source) -> "Archive":
        """Read and check the directory; raises `InputError` where it cannot be what it claims."""
        entries = sum(1 for _ in islice(finditer(DIRECTORY_ENTRY, source.data), MOST_MEMBERS + 1))
        if entries > MOST_MEMBERS:  # before zipfile makes an object of each
            raise InputError(f"{source.path}: over {MOST_MEMBERS:,} files in the archive, which no weights have")
        with _damage_named(source.path):
            opened = zipfile.ZipFile(source.path)
        members: dict[str, zipfile.ZipInfo] = {}
        archive = cls(source.path, members, opened)
        weakref.finalize(archive, opened.close)  # left to the collector, the file may go first, with a warning
        for info in opened.infolist():
            if info.filename in members:
                raise InputError(f"{source.path}: {shown(info.filename)} is there twice in the archive")
            members[info.filename] = info
        if sum(info.compress_size for info in members.values()) > len(source.data):
            raise InputError(f"{source.path}: damaged: the archive declares more bytes than the file has")
        return archive

    def size(self, name: str) -> int:
        """Return the declared size of a member, unpacked; a compressed one may declare anything."""
        return self.members[name].file_size

    def is_stored(self, name: str) -> bool:
        """Tell whether a member is not compressed, so that its size is bounded by the file's."""
        info = self.members[name]
        return info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size

    def begin(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of a member, or fewer where it is shorter."""
        with _damage_named(self.path, name), self._zip.open(self.members[name]) as member:
            return member.read(size)

    def read(self, name: str, size: int) -> bytes:
        """Return a member that must have exactly `size` bytes and the checksum that the archive gives."""
        with _damage_named(self.path, name), self._zip.open(self.members[name]) as member:
            content = member.read(size)
            rest = member.read(1)  # at the end, zipfile compares the checksum
        if len(content) != size or rest:
            raise InputError(f"{self.path}: damaged: {shown(name)} is not {size:,} bytes long")
        return content


@contextmanager
def _damage_named(path: Path, member: str = "") -> Iterator[None]:
    place = f"{shown(member)} in the archive" if member else "the archive"
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OSError) as error:
        raise InputError(f"{path}: damaged: {place} cannot be read ({shown(str(error))})") from error
