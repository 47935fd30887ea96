"""ILSVRC's detection data: `Annotations/DET`, `Data/DET`, lists of `ImageSets/DET`, blacklist, `val1` and `val2`."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from googlenet.detection.datasets.files import AnnotatedFiles, Annotation, annotation_of, places
from googlenet.detection.datasets.halves import balanced_halves
from googlenet.detection.datasets.image_list import Entry, find_list, read_image_list
from googlenet.detection.datasets.voc import class_ids
from googlenet.detection.datasets.voc_xml import read_voc_xml, rows_of
from googlenet.errors import InputError, is_number, shown
from googlenet.files import read_regular
from googlenet.images.finding import display_name
from googlenet.weights.classes import Class, ilsvrc

__all__ = ["Ilsvrc"]

FIRST_PIXEL = 1

HALVES = ("val1", "val2")

PLACES_OF_TABLES = (".", "devkit/data", "data")
"""Where the development kit's tables lie, from the folder of the data."""


class Ilsvrc(AnnotatedFiles):
    """The pictures of one list of `ImageSets/DET`: `val`, `train_1`, or what else there is.

    Where there are no lists `val1` and `val2` they are made, as R-CNN made theirs, of the list `val` without the
    pictures of the blacklist: halves in which each class has about as many objects (`halves`). Classes are WordNet ids,
    those of the development kit's `map_det.txt` or else those that occur in the list's pictures. The blacklist
    (`*_det_validation_blacklist.txt`) says which classes do not count in which pictures of `val`.
    """

    def __init__(self, folder: Path, split: str | None, classes: tuple[Class, ...] | None = None) -> None:
        self.folder = os.path.abspath(folder)  # noqa: PTH100  a link stays the name that the user gave
        lists = Path(folder) / "ImageSets" / "DET"
        if split is None:
            there = ", ".join(sorted({*HALVES, *(one.stem for one in lists.glob("*.txt"))})[:20])
            raise InputError(f"{display_name(folder)}: ILSVRC's data are several lists; name one of {there}")
        made = split in HALVES and not (lists / f"{split}.txt").is_file()
        self.part = "test" if split == "test" else "val" if split.startswith("val") else "train"
        entries = read_image_list(find_list(lists, "val" if made else split))
        blacklist = _read_blacklist(Path(folder)) if self.part == "val" else {}
        if made:
            entries = [one for one in entries if one.number not in blacklist]
        self._names: Sequence[str] = [one.name for one in entries]
        self.classes = classes or _classes_of_kit(Path(folder)) or _classes_in(map(self._xml, range(len(entries))))
        if not self.classes:
            raise InputError(f"{display_name(folder)}: no picture of {split} has an object; give another list")
        self._place_of = places(self.classes)
        self._excluded: dict[str, frozenset[int]] = {}
        if made:
            half = balanced_halves(self._counts())[HALVES.index(split)]
            entries = [entries[index] for index in half]
            self._names = [one.name for one in entries]
        self._excluded = _excluded(entries, blacklist, self._place_of)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return os.path.join(self.folder, "Data", "DET", self.part, f"{self._names[index]}.JPEG")  # noqa: PTH118

    def annotation(self, index: int) -> Annotation:
        path = self._xml(index)
        found = read_voc_xml(path)
        rows = rows_of(found, FIRST_PIXEL, least=1)
        excluded = self._excluded.get(self._names[index], frozenset())
        return annotation_of(rows, self._place_of, self.classes, display_name(path), found.size, excluded)

    def _xml(self, index: int) -> str:
        return os.path.join(self.folder, "Annotations", "DET", self.part, f"{self._names[index]}.xml")  # noqa: PTH118

    def _counts(self) -> np.ndarray:
        """Objects of each class in each picture: [pictures, classes]."""
        counts = np.zeros((len(self), len(self.classes)), np.int64)
        for index in range(len(self)):
            np.add.at(counts[index], self.objects(index).labels, 1)
        return counts


_LARGEST_TABLE = 1 << 24


def _classes_of_kit(folder: Path) -> tuple[Class, ...]:
    """The classes of `map_det.txt`, lines of WordNet id, number and name, in its order; none where it is not there."""
    path = _find_table(folder, "map_det.txt")
    if path is None:
        return ()
    found: dict[str, Class] = {}
    for number, line in _lines(path):
        words = line.split(maxsplit=2)
        if len(words) != 3 or words[0] in found:
            raise InputError(f"{display_name(path)}, line {number}: expected id, number and name of a class; mend it")
        found[words[0]] = Class(words[0], words[2])
    return tuple(found.values())


def _classes_in(paths: Iterable[str]) -> tuple[Class, ...]:
    known = {one.id: one for one in ilsvrc()}
    return tuple(known.get(name, Class(name, name)) for name in class_ids(paths))


def _read_blacklist(folder: Path) -> dict[str, list[str]]:
    """The classes that do not count, by the number that a picture has in the list `val`."""
    path = _find_table(folder, "*_det_validation_blacklist.txt")
    found: dict[str, list[str]] = {}
    for number, line in _lines(path) if path else ():
        words = line.split()
        if len(words) != 2 or not is_number(words[0]):
            told = f"expected a picture's number and a class, found '{shown(line)}'"
            raise InputError(f"{display_name(path or folder)}, line {number}: {told}; mend it")
        found.setdefault(words[0], []).append(words[1])
    return found


def _excluded(
    entries: list[Entry], blacklist: dict[str, list[str]], place_of: dict[str, int]
) -> dict[str, frozenset[int]]:
    """The places of the classes that do not count, by the picture's name. Classes not asked for do not matter."""
    return {
        one.name: frozenset(place_of[name] for name in blacklist[one.number] if name in place_of)
        for one in entries
        if one.number in blacklist
    }


def _find_table(folder: Path, pattern: str) -> Path | None:
    found = (path for place in PLACES_OF_TABLES for path in sorted((folder / place).glob(pattern)))
    return next(found, None)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of each line that is not empty."""
    try:
        text = read_regular(path, _LARGEST_TABLE, "table of the development kit").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{display_name(path)}: not UTF-8; save it as UTF-8 text") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
