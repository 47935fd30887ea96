"""The few forms of YAML that YOLO's descriptions of data sets use, and nothing else.

Read are texts behind a name and a colon, lists (`[a, b]`, or `- a` in lines below), and tables such as the classes by
number (`{0: a, 1: b}`, or `0: a` in lines below). What YAML has beyond that (anchors, tags, several documents, levels
within levels) is refused, so that nothing expands and nothing is made; behind names that nobody asks for, it is passed
over.
"""

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from googlenet.errors import InputError, shown
from googlenet.files import read_regular
from googlenet.images.finding import display_name

__all__ = ["Value", "read_yolo_yaml"]

LARGEST_FILE = 1 << 20

Value = str | list[str] | dict[str, str]


def read_yolo_yaml(path: Path, asked: Collection[str]) -> dict[str, Value]:
    """Return what stands behind the names that are asked for and are there: texts, lists and tables of texts.

    `InputError` names the line of what is in none of the forms above, or is there twice.
    """
    where = display_name(path)
    lines = list(_lines(path, where))
    found: dict[str, Value] = {}
    position = 0
    while position < len(lines):
        line = lines[position]
        name, colon, rest = _split(line.text)
        if line.indent or not colon or not _NAME.fullmatch(name):
            raise InputError(f"{line.where}: expected 'name: value', found '{shown(line.text)}'; mend it")
        position += 1
        first = position
        while position < len(lines) and (lines[position].indent or lines[position].text.startswith("- ")):
            position += 1
        if name in found:
            raise InputError(f"{line.where}: {name} is there twice; keep one of them")
        if name in asked:
            found[name] = _value(rest, lines[first:position], line.where)
    return found


class _Line(NamedTuple):
    indent: int
    text: str
    where: str


_NAME = re.compile(r"[\w.-]{1,100}")
_COLON = re.compile(r":(?=\s|$)")
_QUOTED = re.compile(r"""'((?:[^']|'')*)'|"((?:[^"\\]|\\["\\/])*)\"""")
_SPECIAL = re.compile(r"[&*!|>%@`?{}\[\],'\"]|- |<<")


def _lines(path: Path, where: str) -> Iterator[_Line]:
    """The lines that say something, without comments."""
    try:
        content = read_regular(path, LARGEST_FILE, "description of a data set").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8; save it as UTF-8 text") from error
    for number, line in enumerate(content.splitlines(), start=1):
        line = line[: next(_marks(line, "#", behind=" \t"), len(line))].rstrip()
        text = line.lstrip()
        if text and not (text == "---" and number == 1):
            yield _Line(len(line) - len(text), text, f"{where}, line {number}")


def _value(rest: str, below: list[_Line], where: str) -> Value:
    """What stands behind a colon: in its line, in those below, or a list or table that goes on there."""
    if not rest:
        return _block(below)
    if rest[0] in "[{":
        return _flow(" ".join([rest, *(line.text for line in below)]), where)
    if below:
        raise InputError(f"{below[0].where}: a text over several lines is not read here; write it in one")
    return _text(rest, where)


def _block(lines: list[_Line]) -> Value:
    """A list or table of texts, one a line, all at the same indent; an empty text where there is none."""
    if not lines:
        return ""
    is_list = lines[0].text.startswith("- ")
    table: dict[str, str] = {}
    for number, line in enumerate(lines):
        if line.indent != lines[0].indent or line.text.startswith("- ") != is_list:
            raise InputError(f"{line.where}: levels within levels, or a list and a table mixed; give one of them")
        _add(table, f"{number}: {line.text[2:]}" if is_list else line.text, line.where)
    return list(table.values()) if is_list else table


def _flow(text: str, where: str) -> Value:
    """A list or table between brackets."""
    if text[-1] != {"[": "]", "{": "}"}[text[0]]:
        raise InputError(f"{where}: a '{text[0]}' without its end; close it")
    inner = text[1:-1]
    if next(_marks(inner, "[]{}"), None) is not None:
        raise InputError(f"{where}: levels within levels; give one list or table")
    commas = [-1, *_marks(inner, ","), len(inner)]
    parts = [inner[start + 1 : stop].strip() for start, stop in pairwise(commas)]
    parts = parts[:-1] if not parts[-1] else parts
    if text[0] == "[":
        return [_text(part, where) for part in parts]
    table: dict[str, str] = {}
    for part in parts:
        _add(table, part, where)
    return table


def _add(table: dict[str, str], pair: str, where: str) -> None:
    name, colon, rest = _split(pair)
    key = _text(name, where)
    if not colon:
        raise InputError(f"{where}: expected 'number: name', found '{shown(pair)}'; mend it")
    if key in table:
        raise InputError(f"{where}: {shown(key)} is there twice; keep one of them")
    table[key] = _text(rest, where)


def _marks(text: str, wanted: str, behind: str = "") -> Iterator[int]:
    """Yield where one of the characters stands outside of quotes, at the start or behind one of `behind` if given."""
    quote, before = "", " "
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not (quote == '"' and before == "\\") else quote
        elif character in "'\"" and before in " \t[{,:'\"":
            quote = character
        elif character in wanted and (not behind or before in behind):
            yield place
        before = character


def _split(text: str) -> tuple[str, str, str]:
    """Name, colon and value; the colon ends the text or has a space behind it."""
    quoted = _QUOTED.match(text)
    colon = _COLON.search(text, quoted.end() if quoted else 0)
    if colon is None:
        return text, "", ""
    return text[: colon.start()].strip(), ":", text[colon.end() :].strip()


def _text(text: str, where: str) -> str:
    """A plain or quoted text; what would mean something else in YAML is refused."""
    if quoted := _QUOTED.fullmatch(text):
        single, double = quoted.groups()
        return single.replace("''", "'") if single is not None else re.sub(r"\\(.)", r"\1", double)
    if _SPECIAL.match(text):
        raise InputError(f"{where}: '{shown(text)}' is a form of YAML that is not read here; write it as plain text")
    return "" if text in ("~", "null") else text
