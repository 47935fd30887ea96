"""Whether the classes of a data set are what a person meant: what training refuses, and what it warns of."""

import numpy as np

from googlenet.data.dataset import Dataset
from googlenet.data.folder import Folder
from googlenet.data.labels import some
from googlenet.errors import InputError
from googlenet.images.finding import display_name

__all__ = ["doubts", "empty_classes", "one_class", "refuse_unlearnable"]


def refuse_unlearnable(dataset: Dataset, source: str) -> None:
    """Raise `InputError` where nothing could be learnt: images of one class alone, or classes without images."""
    if only := one_class(dataset, source):
        raise InputError(f"{source}: {only}")
    if empty := empty_classes(dataset):
        hint = ""
        if getattr(dataset, "bare_numbers", False):
            hint = "; labels that are numbers count from 0, without gaps, where no class list is given"
        raise InputError(f"{source}: no images of class {some(empty)}; add some, or take the class out{hint}")


def empty_classes(dataset: Dataset) -> list[str]:
    """Return the ids of the classes of which there is no image."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    return [c.id for c, count in zip(dataset.classes, counts.tolist(), strict=True) if count == 0]


def one_class(dataset: Dataset, source: str) -> str:
    """Say which class is the only one, and what was perhaps meant; empty where there are more."""
    if len(dataset.classes) != 1:
        return ""
    only = dataset.classes[0].id
    below = dataset.folders_below(only) if isinstance(dataset, Folder) else []
    hint = f"give '{source}/{display_name(only)}', whose folders are {some(below)}" if below else "add another class"
    return f"all images are of one class, {display_name(only)}; {hint}"


def doubts(dataset: Dataset, source: str) -> list[str]:
    """Return a line for each thing about the classes that is probably not meant."""
    parts = [c.id for c in dataset.classes if c.id.lower() in _PARTS]
    if len(parts) < 2 or not isinstance(dataset, Folder):
        return []
    training = next((part for part in parts if part.lower().startswith("train")), parts[0])
    held_out = next(part for part in reversed(parts) if part != training)
    meant = f"give '{source}/{training}' and --validation '{source}/{held_out}'"
    return [f"the folders {some(parts)} are taken as classes, though they look like parts of a data set; {meant}"]


_PARTS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"})
"""What people call the folders of a data set that was split."""
