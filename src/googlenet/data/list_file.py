"""A list of images in a text file: Caffe's, a path and a label on each line, or a CSV file with a header.

Paths are relative to the list's own folder. What the labels mean stands in `labels`.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import file_size, read_file
from googlenet.data.index import Names
from googlenet.data.labels import labels_of
from googlenet.errors import InputError
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class

__all__ = ["ListFile"]

_PATH_COLUMNS = ("path", "file", "filename", "image")
_LABEL_COLUMNS = ("label", "class", "class_id", "class_index")
"""Not "id" or "index", which number the rows of many tables."""


class ListFile:
    """The images that a list names, in its order; a `Dataset`.

    With `several_truths` a label may be `a|b`, which is right where either is answered: then `truths` has both and
    `labels` the first. `bare_numbers`: whether the labels are numbers that no class list explains. A line without a
    label, an unknown class or a number out of range raise `InputError` with the line's number. Whether the images exist
    is seen when they are read.
    """

    def __init__(
        self, path: str | os.PathLike[str], classes: tuple[Class, ...] | None = None, several_truths: bool = False
    ) -> None:
        shown = display_name(path)
        self.folder = str(Path(path).resolve().parent)
        rows = list(_rows(Path(path), shown))
        if not rows:
            raise InputError(f"{shown}: names no image; give a path and a label on each line")
        self.classes, self.truths, self.bare_numbers = labels_of(
            [row.label for row in rows],
            lambda index: f"{shown}, line {rows[index].line}",
            classes,
            shown,
            several_truths,
        )
        self.labels = self.truths.first
        self._paths = Names.of(os.fsencode(row.path) for row in rows)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> bytes:
        return read_file(self._file(index))

    def name(self, index: int) -> str:
        return self._file(index)

    def keys(self) -> Iterator[str]:
        """Yield the path of each image from the list's folder, where it lies below it."""
        beginning = os.path.join(os.path.abspath(self.folder), "")  # noqa: PTH100, PTH118
        for path in self._paths:
            yield os.path.normpath(os.fsdecode(path)).removeprefix(beginning)

    def sizes(self) -> NDArray[np.int64]:
        """Return how many bytes each image's file has now, -1 where there is none: [N]. Asks the disk for each."""
        return np.fromiter((file_size(self._file(index)) for index in range(len(self))), np.int64, len(self))

    def _file(self, index: int) -> str:
        return os.path.join(self.folder, os.fsdecode(self._paths[index]))  # noqa: PTH118


_SPACE = " \t\r"  # what may stand around a path or a label; other kinds of space belong to the names


class _Row(NamedTuple):
    path: str
    label: str
    line: int


def _rows(path: Path, shown: str) -> Iterator[_Row]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: cannot be read ({error.strerror or error}); check the path") from error
    if b"\0" in content:
        raise InputError(f"{shown}: {_binary(content)}")
    text = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))
    rows = _csv_rows(text, shown) if path.suffix.lower() == ".csv" else _plain_rows(text, shown)
    for row in rows:
        if not row.path or not row.label:
            found = repr(row.path or row.label) if row.path or row.label else "neither"
            raise InputError(f"{shown}, line {row.line}: expected a path and a label, found {found}")
        yield row


def _binary(content: bytes) -> str:
    """Say what a file with zero bytes is instead of a list, and the mend."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "a list in UTF-16; save it as UTF-8 text"
    if content.startswith(b"PK"):
        return "a ZIP archive; unpack it and give the folder, or pack the images into tar shards"
    if content.startswith(b"\x1f\x8b") or content[257:262] == b"ustar":
        return "a tar or gzip file under another name; let it end in .tar or .tar.gz"
    return "not a list of images but a binary file; give a text file"


def _plain_rows(text: str, shown: str) -> Iterator[_Row]:
    """Split at the last space or tab, so that names may hold some."""
    for number, line in enumerate(text.split("\n"), start=1):
        whole = line.strip(_SPACE)
        if whole:
            path, label = re.fullmatch(r"(.*?)[ \t]*([^ \t]+)", whole, re.DOTALL).groups()  # type: ignore[union-attr]
            yield _Row(path, label, number)


def _csv_rows(text: str, shown: str) -> Iterator[_Row]:
    reader: Any = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        path_column = _column(header, _PATH_COLUMNS, "path, file, filename or image", shown)
        label_column = _column(header, _LABEL_COLUMNS, "label or class", shown)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{shown}, line {reader.line_num}: {len(row)} columns, where the header has {len(header)}"
                )
            yield _Row(row[path_column].strip(_SPACE), row[label_column].strip(_SPACE), reader.line_num)
    except csv.Error as error:
        raise InputError(f"{shown}, line {reader.line_num}: not CSV ({error})") from error


def _column(header: list[str], names: Sequence[str], told: str, shown: str) -> int:
    found = [name for name in names if name in header]
    if not found:
        there = ", ".join(filter(None, header)) or "none"
        raise InputError(f"{shown}, line 1: no column is called {told}; there are {there}")
    if header.count(found[0]) > 1:
        raise InputError(f"{shown}, line 1: {header.count(found[0])} columns are called {found[0]}; keep or name one")
    return header.index(found[0])
