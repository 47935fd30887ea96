"""ImageNet's boxes as one JSON object (`evaluation.localisation` says how it looks), the pictures beside it."""

import os
from pathlib import Path
from typing import Any

from googlenet.detection.datasets.files import AnnotatedFiles, Annotation, Row, Strays, annotation_of, files_in, places
from googlenet.errors import InputError, shown
from googlenet.evaluation.localisation import labelled_boxes
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class, ilsvrc

__all__ = ["LocalisationJson"]


class LocalisationJson(AnnotatedFiles):
    """The pictures that `content`, the file's JSON, names, in its order; classes are the WordNet ids that occur."""

    def __init__(self, path: Path, content: Any, classes: tuple[Class, ...] | None = None) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100
        self._objects = labelled_boxes(content, display_name(path))
        self._names = list(self._objects)
        known = {one.id: one for one in ilsvrc()}
        ids = sorted({one.id for found in self._objects.values() for one in found})
        if not ids:
            raise InputError(f"{display_name(path)}: no image has a box; give the annotated ones")
        self.classes = classes or tuple(known.get(name, Class(name, name)) for name in ids)
        self._place_of = places(self.classes)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return os.path.join(os.path.dirname(self.path), self._names[index])  # noqa: PTH118, PTH120

    def annotation(self, index: int) -> Annotation:
        name = self._names[index]
        rows = [Row(one.id, one.box, str(list(one.box)), degenerate=False) for one in self._objects[name]]
        return annotation_of(rows, self._place_of, self.classes, f"{display_name(self.path)}, {shown(name)}")

    def strays(self) -> Strays:
        folder = os.path.dirname(self.path)  # noqa: PTH120
        there = (name for name in files_in(folder) if Path(name).suffix.lower() in ENDINGS)
        return Strays(tuple(os.path.join(folder, name) for name in there if name not in self._objects))  # noqa: PTH118
