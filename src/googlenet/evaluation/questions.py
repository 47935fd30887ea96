"""What is asked: the labelled images, and the right answers among the classes that the models know."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset
from googlenet.data.labels import some
from googlenet.data.sources import Source, name_of, open_dataset
from googlenet.data.truths import truths_of
from googlenet.errors import InputError
from googlenet.evaluation.models import Judged
from googlenet.images.finding import display_name
from googlenet.weights.class_sets import union
from googlenet.weights.classes import Class, id_key

__all__ = ["Questions", "ask"]

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class Questions:
    """Images with the classes that are right for each, as indices into `classes`."""

    dataset: Dataset
    classes: tuple[Class, ...]
    """Those of the models, the first model's first."""
    truths: Sequence[tuple[int, ...]]
    """For each image the right answers; none where some model lacks the class."""
    lacking: Mapping[str, int]
    """The ids of classes that some model lacks, and how many images are of each."""
    ids: frozenset[str]
    """The ids of the classes that the data have."""

    @property
    def images(self) -> NDArray[np.int64]:
        """The numbers of the images that all models can be asked about."""
        return np.array([number for number, truths in enumerate(self.truths) if truths], np.int64)


def ask(source: Source, models: Sequence[Judged]) -> Questions:
    """Open the data and match their classes to the models' by id, or by a name that only one class has.

    Whole numbers are indices into the first model's classes, unless its ids are numbers. Raises `InputError` where
    the models know none of the classes, or images of a list are not there.
    """
    dataset = _open(source, models)
    _refuse_missing(dataset, name_of(source))
    classes = union([one.model.classes for one in models])
    known = set.intersection(*({id_key(item.id) for item in one.model.classes} for one in models))
    place = _places(classes)
    found = [place.get(id_key(item.id), place.get(id_key(item.name), -1)) for item in dataset.classes]
    found = [at if at >= 0 and id_key(classes[at].id) in known else -1 for at in found]
    used = np.bincount(dataset.labels, minlength=len(dataset.classes))
    if not any(at >= 0 and count for at, count in zip(found, used.tolist(), strict=True)):
        raise InputError(f"{name_of(source)}: none of its classes {_unknown(dataset.classes, models)}")
    truths = [tuple(found[label] for label in labels if found[label] >= 0) for labels in truths_of(dataset)]
    asked = list(zip(truths_of(dataset), truths, strict=True))
    lost = [labels[0] for labels, right in asked if not right]
    _tell_dropped(
        {dataset.classes[label].id for labels, right in asked if right for label in labels if found[label] < 0}
    )
    lacking = {dataset.classes[label].id: count for label, count in sorted(Counter(lost).items())}
    ids = frozenset(classes[at].id for at in found if at >= 0)
    return Questions(dataset, classes, truths, lacking, ids)


def _tell_dropped(ids: Collection[str]) -> None:
    """Warn of right answers that stand beside others, and that no model could give."""
    if ids:
        log.warning("right answers that the weights lack do not count beside others of an image: %s", some(sorted(ids)))


def _open(source: Source, models: Sequence[Judged]) -> Dataset:
    if not isinstance(source, str | os.PathLike):
        return source
    dataset = open_dataset(source, several_truths=True)
    if not all(item.id.isdecimal() for item in dataset.classes):
        return dataset
    # Perhaps indices: that is for the rule of labels to say.
    found = open_dataset(source, models[0].model.classes, several_truths=True)
    others = [one.name for one in models[1:] if not _agree(one.model.classes, dataset, found)]
    if others:
        log.warning(
            "%s: the numbers mean other classes in the order of %s; they are taken in that of %s, which is named first",
            *(name_of(source), ", ".join(others), models[0].name),
        )
    return found


def _agree(classes: tuple[Class, ...], numbered: Dataset, found: Dataset) -> bool:
    """Whether the numbers that are labels stand for the same classes as indices into `classes`."""
    if {id_key(item.id) for item in numbered.classes} <= {id_key(item.id) for item in classes}:
        return True  # they are ids
    pairs = {(int(numbered.classes[a].id), int(b)) for a, b in zip(numbered.labels, found.labels, strict=True)}
    return all(
        number < len(classes) and id_key(classes[number].id) == id_key(found.classes[at].id) for number, at in pairs
    )


def _refuse_missing(dataset: Dataset, source: str) -> None:
    sizes = dataset.sizes() if hasattr(dataset, "sizes") else np.zeros(0, np.int64)
    missing = np.flatnonzero(sizes < 0)
    if len(missing):
        names = some([display_name(dataset.name(int(index))) for index in missing[:6]], 3)
        raise InputError(
            f"{source}: {len(missing)} of {len(sizes)} images are not there ({names}); mend the list, or take them out"
        )


def _unknown(classes: Sequence[Class], models: Sequence[Judged]) -> str:
    """Say which model knows none of the classes; where each knows some, that those are others."""
    theirs = some([item.id for item in classes])
    for one in models:
        place = _places(one.model.classes)
        if not any(id_key(item.id) in place or id_key(item.name) in place for item in classes):
            ours = some([item.id for item in one.model.classes])
            return f"({theirs}) is among those of {one.name} ({ours}); give other weights or other data"
    return f"({theirs}) is known to all models; evaluate them one by one"


def _places(classes: tuple[Class, ...]) -> dict[str, int]:
    """Return the index of every class by its id, and by its name where that names one class alone."""
    names = Counter(id_key(item.name) for item in classes)
    found = {id_key(item.name): at for at, item in enumerate(classes) if names[id_key(item.name)] == 1}
    return found | {id_key(item.id): at for at, item in enumerate(classes)}
