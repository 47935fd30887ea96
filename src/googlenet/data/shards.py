"""Tar shards as WebDataset has them: members `KEY.jpg` and `KEY.cls`, neighbours, the class as text in the latter.

Shards are local files or lie behind any URL that fsspec opens; `.tar.gz`, `.tgz` and remote ones are streamed once into
the user's cache folder, remote ones that several machines share only as far as they are needed (`shard_file`). Each
image is read from its place, in any order, so that a run can begin anywhere.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from googlenet.data.index import Index, Names, content_of, index_file
from googlenet.data.labels import labels_of, match
from googlenet.data.remote import expand, fetch, is_url, source_name
from googlenet.data.shard_file import ShardFile, shard_file
from googlenet.data.tar import Member, Readable, members
from googlenet.errors import InputError
from googlenet.images.content import MAXIMUM_BYTES
from googlenet.images.finding import ENDINGS, display_name, left_out
from googlenet.weights.classes import Class, read_classes

__all__ = ["Shards"]

_LONGEST_LABEL = 1000

_AT_A_TIME = 16
"""Remote shards that are asked for at a time, each of whose headers waits for the one before."""


class Shards:
    """The images of all shards that `pattern` names, in the order of the shards and their members; a `Dataset`.

    `pattern` is a path or URL, with `{0000..0009}`, `{a,b}`, `*` or `?` where there are several. What `.cls` members
    hold is a label (see `labels`) of the classes in `classes.txt` beside the first shard, which are matched to
    `classes` by id where both are there; without that file, of `classes`. `bare_numbers`: whether the labels are
    numbers that no class list explains. `several_truths` is as for a `ListFile`.
    """

    def __init__(self, pattern: str, classes: tuple[Class, ...] | None = None, several_truths: bool = False) -> None:
        shards = expand(pattern)
        first = shard_file(shards[0])  # what is wrong with its place is said of the name that was given
        beside = _classes_beside(shards[0])
        self._names = [re.split(r"[/\\]", shard)[-1] for shard in shards]
        self._shown = [source_name(shard) for shard in shards]
        with ThreadPoolExecutor(_AT_A_TIME if is_url(shards[0]) else 1) as threads:
            self._files = [first, *threads.map(shard_file, shards[1:])]
            self._indexes = list(threads.map(_index, self._files, self._shown))
        counts = [len(index.arrays["offsets"]) for index in self._indexes]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        texts = dict[bytes, str]()  # each label once, of which there may be as many as images
        written = [
            texts.get(label) or texts.setdefault(label, os.fsdecode(label))
            for labels in map(_labels, self._indexes)
            for label in labels
        ]
        shown = source_name(pattern)
        self.classes, self.truths, self.bare_numbers = labels_of(
            written, self.name, beside or classes, shown, several_truths
        )
        if beside and classes:
            self.classes, self.truths = classes, self.truths.under(match([c.id for c in beside], classes, shown))
        self.labels = self.truths.first

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, index: int) -> bytes:
        shard, number = self._place(index)
        arrays = self._indexes[shard].arrays
        offset, length = int(arrays["offsets"][number]), int(arrays["lengths"][number])
        if length > MAXIMUM_BYTES:
            raise InputError(f"{self.name(index)}: larger than the {MAXIMUM_BYTES >> 20} MiB read of an image")
        try:
            return self._files[shard].read(offset, length)
        except OSError as error:
            raise InputError(f"{self.name(index)}: cannot be read ({error.strerror or error})") from error

    def name(self, index: int) -> str:
        shard, number = self._place(index)
        arrays = self._indexes[shard].arrays
        member = Names(arrays["names"], arrays["name_offsets"])[number]
        return f"{self._shown[shard]}: {os.fsdecode(member)}"

    def keys(self) -> Iterator[str]:
        """Yield shard and member of each image, the shard without its folder."""
        for path, index in zip(self._names, self._indexes, strict=True):
            members = Names(index.arrays["names"], index.arrays["name_offsets"])
            yield from (f"{path}: {os.fsdecode(member)}" for member in members)

    def sizes(self) -> NDArray[np.int64]:
        """Return how many bytes each image has: [N]."""
        return np.concatenate([index.arrays["lengths"] for index in self._indexes])

    def _place(self, index: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._starts, index, "right")) - 1
        return shard, index - int(self._starts[shard])


class _Sample(NamedTuple):
    image: Member
    label: bytes


def _index(shard: ShardFile, shown: str) -> Index:
    """Find the samples of a tar file: as remembered, if the file has not changed since, or from its headers."""
    try:
        size, stamp = shard.stamp()
        kept = index_file("shard", shard.place)
        index = Index.load(kept)
        if index and index.header.get("stamp") == stamp:
            return replace(index, again=partial(_index, shard, shown))
        with shard.scanned() as file:
            samples = list(_samples(file, size, shown))
    except OSError as error:
        raise InputError(f"{shown}: cannot be read ({error.strerror or error}); check the path") from error
    if not samples:
        raise InputError(f"{shown}: holds no images with .cls members; give other shards")
    names, labels = Names.of(s.image.name for s in samples), Names.of(s.label for s in samples)
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.array([s.image.offset for s in samples], np.int64),
        "lengths": np.array([s.image.length for s in samples], np.int64),
        "names": names.blob,
        "name_offsets": names.offsets,
        "labels": labels.blob,
        "label_offsets": labels.offsets,
    }
    found = Index({"identity": content_of(arrays), "stamp": stamp}, arrays).save(kept)
    return replace(found, again=partial(_index, shard, shown))


def _samples(file: Readable, size: int, shown: str) -> Iterator[_Sample]:
    """Gather neighbouring members of one key: the image and its label.

    A key may hold dots: it is what a `.cls` member has before its ending. Other members that begin with such a key and
    a dot (`KEY.mask.png`) belong to that sample and are not its image. What stands twice would be lost or joined with
    another sample, and is refused.
    """
    listed = [(member, *_key(member.name)) for member in members(file, size, shown) if not _hidden(member.name)]
    keys = {own for _, own, ending in listed if ending == b".cls"}
    key, image, label = b"", None, None
    seen: set[bytes] = set()
    for member, own, ending in listed:
        if own not in keys and (ending not in _IMAGES or any(before in keys for before in _shorter(own))):
            continue
        if own != key:
            yield from _sample(key, image, label, shown)
            key, image, label = own, None, None
            if key in seen:
                raise InputError(_twice(shown, key))
            seen.add(key)
        if ending == b".cls":
            if label is not None:
                raise InputError(_twice(shown, key))
            if member.length > _LONGEST_LABEL:
                raise InputError(f"{shown}: {_text(member.name)}: {member.length} bytes are no class; replace it")
            file.seek(member.offset)
            label = file.read(member.length).strip()
        elif ending in _IMAGES:
            if image is not None and member.name != image.name:
                pair = f"{_text(image.name)} and {_text(member.name)}"
                raise InputError(f"{shown}: two images under key {_text(key)}, {pair}; leave one out or rename it")
            if image is not None:
                raise InputError(_twice(shown, key))
            image = member
    yield from _sample(key, image, label, shown)


def _sample(key: bytes, image: Member | None, label: bytes | None, shown: str) -> Iterator[_Sample]:
    if image is None and label is None:
        return
    if image is None or not label:
        missing = ".cls member with its class" if image else "image"
        raise InputError(f"{shown}: sample {_text(key)} has no {missing}; add it, or leave the sample out")
    yield _Sample(image, label)


def _twice(shown: str, key: bytes) -> str:
    return f"{shown}: key {_text(key)} stands twice; give each sample a key of its own, or write the shard again"


_IMAGES = frozenset(os.fsencode(ending) for ending in ENDINGS)


def _hidden(name: bytes) -> bool:
    """Whether a member was not put there by a person: macOS adds `._NAME` to each file, others add folders."""
    return any(left_out(os.fsdecode(part)) for part in name.split(b"/") if part not in (b".", b".."))


def _key(name: bytes) -> tuple[bytes, bytes]:
    """What a member's name has before its last dot, and its ending in small letters."""
    folder, slash, base = name.rpartition(b"/")
    stem, dot, ending = base.rpartition(b".")
    return (folder + slash + stem, (dot + ending).lower()) if dot else (name, b"")


def _shorter(key: bytes) -> Iterator[bytes]:
    """What a key has before each of its dots behind its last folder."""
    start = key.rfind(b"/") + 1
    return (key[:place] for place in range(start, len(key)) if key[place : place + 1] == b".")


def _labels(index: Index) -> Names:
    return Names(index.arrays["labels"], index.arrays["label_offsets"])


def _text(name: bytes) -> str:
    return display_name(os.fsdecode(name))


def _classes_beside(shard: str) -> tuple[Class, ...] | None:
    """The classes of `classes.txt` in the first shard's folder, None where there is no such file."""
    if is_url(shard):
        file = fetch(shard.rpartition("/")[0] + "/classes.txt", optional=True)
        return read_classes(file) if file else None
    place = Path(shard).parent / "classes.txt"
    return read_classes(place) if place.is_file() else None
