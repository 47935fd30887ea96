"""One way to open any data set: a folder of class folders, a list file, tar shards, or the embedded digits."""

import logging
import os
import re
from pathlib import Path
from typing import Literal, cast

from googlenet.data.dataset import Dataset, Subset
from googlenet.data.digits import Digits
from googlenet.data.folder import Folder
from googlenet.data.labels import match, some
from googlenet.data.list_file import ListFile
from googlenet.data.plausibility import doubts, empty_classes, refuse_unlearnable
from googlenet.data.remote import is_url, source_name
from googlenet.data.shards import Shards
from googlenet.data.truths import truths_of
from googlenet.errors import InputError
from googlenet.files import expect
from googlenet.images.finding import ENDINGS, display_name
from googlenet.weights.classes import Class, id_key

__all__ = ["Source", "expect_source", "name_of", "open_dataset", "open_training", "open_validation"]

log = logging.getLogger("googlenet")

Source = str | os.PathLike[str] | Dataset

_DIGITS = re.compile(r"digits(?::(train|validation))?")
_SHARD = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(zip|7z|rar|tar\.\w+|tbz2?|txz|gz|bz2|xz|zst)$", re.IGNORECASE)


def open_dataset(
    source: str | os.PathLike[str], classes: tuple[Class, ...] | None = None, several_truths: bool = False
) -> Dataset:
    """Open what `source` names.

    A folder: its folders are the classes. A name that ends in `.tar`, `.tar.gz` or `.tgz`, also as a URL or a pattern:
    shards. Another file: a list. `digits`, `digits:train` and `digits:validation`: scikit-learn's digits, where there
    is no such path. With `classes` (those of the network, say) labels are indices into them, matched by id. Lists and
    shards may give an image several right answers, `a|b`, with `several_truths` alone. `InputError` says what does not
    fit, with path and row.
    """
    name = os.fspath(source)
    shown = source_name(name)
    if _SHARD.search(name):
        return Shards(name, classes, several_truths)
    if is_url(name):
        raise InputError(
            f"{shown}: behind a URL only .tar, .tar.gz and .tgz shards can be read; pack the images into some"
        )
    path = Path(name)
    if path.is_dir():
        _refuse_folder_of_shards(path, shown)
        return Folder(name, classes)
    if path.is_file():
        if path.suffix.lower() in ENDINGS:
            raise InputError(f"{shown}: an image, not a data set; give a folder, a list of images or tar shards")
        if _ARCHIVE.search(name):
            raise InputError(
                f"{shown}: an archive, not a data set; unpack it and give the folder, or pack the images into "
                "shards (.tar, .tar.gz)"
            )
        return ListFile(name, classes, several_truths)
    part = _DIGITS.fullmatch(name)
    if part:
        digits = Digits(cast(Literal["train", "validation", "all"], part[1] or "all"))
        return digits if classes is None else _relabelled(digits, classes, shown)
    raise InputError(f"{shown}: no such file or folder; check the path")


def expect_source(name: str) -> None:
    """Raise `InputError` where a data set is nowhere: at once, before a network is made for it."""
    if not is_url(name) and not _SHARD.search(name) and not _DIGITS.fullmatch(name):
        expect(name, "file or folder")


def open_training(source: Source, known: tuple[Class, ...] | None = None) -> Dataset:
    """Open the images to train on; a `Dataset` is taken as it is.

    Where the network that training starts from knows the same classes by id (`known`), labels count in its order. So do
    as many bare numbers, which are indices into them. Other classes are new ones. `InputError` where nothing could be
    learnt of some class; a warning where the classes are probably not those that were meant.
    """
    found = _under_known(source, known)
    _refuse_several_truths(found, source)
    refuse_unlearnable(found, name_of(source))
    for doubt in doubts(found, name_of(source)):
        log.warning("%s: %s", name_of(source), doubt)
    return found


def open_validation(source: Source, training: Dataset) -> Dataset:
    """Open the images to evaluate on under the classes of the training images; a warning names the missing ones."""
    found = _open(source, "validation", training.classes)
    if [c.id for c in found.classes] != [c.id for c in training.classes]:
        raise InputError(f"{name_of(source)}: its classes are not those of the training images")
    _refuse_several_truths(found, source)
    if empty := empty_classes(found):
        log.warning("%s: no images of class %s, of which evaluations say nothing", name_of(source), some(empty))
    return found


def name_of(source: Source) -> str:
    """Return what a message calls a source."""
    return source_name(os.fspath(source)) if isinstance(source, str | os.PathLike) else type(source).__name__.lower()


def _under_known(source: Source, known: tuple[Class, ...] | None) -> Dataset:
    found = _open(source, "train")
    if known is None or found.classes == known or not isinstance(source, str | os.PathLike):
        return found
    if {id_key(c.id) for c in found.classes} == {id_key(c.id) for c in known}:
        return _open(source, "train", known)
    if getattr(found, "bare_numbers", False):
        if len(found.classes) == len(known):
            return _open(source, "train", known)
        count = len(found.classes)
        log.info(
            "%s: the labels are numbers, of %d new classes: the weights have %d", name_of(source), count, len(known)
        )
    return found


def _open(source: Source, part: str, classes: tuple[Class, ...] | None = None) -> Dataset:
    if not isinstance(source, str | os.PathLike):
        return source
    if os.fspath(source) == "digits" and not Path(source).exists():
        source = f"digits:{part}"
    return open_dataset(source, classes)


def _refuse_several_truths(dataset: Dataset, source: Source) -> None:
    """Raise `InputError` for data that were opened for an evaluation, where training learns one answer to an image."""
    several = truths_of(dataset).counts > 1
    if several.any():
        image = display_name(dataset.name(int(several.argmax())))
        raise InputError(f"{name_of(source)}: several right answers for {image}; give one for each image")


def _refuse_folder_of_shards(path: Path, shown: str) -> None:
    shards = sorted(entry.name for entry in path.iterdir() if _SHARD.search(entry.name))
    if shards:
        raise InputError(f"{shown}: holds tar shards; name those that are meant, such as '{shown}/{shards[0]}'")


def _relabelled(dataset: Dataset, classes: tuple[Class, ...], shown: str) -> Dataset:
    result = Subset(dataset, range(len(dataset)))
    result.truths = result.truths.under(match([c.id for c in dataset.classes], classes, shown))
    result.labels, result.classes = result.truths.first, classes
    return result
