"""Which images a data set holds, in which order and under which classes: whether two of them are the same data.

Names count from the data set's own folder, so that moved data, or another way to write their path, are the same.
Whether an image can be read does not matter, only its name, its size and its class.
"""

import gzip
import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset, Subset

__all__ = ["MOST_GONE", "Identity", "Rest", "difference", "identity", "rest"]

MOST_GONE = 0.1
"""The share of images that may be taken away; beyond it, what is left are other data."""

_LONGEST_ROW = 1 << 16  # characters


@dataclass(frozen=True)
class Identity:
    """Equal for the same data. `listing` is what to keep beside a run, lest a change could not be named later."""

    images: int
    sha256: str
    """Of the rows of `listing`."""
    listing: bytes
    """Gzipped text: the classes' ids as a JSON list, then size in bytes, class id and name of each image in order."""


@dataclass(frozen=True)
class Rest:
    """What is left of data that were listed before; N counts those that were."""

    whole: Identity
    """Of the data as they were."""
    places: NDArray[np.int64]
    """The number that each image has now, -1 where it is gone: [N]."""
    labels: NDArray[np.int32]
    """[N]"""
    gone: Mapping[int, str]
    """The names of those that are gone, from the data set's own folder, by the number that they had."""
    first: str
    """The same of the first image that there is now."""


@runtime_checkable
class _Listed(Protocol):
    """What our own data sets say beyond a `Dataset`, without reading an image."""

    def keys(self) -> Iterable[str]:
        """The name of each image, from the data set's own folder."""
        ...

    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each image, -1 where it is not there."""
        ...


def identity(dataset: Dataset) -> Identity:
    """Say which images these are; a million of them take some seconds."""
    digest, content = hashlib.sha256(), io.BytesIO()
    rows = _rows(dataset)
    with gzip.GzipFile(fileobj=content, mode="wb", compresslevel=1, mtime=0) as file:
        while chunk := "".join(f"{row}\n" for row in itertools.islice(rows, 1 << 14)).encode():
            digest.update(chunk)
            file.write(chunk)
    return Identity(len(dataset), digest.hexdigest(), content.getvalue())


def difference(before: bytes, now: Identity) -> str:
    """Say in words where data listed `before` and those of `now` begin to differ; empty where nothing can be said."""
    if (left := rest(before, now)) and left.gone:
        number, name = next(iter(left.gone.items()))
        return f"{len(left.gone):,} of {left.whole.images:,} images are gone, the first is image {number}, {name}"
    classes = True
    for number, (old, new) in enumerate(itertools.zip_longest(_lines(before), _lines(now.listing))):
        if old == new:
            classes = False
        elif old is None and not number:  # the listing itself is lost
            return ""
        elif classes:
            return f"the classes were {_cut(old)}, now {_cut(new)}"
        else:
            return f"image {number} was {_described(old)}, now {_described(new)}"
    return ""


def rest(before: bytes, now: Identity) -> Rest | None:
    """Find the images of `now` among those listed `before`; None where more has changed than that some are gone.

    Gone is what is listed no more, and what is listed but not there. Data sets of one's own, of which nothing but names
    and labels is known, are never a rest: their names may be numbers, which tell nothing of what was taken away.
    """
    old, new = _lines(before), enumerate(_lines(now.listing), start=-1)
    classes, (_, same) = next(old, None), next(new)
    if classes is None or classes != same:
        return None
    ids = {_escaped(id_): label for label, id_ in enumerate(json.loads(classes))}
    digest = hashlib.sha256(f"{classes}\n".encode())
    places, labels, gone, first, are_files = list[int](), list[int](), dict[int, str](), "", False
    number, candidate = next(new, (0, None))
    for row in old:
        digest.update(f"{row}\n".encode())
        size, label, key = _fields(row)
        if label not in ids:
            return None
        is_there = row == candidate
        if not is_there:
            gone[len(places)] = key
        places.append(number if is_there else -1)
        labels.append(ids[label])
        are_files = are_files or size != "-1"
        if candidate is not None and (is_there or _fields(candidate) == ("-1", label, key)):
            first = first or key
            number, candidate = next(new, (0, None))
    if candidate is not None or not are_files:
        return None
    whole = Identity(len(places), digest.hexdigest(), before)
    return Rest(whole, np.array(places, np.int64), np.array(labels, np.int32), gone, first)


def _rows(dataset: Dataset) -> Iterator[str]:
    ids = [item.id for item in dataset.classes]
    yield json.dumps(ids, ensure_ascii=False)
    for key, size, label in zip(*_keys_and_sizes(dataset), dataset.labels.tolist(), strict=True):
        yield f"{size}\t{_escaped(ids[label])}\t{_escaped(key)}"


def _keys_and_sizes(dataset: Dataset) -> tuple[list[str], list[int]]:
    if isinstance(dataset, _Listed):
        return list(dataset.keys()), dataset.sizes().tolist()
    if isinstance(dataset, Subset):
        keys, sizes = _keys_and_sizes(dataset.dataset)
        chosen = dataset.indices.tolist()
        return [keys[index] for index in chosen], [sizes[index] for index in chosen]
    return [dataset.name(index) for index in range(len(dataset))], [-1] * len(dataset)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _lines(listing: bytes) -> Iterator[str]:
    """Yield the rows of a listing, up to where it is damaged."""
    try:
        with gzip.open(io.BytesIO(listing), "rt", encoding="utf-8") as file:
            while line := file.readline(_LONGEST_ROW):
                yield line.removesuffix("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return


def _fields(row: str) -> tuple[str, str, str]:
    """Return size, class and name of an image."""
    size, _, more = row.partition("\t")
    label, _, key = more.partition("\t")
    return size, label, key


def _described(row: str | None) -> str:
    if row is None:
        return "none"
    size, label, key = _fields(row)
    return f"{key} (class {label}{f', {size} bytes' if size != '-1' else ''})"


def _cut(row: str | None, longest: int = 100) -> str:
    text = row or "none"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
