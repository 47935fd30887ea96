"""What a network's outputs stand for: each class is an id and a name, in the order of the outputs.

ImageNet's id is the WordNet id, since two of its classes are both called "crane"; classes are matched by id, never by
position. ILSVRC's 1000 classes (section 7 of the paper) come in two public orders: Caffe's and torchvision's, which
sorts the ids, and the development kit's ILSVRC2012_ID, which Google's published network uses.
"""

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from googlenet.errors import InputError, is_number, shown
from googlenet.files import open_regular

__all__ = ["Class", "find_class", "google", "id_key", "ilsvrc", "numbered_classes", "read_classes"]

LONGEST_LINE = 1000
"""Characters; the longest line of ILSVRC's own list has 131."""

LARGEST_FILE = 16 * 2**20
"""Bytes of a class file; ImageNet's complete list of 21,841 synsets takes less than 1 MB."""


@dataclass(frozen=True)
class Class:
    """One output of a classifier: `id` is unique among its classes, `name` is for people and need not be."""

    id: str
    name: str


def id_key(identifier: str) -> str:
    """Return what two ids have in common where they are the same class: one name may be written composed or not."""
    return unicodedata.normalize("NFC", identifier)


def find_class(classes: Sequence[Class], wanted: str) -> int:
    """Return the place of the class that `wanted` means: its id, its place counted from 0, or its name.

    A name may be one of several that a class has, separated by commas, in capitals or not. Raises `InputError` for a
    name that several classes have, with their ids, and for what means none, with the names that come near.
    """
    key = id_key(wanted.strip())
    if key in (ids := [id_key(one.id) for one in classes]):
        return ids.index(key)
    if is_number(key) and len(key) < 10 and int(key) < len(classes):
        return int(key)
    named = [place for place, one in enumerate(classes) if key.casefold() in _names(one)]
    if len(named) > 1:
        found = ", ".join(f"{classes[place].id} ({classes[place].name})" for place in named[:5])
        raise InputError(f"class '{shown(wanted)}' is the name of {len(named)}: give the id of one of them: {found}")
    if named:
        return named[0]
    raise InputError(f"class '{shown(wanted)}' is none of the {len(classes)}{_nearest(key.casefold(), classes)}")


def numbered_classes(count: int) -> tuple[Class, ...]:
    """Return classes for outputs of which nothing is known: `0`, `1` ..."""
    return tuple(Class(str(index), str(index)) for index in range(count))


@cache
def ilsvrc(order: Literal["caffe", "devkit"] = "caffe") -> tuple[Class, ...]:
    """Return ILSVRC's 1000 classes in Caffe's order (ids ascending) or the development kit's (ILSVRC2012_ID)."""
    rows = _ilsvrc_rows()
    if order == "devkit":
        rows = sorted(rows, key=lambda row: int(row[1]))
    elif order != "caffe":
        raise InputError(f"the orders of ILSVRC's classes are caffe and devkit, not {order}")
    return tuple(Class(identifier, name) for identifier, _, name in rows)


@cache
def google() -> tuple[Class, ...]:
    """Return the 1008 outputs of Google's published network: the devkit's classes at 1 to 1000, dummies elsewhere."""
    return (_dummy(0), *ilsvrc("devkit"), *(_dummy(index) for index in range(1001, 1008)))


def read_classes(path: str | os.PathLike[str]) -> tuple[Class, ...]:
    """Read classes from a UTF-8 file with one class a line, in the order of the network's outputs.

    A line is either a WordNet id, a space and names ("n02119789 kit fox, Vulpes macrotis"), or a name that is its own
    id. Raises `InputError` with the line's number for an empty, overlong or repeated one, and for control characters.
    """
    path = Path(path)
    classes: dict[str, int] = {}
    result = []
    for number, line in enumerate(_lines(path), start=1):
        found = _class_of(line.strip(), f"{path}, line {number}")
        key = id_key(found.id)
        if key in classes:
            raise InputError(f"{path}, line {number}: class {found.id} stands in line {classes[key]} already")
        classes[key] = number
        result.append(found)
    return tuple(result)


def _names(one: Class) -> list[str]:
    """All names of a class, alike in capitals and composition."""
    return [id_key(name.strip()).casefold() for name in (one.name, *one.name.split(","))]


def _nearest(key: str, classes: Sequence[Class]) -> str:
    """Say which classes have names like `key`, or that hold it."""
    owners = {name: one for one in reversed(classes) for name in _names(one)}
    near = [name for name in owners if key and key in name] or get_close_matches(key, owners, n=3)
    found = dict.fromkeys(f"{owners[name].name} ({owners[name].id})" for name in sorted(near, key=len)[:3])
    return f"; near it are {'; '.join(found)}" if found else "; give an id, a name, or a place counted from 0"


def _ilsvrc_rows() -> list[list[str]]:
    """Rows of the table that the package ships: WordNet id, ILSVRC2012_ID, names."""
    text = files("googlenet.weights").joinpath("data/ilsvrc.txt").read_text(encoding="utf-8")
    return [line.split(" ", 2) for line in text.splitlines() if not line.startswith("#")]


def _dummy(index: int) -> Class:
    return Class(f"dummy-{index}", f"dummy output {index}")


def _lines(path: Path) -> list[str]:
    """Lines of a class file, without the empty ones at its end."""
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise InputError(f"{path}: over {LARGEST_FILE} bytes, which is no list of classes; give one class a line")
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save the list of classes as UTF-8 text") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not text.strip():
        raise InputError(f"{path}: empty; give one class a line")
    return text.rstrip().split("\n")


def _class_of(line: str, place: str) -> Class:
    if not line:
        raise InputError(f"{place}: empty; give one class a line")
    if len(line) > LONGEST_LINE:
        raise InputError(f"{place}: over {LONGEST_LINE} characters, which is no class; give one class a line")
    if any(unicodedata.category(character) == "Cc" for character in line.replace("\t", " ")):
        raise InputError(f"{place}: holds control characters; save the list of classes as plain text")
    synset = re.fullmatch(r"(n\d{8})\s+(.+)", line)
    return Class(*synset.groups()) if synset else Class(line, line)
