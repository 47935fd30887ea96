"""Small data sets on the disk, and a cache folder that belongs to the test."""

import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.randomness import generator

sys.path.append(str(Path(__file__).parent))  # for `object_store`


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))


def _picture(number: int, width: int = 12, height: int = 9) -> bytes:
    """A PNG file unlike those of other numbers."""
    file = io.BytesIO()
    pixels = generator(number, "picture").integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Three classes with 3, 2 and 4 images."""
    top = tmp_path / "photos"
    number = 0
    for name, count in (("cat", 3), ("Dog", 2), ("10", 4)):
        for i in range(count):
            file = top / name / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_picture(number))
            number += 1
    return top


@pytest.fixture
def write_shard() -> Callable[..., Path]:
    """Write members (name, content) to a tar file by Python's own module."""

    def write(path: Path, members: list[tuple[str, bytes]], format: int = tarfile.USTAR_FORMAT) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "w:gz" if path.suffix == ".gz" else "w"
        with tarfile.open(path, mode, format=format) as archive:
            for name, content in members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return write
