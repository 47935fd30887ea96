"""One way to open any data set: a folder of class folders, a list file, tar shards, or the embedded digits."""

import os
import re
from pathlib import Path
from typing import Literal, cast

from googlenet.data.dataset import Dataset, Subset, match
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.list_file import ListFile
from googlenet.data.remote import is_url
from googlenet.data.shards import Shards
from googlenet.errors import InputError
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class

__all__ = ["open_dataset"]

_SHARD = re.compile(r"\.tar(\.gz)?$", re.IGNORECASE)


def open_dataset(source: str | os.PathLike[str], classes: tuple[Class, ...] | None = None) -> Dataset:
    """Open what `source` names.

    A folder: its folders are the classes. A name that ends in `.tar` or `.tar.gz`, also as a URL or a pattern: shards.
    Another file: a list. `digits`, `digits:train` and `digits:validation`: scikit-learn's digits, where there is no
    such path. With `classes` (those of the network, say) labels are indices into them, matched by id. `InputError`
    says what does not fit, with path and row.
    """
    name = os.fspath(source)
    shown = display_name(name)
    if _SHARD.search(name):
        return Shards(name, classes)
    if is_url(name):
        raise InputError(f"{shown}: behind a URL only .tar and .tar.gz shards can be read; pack the images into some")
    path = Path(name)
    if path.is_dir():
        _refuse_folder_of_shards(path, shown)
        return Folder(name, classes)
    if path.is_file():
        if path.suffix.lower() in ENDINGS:
            raise InputError(f"{shown}: an image, not a data set; give a folder, a list of images or tar shards")
        return ListFile(name, classes)
    part = re.fullmatch(r"digits(?::(train|validation))?", name)
    if part:
        digits = Digits(cast(Literal["train", "validation", "all"], part[1] or "all"))
        return digits if classes is None else _relabelled(digits, classes, shown)
    raise InputError(f"{shown}: no such file or folder; check the path")


def _refuse_folder_of_shards(path: Path, shown: str) -> None:
    shards = sorted(entry.name for entry in path.iterdir() if _SHARD.search(entry.name))
    if shards:
        raise InputError(f"{shown}: holds tar shards; name those that are meant, such as '{shown}/{shards[0]}'")


def _relabelled(dataset: Dataset, classes: tuple[Class, ...], shown: str) -> Dataset:
    result = Subset(dataset, range(len(dataset)))
    result.labels = match([c.id for c in dataset.classes], classes, shown)[dataset.labels]
    result.classes = classes
    return result
