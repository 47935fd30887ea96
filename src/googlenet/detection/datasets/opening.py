"""One way to open any data set with annotated objects: what it is, its content says."""

import os
from pathlib import Path
from typing import Any

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.datasets.coco import LEFT_OUT, Coco
from googlenet.detection.datasets.files import AnnotatedFiles
from googlenet.detection.datasets.ilsvrc import Ilsvrc
from googlenet.detection.datasets.localisation_json import LocalisationJson
from googlenet.detection.datasets.voc import Voc
from googlenet.detection.datasets.yolo import Yolo
from googlenet.errors import InputError
from googlenet.files import expect, read_regular
from googlenet.images.finding import display_name
from googlenet.records import parse_json
from googlenet.weights.classes import Class

__all__ = ["is_annotated", "open_annotated", "open_files"]

LARGEST_JSON = 1 << 30
"""Bytes; COCO's largest file has less than half of it."""


def open_annotated(
    path: str | os.PathLike[str], split: str | None = None, classes: tuple[Class, ...] | None = None
) -> AnnotatedImages:
    """Open what `path` names.

    A VOC folder (`split` names a list of its `ImageSets/Main`; without, all that is annotated), a folder of ILSVRC's
    detection data (a list of `ImageSets/DET`, or `val1`, `val2`), a list of either by its own path, COCO's JSON,
    YOLO's YAML (`train`, `val`, `test`; without `split` all of them), or ImageNet's boxes as JSON. With `classes`
    (those of a detector, say) labels are places in them, matched by id. `InputError` says what does not fit.
    """
    return open_files(path, split, classes)


def is_annotated(path: str | os.PathLike[str]) -> bool:
    """Whether `open_annotated` is meant, rather than images in class folders, a list with labels, or shards."""
    path = Path(path)
    if path.is_dir():
        return (path / "Annotations").is_dir()
    return path.suffix.lower() in (".json", ".yaml", ".yml") or _root_of_list(path) is not None


def open_files(
    path: str | os.PathLike[str], split: str | None = None, classes: tuple[Class, ...] | None = None
) -> AnnotatedFiles:
    """Open what `path` names as `open_annotated` does, with what is wrong in it as well."""
    place = Path(path)
    expect(place, "file or folder")
    if place.is_dir():
        return _open_folder(place, split, classes)
    if split is not None and (place.suffix.lower() == ".json" or _root_of_list(place)):
        raise InputError(f"{display_name(path)}: it is one split by itself; leave '{split}' out, or give another file")
    if place.suffix.lower() in (".yaml", ".yml"):
        return Yolo(place, split, classes)
    if place.suffix.lower() == ".json":
        content = parse_json(read_regular(place, LARGEST_JSON, "list of boxes"), display_name(path), LEFT_OUT)
        return Coco(place, content, classes) if _is_coco(content) else LocalisationJson(place, content, classes)
    root = _root_of_list(place)
    if root is None:
        raise InputError(f"{display_name(path)}: no annotations; give {_FORMS}")
    return _open_folder(root, place.stem, classes)


_FORMS = "a VOC or ILSVRC folder, one of its lists, COCO's or ImageNet's .json, or YOLO's .yaml"


def _open_folder(folder: Path, split: str | None, classes: tuple[Class, ...] | None) -> AnnotatedFiles:
    if (folder / "Annotations" / "DET").is_dir():
        return Ilsvrc(folder, split, classes)
    if (folder / "Annotations").is_dir():
        return Voc(folder, split, classes)
    inside = sorted(one for one in folder.iterdir() if is_annotated(one))[:3]
    meant = f", such as {', '.join(map(display_name, inside))}" if inside else ""
    raise InputError(f"{display_name(folder)}: no folder Annotations in it; give {_FORMS}{meant}")


def _root_of_list(path: Path) -> Path | None:
    """The folder to which a list of `ImageSets` belongs; None for other files."""
    path = Path(os.path.abspath(path))  # noqa: PTH100
    lists = path.parent
    if path.suffix != ".txt" or lists.parent.name != "ImageSets" or lists.name not in ("Main", "DET"):
        return None
    return lists.parent.parent


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and ("annotations" in content or "images" in content)
