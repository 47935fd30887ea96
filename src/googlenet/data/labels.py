"""What a label means: the one rule by which folders, lists and shards find the class of an image.

A label is the id of a class, or the name that only one class has. A whole number is an id as well where the ids are
numbers (those of folders called 0 to 11, say); where they are not, it is an index into the class list, counted from 0.
Several of them with `|` between are several right answers, where an evaluation asks for such.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.truths import Truths
from googlenet.errors import InputError, shown
from googlenet.weights.classes import Class, id_key

__all__ = ["Labels", "labels_of", "match", "some"]

log = logging.getLogger("googlenet")


class Labels(NamedTuple):
    """What written labels stand for."""

    classes: tuple[Class, ...]
    truths: Truths
    """Indices into `classes`."""
    bare_numbers: bool
    """Whether they are numbers that no class list explains."""


def labels_of(
    labels: Sequence[str],
    place: Callable[[int], str],
    classes: tuple[Class, ...] | None,
    source: str,
    several_truths: bool = False,
) -> Labels:
    """Return what written labels stand for.

    Without `classes`, whole numbers stand for the classes "0" to the largest, other labels for the classes of those
    ids, sorted plainly. `place` gives what an error calls the row of a label; where numbers could be read in two ways,
    the log says of `source` which one was taken. `InputError` names a label without a class and its row, and one of
    several right answers without `several_truths`.
    """
    for label in dict.fromkeys(labels):
        if not _is_unicode(label):
            where = place(labels.index(label))
            raise InputError(f"{where}: label {shown(ascii(label)[1:-1])} is not UTF-8; save the text as UTF-8")
    split = _split(labels, place, classes, several_truths)
    if not split:
        found, indices, bare_numbers = _one_by_one(labels, place, classes, source)
        return Labels(found, Truths.single(indices), bare_numbers)
    answers = [split.get(label, (label,)) for label in labels]
    rows = [row for row, several in enumerate(answers) for _ in several]
    written = [answer for several in answers for answer in several]
    found, indices, bare_numbers = _one_by_one(written, lambda index: place(rows[index]), classes, source)
    ends = np.cumsum([len(several) for several in answers])
    return Labels(found, Truths.of(part.tolist() for part in np.split(indices, ends[:-1])), bare_numbers)


def match(found: Sequence[str], classes: tuple[Class, ...], source: str) -> NDArray[np.int32]:
    """Return the index in `classes` of each class id in `found`, by id and never by position.

    `InputError` names ids that `classes` does not have. Classes without images are no error here: an evaluation may
    hold a part of the classes.
    """
    position = {id_key(c.id): index for index, c in enumerate(classes)}
    unknown = [identifier for identifier in found if id_key(identifier) not in position]
    if unknown:
        known = some([c.id for c in classes])
        raise InputError(f"{source}: class {some(unknown)} is not among the {len(classes)} classes expected ({known})")
    return np.array([position[id_key(identifier)] for identifier in found], np.int32)


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names in one line, each of a bounded length."""
    first = ", ".join(shown(repr(name)[1:-1], _LONGEST_NAME) for name in names[:limit])
    return first if len(names) <= limit else f"{first} and {len(names) - limit} more"


_LONGEST_NAME = 100

_BETWEEN = "|"

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


def _split(
    labels: Sequence[str], place: Callable[[int], str], classes: tuple[Class, ...] | None, several_truths: bool
) -> dict[str, tuple[str, ...]]:
    """The right answers in each label that names several; one that is a class as it stands does not."""
    known = {id_key(text) for c in classes or () for text in (c.id, c.name)}
    found = {}
    for label in dict.fromkeys(labels):
        if _BETWEEN not in label or id_key(label) in known:
            continue
        parts = tuple(part.strip() for part in label.split(_BETWEEN))
        where = f"{place(labels.index(label))}: label {shown(label)}"
        if not several_truths:
            raise InputError(f"{where} gives several right answers, which an evaluation alone takes; keep one of them")
        if not all(parts):
            raise InputError(f"{where}: no class on one side of a '{_BETWEEN}'; add it, or take the '{_BETWEEN}' away")
        found[label] = parts
    return found


def _one_by_one(
    labels: Sequence[str], place: Callable[[int], str], classes: tuple[Class, ...] | None, source: str
) -> tuple[tuple[Class, ...], NDArray[np.int32], bool]:
    """What labels of one right answer stand for: classes, indices into them, and whether they are bare numbers."""
    bare_numbers = classes is None and _all_numbers(labels)
    if classes is None:
        classes = _implied_classes(labels, place)
    distinct = list(dict.fromkeys(labels))
    position = _positions(distinct, classes, source)
    for label in distinct:
        if label not in position:
            raise InputError(f"{place(labels.index(label))}: {_why_unknown(label, distinct, classes)}")
    return classes, np.array([position[label] for label in labels], np.int32), bare_numbers


def _all_numbers(labels: Sequence[str]) -> bool:
    """Whether labels are all whole numbers of at most nine digits."""
    return all(_WHOLE_NUMBER.fullmatch(label) for label in dict.fromkeys(labels))


def _positions(labels: list[str], classes: tuple[Class, ...], source: str) -> dict[str, int]:
    """The index in `classes` of each of the distinct labels; those that have none are missing."""
    names = Counter(c.name for c in classes)
    known = {id_key(c.name): index for index, c in enumerate(classes) if names[c.name] == 1}
    ids = {id_key(c.id): index for index, c in enumerate(classes)}
    if not _all_numbers(labels):
        known |= ids
        return {label: known[id_key(label)] for label in labels if id_key(label) in known}
    values = _values(classes)
    if values is None and not any(label in ids for label in labels):
        log.info("%s: the labels are numbers, taken as indices: 0 is class %s", source, classes[0].id)
        return {label: int(label) for label in labels if 0 <= int(label) < len(classes)}
    found = {label: ids[label] for label in labels if label in ids}
    if values is not None:
        found = {label: values[int(label)] for label in labels if int(label) in values} | found
    if any(int(label) != index for label, index in found.items()):
        log.info("%s: the labels are numbers, taken as the ids of classes and not as indices", source)
    return found


def _values(classes: tuple[Class, ...]) -> dict[int, int] | None:
    """The index of each class by its id's value where all ids are different numbers; None where they are not."""
    if not _all_numbers([c.id for c in classes]):
        return None
    values = {int(c.id): index for index, c in enumerate(classes)}
    return values if len(values) == len(classes) else {}


def _why_unknown(label: str, labels: list[str], classes: tuple[Class, ...]) -> str:
    """Say what is wrong with a label that means no class, and with which hint it is mended."""
    count = len(classes)
    numbers = [int(other) for other in labels] if _all_numbers(labels) else []
    hint = ""
    if numbers and min(numbers) == 1 and max(numbers) == count:
        hint = "; the numbers begin at 1 here: subtract 1, or give the classes' ids"
    if not numbers or _values(classes) is not None or {id_key(c.id) for c in classes} & set(labels):
        several = sum(c.name == label for c in classes)
        hint = f"; {several} classes have that name, give the id" if several else hint
        return f"class {shown(label)} is not among the {count} classes ({some([c.id for c in classes])}){hint}"
    return f"label {label} is out of range: of {count} classes, labels are 0 to {count - 1}{hint}"


def _implied_classes(labels: Sequence[str], place: Callable[[int], str]) -> tuple[Class, ...]:
    """The classes that labels imply. A stray huge number must not imply millions."""
    if not _all_numbers(labels):
        _refuse_huge(labels, place)
        return tuple(Class(name, name) for name in sorted({id_key(label) for label in labels}))
    numbers = [int(label) for label in labels]
    largest = max(numbers)
    if largest >= max(10_000, 2 * len(numbers)):
        where = place(numbers.index(largest))
        raise InputError(f"{where}: label {largest} implies more classes than there are images; give the class list")
    return tuple(Class(str(number), str(number)) for number in range(max(largest, 0) + 1))


def _refuse_huge(labels: Sequence[str], place: Callable[[int], str]) -> None:
    """Raise `InputError` for a number too long for an index among labels that are all numbers."""
    distinct = dict.fromkeys(labels)
    long = [label for label in distinct if re.fullmatch(r"-?[0-9]{10,}", label)]
    if long and len(long) < len(distinct) and all(re.fullmatch(r"-?[0-9]+", label) for label in distinct):
        where = place(labels.index(long[0]))
        raise InputError(f"{where}: label {shown(long[0])} is too large beside the other numbers; give the class list")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
