"""A file of foreign weights: its bytes in place, and where they came from."""

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path

from googlenet.errors import InputError
from googlenet.files import open_regular, sha256

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A regular file and its bytes, mapped and not read."""

    path: Path
    data: memoryview = field(repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Source":
        """Map a file; raises `InputError` where it cannot be read or is empty."""
        path = Path(path)
        try:
            with open_regular(path) as file:
                if not os.fstat(file.fileno()).st_size:
                    raise InputError(f"{path}: empty; fetch the file again")
                return cls(path, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error

    def provenance(self, kind: str) -> dict[str, str | int]:
        """Return what a checkpoint says about its origin: the file's name, hash and size, the format."""
        return {
            "source": self.path.name,
            "sha256": sha256(self.path),
            "bytes": self.path.stat().st_size,
            "format": kind,
        }
