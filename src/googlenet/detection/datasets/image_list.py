"""Lists of pictures by name: the files of `ImageSets`, a name on each line and perhaps a number behind it."""

from pathlib import Path
from typing import NamedTuple

from googlenet.errors import InputError, shown
from googlenet.files import read_regular
from googlenet.images.finding import display_name

__all__ = ["Entry", "find_list", "read_image_list"]

LARGEST_FILE = 1 << 28
LONGEST_NAME = 255


class Entry(NamedTuple):
    """A line of a list; `number` is what stands behind the name, empty where nothing does."""

    name: str
    number: str


def read_image_list(path: Path) -> list[Entry]:
    """Read a list; `InputError` names the line of what is no name, leads out of the folder, or is there twice."""
    where = display_name(path)
    try:
        text = read_regular(path, LARGEST_FILE, "list of pictures").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}, line {line}: not UTF-8; save the list as UTF-8 text") from error
    lines: dict[str, int] = {}
    entries = []
    for place, row in enumerate(text.splitlines(), start=1):
        name, *number = row.split() or [""]
        if not name:
            continue
        if len(number) > 1 or not _is_name(name):
            raise InputError(f"{where}, line {place}: expected the name of a picture, found '{shown(row)}'; mend it")
        if name in lines:
            raise InputError(f"{where}, line {place}: {shown(name)} stands in line {lines[name]} already; keep one")
        lines[name] = place
        entries.append(Entry(name, "".join(number)))
    if not entries:
        raise InputError(f"{where}: names no picture; give a name on each line")
    return entries


def _is_name(text: str) -> bool:
    """Whether a text can be the name of a picture within the folder."""
    parts = text.split("/")
    return text.isprintable() and len(text) <= LONGEST_NAME and ".." not in parts and parts[0] != ""


def find_list(folder: Path, split: str) -> Path:
    """Return the list of a split in a folder of lists; `InputError` names those that there are."""
    path = folder / f"{split}.txt"
    if not path.is_file() or "/" in split:
        there = sorted(one.stem for one in folder.glob("*.txt")) if folder.is_dir() else []
        known = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
        raise InputError(f"{display_name(folder)}: no list is called {shown(split)}.txt; there are {known or 'none'}")
    return path
