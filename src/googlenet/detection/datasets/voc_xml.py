"""The XML of VOC and ILSVRC: one file for each picture, read within bounds and without entities.

A declared document type is refused, and with it every entity: nothing is expanded, nothing else is opened.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from googlenet.detection.boxes import from_inclusive
from googlenet.detection.datasets.files import Row, number, refuse_many
from googlenet.errors import InputError, shown
from googlenet.files import read_regular
from googlenet.images.finding import display_name

__all__ = ["VocFile", "VocObject", "read_voc_xml", "rows_of"]

LARGEST_FILE = 1 << 24
"""Bytes; an object takes some 200, and pictures have at most a few hundred."""


@dataclass(frozen=True)
class VocObject:
    """The first and last pixel, xmin, ymin, xmax, ymax, as they are written."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class VocFile:
    """What is read of a file; `size` is width and height, None where they are not said or 0."""

    size: tuple[int, int] | None
    objects: tuple[VocObject, ...]


def read_voc_xml(path: str) -> VocFile:
    """Read an annotation file; `InputError` names file and object of what is missing, twice there or no number.

    The `bndbox` that counts is the direct child of an `object`, not that of its parts.
    """
    where = display_name(path)
    content = read_regular(path, LARGEST_FILE, "annotation of one picture")
    reader = _Reader(where)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse_type
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(content, True)
    except InputError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: an encoding that nobody knows
        raise InputError(f"{where}: not whole XML ({shown(str(error), 100)}); mend it or leave it out") from error
    return VocFile(reader.size(), tuple(reader.object(place) for place in range(len(reader.objects))))


def rows_of(found: VocFile, first: int, least: int) -> list[Row]:
    """Return the objects as rows; pixels count from `first`, and a box of fewer than `least` a side is degenerate."""
    rows = []
    boxes = from_inclusive([one.corners for one in found.objects], first).tolist()
    for one, (x0, y0, x1, y1) in zip(found.objects, boxes, strict=True):
        written = "[" + ", ".join(f"{corner:.10g}" for corner in one.corners) + "]"
        rows.append(Row(one.name, (x0, y0, x1, y1), written, min(x1 - x0, y1 - y0) < least, one.difficult))
    return rows


_DEEPEST = 50
_LONGEST_TEXT = 1000

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OF_OBJECT: dict[tuple[str, ...], str] = {("name",): "name", ("difficult",): "difficult"} | {
    ("bndbox", corner): corner for corner in _CORNERS
}
"""What is read below an `object`, by path."""


@dataclass
class _Reader:
    """Takes the parser's events; keeps the text of the few elements that are asked for."""

    where: str
    objects: list[dict[str, str]] = field(default_factory=list)
    _sizes: dict[str, str] = field(default_factory=dict)
    _path: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)

    def refuse_type(self, *declared: object) -> None:
        raise InputError(f"{self.where}: declares a document type, whose entities are not read; take <!DOCTYPE> out")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text.clear()
        if len(self._path) == 1 and name != "annotation":
            raise InputError(f"{self.where}: no annotation but <{shown(name)}>; give VOC's XML")
        if len(self._path) > _DEEPEST:
            raise InputError(f"{self.where}: elements within elements, over {_DEEPEST} deep; mend it or leave it out")
        if self._path == ["annotation", "object"]:
            self.objects.append({})
            refuse_many(len(self.objects), self.where)

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        match self._path:
            case ["annotation", "object", *below] if tuple(below) in _OF_OBJECT:
                self._keep(self.objects[-1], _OF_OBJECT[tuple(below)], f", object {len(self.objects)}")
            case ["annotation", "size", "width" | "height" as side]:
                self._keep(self._sizes, side, "")
        self._path.pop()
        self._text.clear()

    def _keep(self, values: dict[str, str], name: str, which: str) -> None:
        text = "".join(self._text).strip()
        if name in values:
            raise InputError(f"{self.where}{which}: <{name}> is there twice; keep one of them")
        if len(text) > _LONGEST_TEXT:
            raise InputError(f"{self.where}{which}: <{name}> has over {_LONGEST_TEXT} characters; mend it")
        values[name] = text

    def size(self) -> tuple[int, int] | None:
        sides = [self._sizes.get(side, "") for side in ("width", "height")]
        if not all(sides):
            return None
        width, height = (int(number(side, f"{self.where}, size")) for side in sides)
        return (width, height) if width > 0 and height > 0 else None

    def object(self, place: int) -> VocObject:
        values, where = self.objects[place], f"{self.where}, object {place + 1}"
        for name in ("name", *_CORNERS):
            if not values.get(name):
                raise InputError(f"{where}: no <{name}>; add it, or leave the object out")
        xmin, ymin, xmax, ymax = (number(values[corner], f"{where}, <{corner}>") for corner in _CORNERS)
        return VocObject(values["name"], (xmin, ymin, xmax, ymax), values.get("difficult") in ("1", "true"))
