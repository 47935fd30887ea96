"""Which picture and class of a data set is meant by the names that stand in predictions."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from googlenet.data.labels import some
from googlenet.detection.datasets.files import places
from googlenet.errors import InputError, shown
from googlenet.weights.classes import Class, id_key

__all__ = ["places_of_classes", "places_of_pictures"]

_SEVERAL = -2


def places_of_pictures(files: Sequence[str], names: Sequence[str], ids: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the place of each of `files` in `names`, paths of pictures, or -1.

    A picture is known by its path, its number in `ids` where the data set has such, its name without folders, then
    without ending, then without zeros before it ("397133" is 000000397133.jpg). Raises `InputError` where a name means
    several pictures, or two names the same.
    """
    found = np.full(len(files), -1, np.int64)
    known = dict(ids)
    for of_file, of_name in _WAYS:
        left = [place for place, file in enumerate(files) if found[place] == -1]
        if not left:
            break
        known |= _by_key(names, of_name)
        for place in left:
            found[place] = known.get(of_file(files[place]), -1)
            if found[place] == _SEVERAL:
                raise InputError(
                    f"'{shown(files[place])}' may be several pictures; write their paths as the data have them"
                )
        known = {}
    _expect_different(files, names, found)
    return found


def places_of_classes(identifiers: Sequence[str], classes: Sequence[Class]) -> NDArray[np.int64]:
    """Return the place of the class with each id, or else with that name where only one has it, or -1."""
    known = places(classes)
    found = np.array([known.get(id_key(one), -1) for one in identifiers], np.int64)
    if len(found) and (found < 0).all():
        raise InputError(
            f"classes of the predictions ({some(list(identifiers))}) are none of the {len(classes)} of the data"
            f" ({some([one.id for one in classes])}); give predictions with their ids or names"
        )
    return found


def _whole(name: str) -> str:
    return name


def _without_folder(name: str) -> str:
    return os.path.basename(name)  # noqa: PTH119  once for each picture


def _stem(name: str) -> str:
    return PurePath(name).stem


def _bare(name: str) -> str:
    return _stem(name).lstrip("0")


_WAYS: Sequence[tuple[Callable[[str], str], Callable[[str], str]]] = (
    (_whole, _whole),
    (_without_folder, _without_folder),
    (_without_folder, _stem),
    (_stem, _stem),
    (_bare, _bare),
)
"""What is compared of a prediction's picture and of the data's, in turn."""


def _by_key(names: Sequence[str], key: Callable[[str], str]) -> dict[str, int]:
    """The place of each name by its key; `_SEVERAL` where several have it."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        one = key(name)
        found[one] = _SEVERAL if one in found else place
    return found


def _expect_different(files: Sequence[str], names: Sequence[str], found: NDArray[np.int64]) -> None:
    if len(files) and (found < 0).all():
        raise InputError(
            f"pictures of the predictions ({some(list(files), 2)}) are none of the {len(names):,} of the data"
            f" ({some(list(names), 2)}); give the data set that they were made on"
        )
    twice = [place for place, count in Counter(found[found >= 0].tolist()).items() if count > 1]
    if twice:
        both = some([files[i] for i in np.flatnonzero(found == twice[0]).tolist()], 2)
        raise InputError(f"{both}: taken for the same picture, {shown(names[twice[0]])}; keep one of them")
