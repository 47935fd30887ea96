"""YOLO: a description in YAML, pictures below `images`, and for each a text file at the same place below `labels`."""

import os
from collections.abc import Iterator
from pathlib import Path

from googlenet.detection.boxes import from_shares
from googlenet.detection.datasets.files import (
    AnnotatedFiles,
    Annotation,
    Row,
    Strays,
    annotation_of,
    number,
    places,
    refuse_many,
)
from googlenet.detection.datasets.yolo_yaml import Value, read_yolo_yaml
from googlenet.errors import InputError, is_number, shown
from googlenet.files import read_regular
from googlenet.images.decoding import open_picture
from googlenet.images.finding import display_name, find_images
from googlenet.weights.classes import Class

__all__ = ["SPLITS", "Yolo"]

SPLITS = ("train", "val", "test")


class Yolo(AnnotatedFiles):
    """The pictures of one split of a description, or without `split` of all that it names.

    A split is a folder, a text file with a path a line, or several of these. Labels are looked for where `labels` takes
    the place of the last `images` in the picture's path; a picture without such a file has no objects. A line is the
    class's number, and centre and size of a box as shares of the picture, which is why the head of a picture is read
    for its size. The names of the classes are their ids.
    """

    def __init__(self, path: Path, split: str | None = None, classes: tuple[Class, ...] | None = None) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100
        where = display_name(path)
        description = read_yolo_yaml(Path(path), ("path", "nc", "names", *SPLITS))
        there = [name for name in SPLITS if description.get(name)]
        if not there or (split is not None and split not in there):
            raise InputError(f"{where}: no split {split or ', '.join(SPLITS)}; there are {', '.join(there) or 'none'}")
        self._ids = _class_names(description, where)
        self.classes = classes or tuple(Class(name, name) for name in self._ids)
        self._place_of = places(self.classes)
        root = _root(Path(self.path).parent, description)
        pictures = (one for name in ([split] if split else there) for one in _pictures(root, description[name], where))
        self._pictures = list(dict.fromkeys(pictures))
        if not self._pictures:
            raise InputError(f"{where}: no picture in {split or ', '.join(there)}; check the paths")

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, index: int) -> str:
        return self._pictures[index]

    def annotation(self, index: int) -> Annotation:
        path = _labels_of(self._pictures[index])
        lines = _label_lines(path)
        refuse_many(len(lines), display_name(path))
        if not lines:
            return annotation_of([], self._place_of, self.classes, display_name(path))
        name = self._pictures[index]
        size = open_picture(self.read(index), display_name(name)).upright_size
        rows = [self._row(line, f"{display_name(path)}, line {place}", size) for place, line in lines]
        return annotation_of(rows, self._place_of, self.classes, display_name(path))

    def strays(self) -> Strays:
        labels = [_labels_of(picture) for picture in self._pictures]
        pictures = [one for one, path in zip(self._pictures, labels, strict=True) if not os.path.lexists(path)]
        known = set(labels)
        folders = sorted({os.path.dirname(path) for path in labels})  # noqa: PTH120
        there = (os.path.join(folder, name) for folder in folders for name in _text_files(folder))  # noqa: PTH118
        return Strays(tuple(pictures), tuple(path for path in there if path not in known))

    def _row(self, line: str, where: str, size: tuple[int, int]) -> Row:
        words = line.split()
        if len(words) != 5 or not is_number(words[0]):
            told = f"expected a class and four numbers, found '{shown(line)}'"
            raise InputError(f"{where}: {told}; give class, centre x, centre y, width, height")
        shares = [number(word, where) for word in words[1:]]
        if max(map(abs, shares)) > _LARGEST_SHARE:
            raise InputError(f"{where}: {max(shares, key=abs):g} is no share of a picture; give numbers from 0 to 1")
        place = int(words[0][:9])
        label = self._ids[place] if place < len(self._ids) else words[0]
        x0, y0, x1, y1 = from_shares(shares, *size)[0].tolist()
        return Row(label, (x0, y0, x1, y1), f"[{', '.join(words[1:])}]", not min(shares[2:]) > 0)


_LARGEST_SHARE = 2
_LARGEST_LABELS = 1 << 24
_LARGEST_LIST = 1 << 28


def _class_names(description: dict[str, Value], where: str) -> list[str]:
    """The names of the classes by their numbers; `InputError` where one is missing or there twice."""
    names = description.get("names")
    if isinstance(names, dict):
        numbers = [str(place) for place in range(len(names))]
        if set(names) != set(numbers):
            raise InputError(f"{where}: names are not numbered from 0 without a gap; number them so")
        names = [names[place] for place in numbers]
    if not isinstance(names, list) or not all(names):
        raise InputError(f"{where}: no names of classes; give 'names: [a, b]'")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"{where}: the name {shown(twice)} stands for several classes; keep one of them")
    count = description.get("nc", str(len(names)))
    if count != str(len(names)):
        raise InputError(f"{where}: nc is {shown(str(count))}, where {len(names)} names are given; mend one of them")
    return names


def _root(folder: Path, description: dict[str, Value]) -> Path:
    """Where the paths of the splits begin: at `path`, which is relative to the description, or beside it."""
    given = description.get("path", "")
    root = folder / given if isinstance(given, str) else folder
    return root if root.is_dir() else folder


def _pictures(root: Path, given: Value, where: str) -> Iterator[str]:
    """The pictures of a split, those of a folder sorted."""
    if isinstance(given, dict):
        raise InputError(f"{where}: a split is a path or a list of them, not a table; mend it")
    for name in [given] if isinstance(given, str) else given:
        path = _existing(root, name, where)
        if path.is_dir():
            yield from map(str, find_images([path]).paths)
        else:
            yield from _listed(path)


def _existing(root: Path, name: str, where: str) -> Path:
    """The path that is there. Exports write ../train for what lies beside the description."""
    if "\0" in name:
        raise InputError(f"{where}: {shown(name)} is no path; mend it")
    path = root / name
    if not os.path.lexists(path) and name.startswith("../"):
        path = root / name.removeprefix("../")
    if not os.path.lexists(path):
        raise InputError(f"{where}: {display_name(path)} is not there; check the path")
    return path


def _listed(path: Path) -> Iterator[str]:
    """The paths of a list, which begin at its folder where they begin with a point."""
    content = read_regular(path, _LARGEST_LIST, "list of pictures")
    for line in os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).splitlines():
        if name := line.strip():
            yield os.path.normpath(path.parent / name)


def _labels_of(picture: str) -> str:
    folder, slash, name = picture.rpartition(f"{os.sep}images{os.sep}")
    there = os.path.join(folder, "labels", name) if slash else picture  # noqa: PTH118
    return os.path.splitext(there)[0] + ".txt"  # noqa: PTH122


def _label_lines(path: str) -> list[tuple[int, str]]:
    """Number and text of each line that says something; none where there is no file."""
    if not os.path.lexists(path):
        return []
    try:
        text = read_regular(path, _LARGEST_LABELS, "file of labels").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{display_name(path)}: not UTF-8; save it as UTF-8 text") from error
    return [(place, line) for place, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _text_files(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".txt") and name != "classes.txt")  # noqa: PTH208
    except OSError:
        return []
