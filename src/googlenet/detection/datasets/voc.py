"""VOC folders: `Annotations/NAME.xml`, `JPEGImages/NAME.jpg`, and the lists of `ImageSets/Main`."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from googlenet.detection.datasets.files import AnnotatedFiles, Annotation, Strays, annotation_of, files_in, places
from googlenet.detection.datasets.image_list import find_list, read_image_list
from googlenet.detection.datasets.voc_xml import read_voc_xml, rows_of
from googlenet.errors import InputError
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class, id_key

__all__ = ["Voc", "class_ids"]

FIRST_PIXEL = 1


class Voc(AnnotatedFiles):
    """The pictures of one list of `ImageSets/Main`, or without `split` all that are annotated, by name.

    The classes are the names that occur in any file of `Annotations`, sorted plainly, so that all lists have the same;
    with `classes`, names are matched to their ids. Many programs write the corners of continuous boxes, whose ends are
    no pixels: a box whose first and last pixel are in one column or row counts as degenerate here.
    """

    def __init__(self, folder: Path, split: str | None = None, classes: tuple[Class, ...] | None = None) -> None:
        self.folder = os.path.abspath(folder)  # noqa: PTH100  a link stays the name that the user gave
        annotated = [Path(name).stem for name in files_in(self._path("Annotations")) if name.lower().endswith(".xml")]
        shown = display_name(folder)
        if not annotated:
            raise InputError(f"{shown}: no .xml file in Annotations; give a VOC folder")
        if split is None:
            self._names: Sequence[str] = annotated
        else:
            self._names = [one.name for one in read_image_list(find_list(Path(folder) / "ImageSets" / "Main", split))]
        pictures = _by_stem(files_in(self._path("JPEGImages")))
        self._pictures = [pictures.get(name, f"{name}.jpg") for name in self._names]
        self.classes = classes or tuple(
            Class(name, name) for name in class_ids(self._path("Annotations", f"{name}.xml") for name in annotated)
        )
        if not self.classes:
            for name in annotated:
                read_voc_xml(self._path("Annotations", f"{name}.xml"))  # where one cannot be read, that is why
            raise InputError(f"{shown}: no annotation file has an object; give a VOC folder with some")
        self._place_of = places(self.classes)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._path("JPEGImages", self._pictures[index])

    def annotation(self, index: int) -> Annotation:
        path = self._path("Annotations", f"{self._names[index]}.xml")
        found = read_voc_xml(path)
        rows = rows_of(found, FIRST_PIXEL, least=2)
        return annotation_of(rows, self._place_of, self.classes, display_name(path), found.size)

    def strays(self) -> Strays:
        annotated = {Path(name).stem for name in files_in(self._path("Annotations"))}
        names = files_in(self._path("JPEGImages"))
        pictures = _by_stem(names)
        belonging = {name for stem, name in pictures.items() if stem in annotated}
        return Strays(
            tuple(self._path("JPEGImages", name) for name in names if _is_image(name) and name not in belonging),
            tuple(self._path("Annotations", f"{stem}.xml") for stem in sorted(annotated - pictures.keys())),
        )

    def _path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)  # noqa: PTH118  once for each picture


def class_ids(paths: Iterable[str]) -> list[str]:
    """Return the names of classes in annotation files, sorted; what cannot be read is told when it is asked for."""
    found = set()
    for path in paths:
        with suppress(InputError):
            found |= {id_key(one.name) for one in read_voc_xml(path).objects}
    return sorted(found)


def _by_stem(names: Iterable[str]) -> dict[str, str]:
    """The picture of each name without its ending; .jpg before the others."""
    images = list(filter(_is_image, names))
    images.sort(key=lambda name: Path(name).suffix.lower() != ".jpg", reverse=True)
    return {Path(name).stem: name for name in images}


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS
