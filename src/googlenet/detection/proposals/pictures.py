"""The pictures for which boxes are proposed: files that were named, or those of a data set with annotated objects."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from googlenet.detection.annotations import AnnotatedImages, Objects
from googlenet.errors import InputError
from googlenet.images.finding import display_name
from googlenet.images.reading import Kept

__all__ = ["Pictures"]


class Pictures:
    """Pictures by number: `paths`, or all of `truth`; with both those of `truth` that have the names of `paths`.

    Raises `InputError` for a path whose name no picture, or several, of `truth` have.
    """

    def __init__(self, paths: Sequence[Path] | None, truth: AnnotatedImages | None = None) -> None:
        self.truth = truth
        self._indices: Sequence[int] = ()
        self._paths: Sequence[Path] = paths or ()
        if truth is not None:
            self._indices = range(len(truth)) if paths is None else _matched(paths, truth)
            self._paths = [Path(truth.name(index)) for index in self._indices]

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[tuple[str, Kept]]:
        for place, path in enumerate(self._paths):
            yield self.name(place), path if self.truth is None else _read(self.truth, self._indices[place])

    def name(self, place: int) -> str:
        """Return a picture's path as it is."""
        return str(self._paths[place])

    def folders(self) -> set[Path]:
        """Return where the pictures lie, without links."""
        return {folder.resolve() for folder in {path.parent for path in self._paths}}

    def objects(self, place: int) -> Objects | None:
        """Return what is annotated in a picture; None without annotations, `InputError` where they cannot be read."""
        return None if self.truth is None else self.truth.objects(self._indices[place])


def _matched(paths: Sequence[Path], truth: AnnotatedImages) -> list[int]:
    """The numbers of the pictures that have the same path, or else the same name."""
    by_name: dict[str, list[int]] = {}
    for index in range(len(truth)):
        for key in {truth.name(index), Path(truth.name(index)).name}:
            by_name.setdefault(key, []).append(index)
    found = []
    for path in paths:
        indices = by_name.get(str(path.resolve())) or by_name.get(path.name, [])
        if len(indices) != 1:
            told = (
                f"{len(indices)} annotated pictures are called so" if indices else "no annotated picture is called so"
            )
            raise InputError(f"{display_name(path)}: {told}; leave it out, or give other annotations")
        found.append(indices[0])
    return found


def _read(truth: AnnotatedImages, index: int) -> Kept:
    try:
        return truth.read(index)
    except InputError as error:
        return error
