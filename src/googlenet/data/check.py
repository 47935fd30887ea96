"""What is wrong with a data set: everything is read once, and what would spoil or bias a training is listed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from googlenet.data.dataset import Dataset
from googlenet.data.plausibility import doubts, one_class
from googlenet.data.pool import default_workers
from googlenet.errors import InputError
from googlenet.images.decoding import open_picture

__all__ = ["Checked", "DataCheck", "Duplicates", "Images", "Look", "PartCheck", "SizeRange", "check", "look_through"]
__all__ += ["size_ranges"]

_AT_ONCE = 256  # images that are handed to the threads together


@dataclass(frozen=True)
class SizeRange:
    """Of the widths or heights of all readable images, in pixels."""

    smallest: int
    median: int
    largest: int


@dataclass(frozen=True)
class PartCheck:
    """One data set: counts by class id, and what cannot be read."""

    images: int
    images_of_class: dict[str, int]
    bad_images: tuple[tuple[str, str], ...]
    """(name, reason)"""
    width: SizeRange | None
    height: SizeRange | None
    doubts: tuple[str, ...] = ()
    """What about the classes was probably not meant."""

    @property
    def empty_classes(self) -> tuple[str, ...]:
        return tuple(name for name, count in self.images_of_class.items() if count == 0)

    @property
    def imbalance(self) -> float:
        """How many times as many images the largest class has as the smallest that has any."""
        counts = [count for count in self.images_of_class.values() if count]
        return max(counts) / min(counts) if counts else 1.0


@dataclass(frozen=True)
class Duplicates:
    """Images whose files are the same bytes, by name, and the class ids under which they stand."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    in_training_and_validation: bool

    @classmethod
    def of(cls, parts: "Sequence[Images]", places: "Sequence[Place]", classes: Iterable[str] = ()) -> Self:
        """Return the group of the images at `places` in one or several parts."""
        names = tuple(parts[number].name(index) for number, index in places)
        return cls(names, tuple(classes), len({number for number, _ in places}) > 1)

    @property
    def contradict(self) -> bool:
        return len(set(self.classes)) > 1

    @property
    def line(self) -> str:
        """The group in words, with the first few of its names."""
        where = "in training and validation" if self.in_training_and_validation else "twice or more"
        classes = list(dict.fromkeys(self.classes))
        contradiction = f", as {_some(classes, ' and ')}" if self.contradict else ""
        return f"the same image {where}{contradiction}: {_some(self.names, ', ')}"


Part = TypeVar("Part")


@dataclass(frozen=True)
class Checked(Generic[Part]):
    """All that was found in one or two parts; `problems` says it in lines."""

    training: Part
    validation: Part | None
    duplicates: tuple[Duplicates, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing that is wrong, the gravest first; empty if nothing is."""
        return tuple(line for lines in self.problems_by_kind for line in lines)

    @property
    def problems_by_kind(self) -> tuple[tuple[str, ...], ...]:
        """The `problems`, those of one kind together."""
        return tuple(tuple(lines) for lines in self._kinds() if lines)

    @property
    def _parts(self) -> list[tuple[str, Part]]:
        """Each part, and what stands before what is said of it."""
        return [("", self.training)] + ([("validation: ", self.validation)] if self.validation else [])

    def _kinds(self) -> Iterable[Sequence[str]]:
        raise NotImplementedError


@dataclass(frozen=True)
class DataCheck(Checked[PartCheck]):
    """All that was found in images of classes."""

    def _kinds(self) -> Iterable[Sequence[str]]:
        for prefix, part in self._parts:
            yield [f"{prefix}{doubt}" for doubt in part.doubts]
            yield [f"{prefix}{reason}" for _, reason in part.bad_images]
            yield [f"{prefix}class {name} has no images" for name in part.empty_classes]
        for both, contradict in ((True, True), (True, False), (False, True), (False, False)):
            groups = [d for d in self.duplicates if (d.in_training_and_validation, d.contradict) == (both, contradict)]
            yield [group.line for group in groups]
        for prefix, part in self._parts:
            if part.imbalance >= 10:
                yield [f"{prefix}the largest class has {part.imbalance:.0f} times the images of the smallest"]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""

        def part(one: PartCheck) -> dict[str, Any]:
            return asdict(one) | {"empty_classes": list(one.empty_classes), "imbalance": one.imbalance}

        return {
            "training": part(self.training),
            "validation": part(self.validation) if self.validation else None,
            "duplicates": [asdict(group) | {"contradict": group.contradict} for group in self.duplicates],
            "problems": list(self.problems),
        }


def check(
    training: Dataset,
    validation: Dataset | None = None,
    progress: Callable[[int], None] = lambda images: None,
    source: str = "the training images",
) -> DataCheck:
    """Read and decode every image once, in threads; `progress` is told how many more were done.

    `source` is what the training images were opened from.
    """
    parts = [part for part in (training, validation) if part is not None]
    looks, groups = look_through(parts, progress)
    checks = [_summarise(part, own) for part, own in zip(parts, looks, strict=True)]
    only = one_class(training, source)
    checks[0] = replace(checks[0], doubts=(*([only] if only else []), *doubts(training, source)))
    duplicates = tuple(
        Duplicates.of(parts, group, [parts[number].classes[parts[number].labels[index]].id for number, index in group])
        for group in groups
    )
    return DataCheck(checks[0], checks[1] if validation else None, duplicates)


class Images(Protocol):
    """What of a data set is looked at: a `Dataset`, or one with annotated objects."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Return an image's file."""
        ...

    def name(self, index: int) -> str:
        """Return what it is called."""
        ...


@dataclass(frozen=True)
class Look:
    """What an image is: the digest of its file, its size upright, and EXIF's orientation."""

    digest: bytes
    size: tuple[int, int]
    """width, height; zero where it cannot be read"""
    reason: str
    """why it cannot; else empty"""
    orientation: int = 1


Place = tuple[int, int]
"""The number of a part, and that of an image in it."""


def look_through(
    parts: Sequence[Images], progress: Callable[[int], None]
) -> tuple[list[list[Look]], list[list[Place]]]:
    """Read every image of each part once; return what each is, and which are the same files, as groups of places."""
    looks: list[list[Look]] = []
    seen: dict[bytes, list[Place]] = {}
    for number, part in enumerate(parts):
        looks.append([])
        for index, look in enumerate(_looks(part)):
            looks[-1].append(look)
            if look.digest:
                seen.setdefault(look.digest, []).append((number, index))
            progress(1)
    return looks, [places for places in seen.values() if len(places) > 1]


def _looks(dataset: Images) -> Iterator[Look]:
    """Read and decode every image once, in threads; yield in order what each is."""
    with ThreadPoolExecutor(default_workers() + 1) as threads:
        for start in range(0, len(dataset), _AT_ONCE):
            indices = range(start, min(start + _AT_ONCE, len(dataset)))
            yield from threads.map(lambda index: _look_at(dataset, index), indices)


def _look_at(dataset: Images, index: int) -> Look:
    digest = b""
    try:
        data = dataset.read(index)
        digest = blake2b(data, digest_size=16).digest()
        picture = open_picture(data, dataset.name(index))
        decoded = picture.decoded()
        return Look(digest, (decoded.width, decoded.height), "", picture.orientation)
    except InputError as error:
        return Look(digest, (0, 0), str(error))


def _summarise(dataset: Dataset, looks: list[Look]) -> PartCheck:
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes)).tolist()
    bad = tuple((dataset.name(index), look.reason) for index, look in enumerate(looks) if look.reason)
    width, height = size_ranges(looks)
    of_class = {c.id: count for c, count in zip(dataset.classes, counts, strict=True)}
    return PartCheck(len(dataset), of_class, bad, width, height)


def size_ranges(looks: Sequence[Look]) -> tuple[SizeRange | None, SizeRange | None]:
    """Return the ranges of width and height of the readable images; None where there are none."""
    sizes = np.array([look.size for look in looks if not look.reason])
    if not len(sizes):
        return None, None
    width, height = (SizeRange(int(side.min()), int(np.median(side)), int(side.max())) for side in sizes.T)
    return width, height


def _some(names: Sequence[str], separator: str, limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return separator.join(names[:limit]) + more
