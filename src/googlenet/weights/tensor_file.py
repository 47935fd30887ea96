"""Safetensors files from strangers: the header is looked at before the library makes an object of everything in it.

Names, shapes and metadata are read without torch, which takes seconds to load: a file that is refused, is refused soon.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from googlenet.errors import InputError, shown
from googlenet.files import open_regular
from googlenet.records import without_repetition

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LARGEST_HEADER", "TensorFile", "open_tensors", "write_tensors"]

LARGEST_HEADER = 4 * 2**20
"""Bytes; the header of a network with 20,000 named classes takes under 2 MB."""

MOST_TENSORS = 10_000
"""Tensors in a file; a GoogLeNet has under 400."""


class TensorFile:
    """An open safetensors file: `metadata`, and the `shapes` of its tensors by name."""

    def __init__(self, path: Path, until: ExitStack) -> None:
        self._path, self._until = path, until
        header = until.enter_context(safe_open(str(path), framework="numpy"))
        self.metadata: dict[str, str] = header.metadata() or {}
        names = header.keys()
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(header.get_slice(name).get_shape()) for name in names}

    @cached_property
    def _content(self) -> Any:
        return self._until.enter_context(safe_open(str(self._path), framework="pt"))

    def read(self, name: str) -> "Tensor":
        """Return a tensor's numbers."""
        return self._content.get_tensor(name)


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """Open a safetensors file.

    Raises `InputError` that names the file where it is missing, not whole, holds a tensor twice or too many of them.
    """
    path = Path(path)
    try:
        _check_header(path)
        with ExitStack() as until:
            yield TensorFile(path, until)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({shown(str(error), 120)})") from None


def write_tensors(file: IO[bytes], tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]) -> None:
    """Write a safetensors file: the same bytes for the same content (the library shuffles the metadata each time)."""
    from safetensors.torch import save

    content = memoryview(save(dict(tensors), dict(metadata)))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8 : 8 + length]))
    header["__metadata__"] = dict(metadata)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8, as the library has it
    file.write(len(text).to_bytes(8, "little") + text)
    file.write(content[8 + length :])


def _check_header(path: Path) -> None:
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise InputError(f"{path}: not a safetensors file of weights (a header of {length:,} bytes)")
        header = file.read(length)
    try:
        tensors = json.loads(header, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a whole safetensors file (its header: {error})") from None
    if not isinstance(tensors, dict) or len(tensors) > MOST_TENSORS:
        raise InputError(f"{path}: not a safetensors file of weights (over {MOST_TENSORS:,} tensors, or no names)")
