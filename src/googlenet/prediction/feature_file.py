"""Features of any number of images in one .npz file, in memory for a batch of them."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["FeatureFile"]


class FeatureFile(AbstractContextManager["FeatureFile"]):
    """Rows for the arrays `files` and `features` of a .npz file, which `save` writes at once.

    How many rows there are is known in the end alone, and the array's header comes first: until then they lie in a file
    without a name in the same folder, so that the disk needs room for them twice. Raises `InputError` where the folder
    cannot be written or the disk is full; what was there before stays then.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.files, self.row_shape = Path(path), list[str](), tuple[int, ...]()
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        with _writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._rows = self._resources.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of `features` as far as they are there."""
        return len(self.files), *self.row_shape

    def add(self, file: str, features: np.ndarray) -> None:
        """Add an image: its name and float32 [channels, height, width], the same for all."""
        self.files.append(file)
        self.row_shape = features.shape
        with _writing(self.path):
            self._rows.write(np.ascontiguousarray(features, np.float32).data)

    def save(self) -> None:
        """Write what was added, atomically."""
        with atomic_write(self.path) as file, zipfile.ZipFile(file, "w") as archive:
            with archive.open("files.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.array(self.files, dtype=np.str_), allow_pickle=False)
            with archive.open("features.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": self.shape}
                np.lib.format.write_array_header_1_0(member, header)
                self._rows.seek(0)
                shutil.copyfileobj(self._rows, member, 1 << 20)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into the one line that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
