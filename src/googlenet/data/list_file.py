"""A list of images in a text file: Caffe's, a path and a label on each line, or a CSV file with a header.

Paths are relative to the list's own folder. A whole number as label is an index into the class list; anything else is a
class's id, or its name where only one class has it.
"""

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import file_size, read_file
from googlenet.data.index import Names
from googlenet.errors import InputError
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class

__all__ = ["ListFile", "labels_of"]

_PATH_COLUMNS = ("path", "file", "filename", "image")
_LABEL_COLUMNS = ("label", "class", "class_id", "class_index", "index", "id")


class ListFile:
    """The images that a list names, in its order; a `Dataset`.

    Without `classes`, whole numbers stand for the classes "0" to the largest number, and other labels for the classes
    of those ids, sorted plainly. A line without a label, an unknown class or a number out of range raise `InputError`
    with the line's number. Whether the images exist is seen when they are read.
    """

    def __init__(self, path: str | os.PathLike[str], classes: tuple[Class, ...] | None = None) -> None:
        shown = display_name(path)
        self.folder = str(Path(path).resolve().parent)
        rows = list(_rows(Path(path), shown))
        if not rows:
            raise InputError(f"{shown}: names no image; give a path and a label on each line")
        labels = [row.label for row in rows]
        self.classes, self.labels = labels_of(labels, lambda index: f"{shown}, line {rows[index].line}", classes)
        self._paths = Names.of(os.fsencode(row.path) for row in rows)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> bytes:
        return read_file(self._file(index))

    def name(self, index: int) -> str:
        return display_name(self._file(index))

    def sizes(self) -> NDArray[np.int64]:
        """Return how many bytes each image's file has now, -1 where there is none: [N]. Asks the disk for each."""
        return np.fromiter((file_size(self._file(index)) for index in range(len(self))), np.int64, len(self))

    def _file(self, index: int) -> str:
        return os.path.join(self.folder, os.fsdecode(self._paths[index]))  # noqa: PTH118


def labels_of(
    labels: Sequence[str], place: Callable[[int], str], classes: tuple[Class, ...] | None
) -> tuple[tuple[Class, ...], NDArray[np.int32]]:
    """Return the classes that written labels stand for, and the labels as indices into them.

    `place` gives what an error calls the row of a label.
    """
    if all(_WHOLE_NUMBER.fullmatch(label) for label in labels):
        numbers = [int(label) for label in labels]
        classes = classes or _numbered_classes(numbers, place)
        last = len(classes) - 1
        for index, number in enumerate(numbers):
            if not 0 <= number <= last:
                raise InputError(
                    f"{place(index)}: label {number} is out of range: of {last + 1} classes, labels are 0 to {last}"
                )
        return classes, np.array(numbers, np.int32)
    classes = classes or tuple(Class(name, name) for name in sorted(set(labels)))
    names = Counter(c.name for c in classes)
    position = {c.name: index for index, c in enumerate(classes) if names[c.name] == 1}
    position |= {c.id: index for index, c in enumerate(classes)}
    for index, label in enumerate(labels):
        if label not in position:
            several = f"; {names[label]} classes have that name, give the id" if names[label] else ""
            raise InputError(
                f"{place(index)}: class {display_name(label)} is not among the {len(classes)} classes{several}"
            )
    return classes, np.array([position[label] for label in labels], np.int32)


_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


class _Row(NamedTuple):
    path: str
    label: str
    line: int


def _rows(path: Path, shown: str) -> Iterator[_Row]:
    try:
        text = os.fsdecode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise InputError(f"{shown}: cannot be read ({error.strerror or error}); check the path") from error
    if "\0" in text:
        raise InputError(f"{shown}: not a list of images but a binary file; give a text file")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    rows = _csv_rows(lines, shown) if path.suffix.lower() == ".csv" else _plain_rows(lines, shown)
    for row in rows:
        if not row.path or not row.label:
            found = repr(row.path or row.label) if row.path or row.label else "neither"
            raise InputError(f"{shown}, line {row.line}: expected a path and a label, found {found}")
        yield row


def _plain_rows(lines: list[str], shown: str) -> Iterator[_Row]:
    """Split at the last space, so that names may hold spaces."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            path, _, label = line.strip().replace("\t", " ").rpartition(" ")
            yield _Row(path.strip(), label, number)


def _csv_rows(lines: list[str], shown: str) -> Iterator[_Row]:
    reader: Any = csv.reader(lines)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        path_column, label_column = _column(header, _PATH_COLUMNS, shown), _column(header, _LABEL_COLUMNS, shown)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{shown}, line {reader.line_num}: {len(row)} columns, where the header has {len(header)}"
                )
            yield _Row(row[path_column].strip(), row[label_column].strip(), reader.line_num)
    except csv.Error as error:
        raise InputError(f"{shown}, line {reader.line_num}: not CSV ({error})") from error


def _column(header: list[str], names: Sequence[str], shown: str) -> int:
    found = [name for name in names if name in header]
    if not found:
        raise InputError(f"{shown}, line 1: no column is called {', '.join(names[:-1])} or {names[-1]}")
    return header.index(found[0])


def _numbered_classes(numbers: list[int], place: Callable[[int], str]) -> tuple[Class, ...]:
    """The classes that numbers imply. A stray huge number must not imply millions."""
    largest = max(numbers)
    if largest >= max(10_000, 2 * len(numbers)):
        where = place(numbers.index(largest))
        raise InputError(f"{where}: label {largest} implies more classes than there are images; give the class list")
    return tuple(Class(str(number), str(number)) for number in range(max(largest, 0) + 1))
