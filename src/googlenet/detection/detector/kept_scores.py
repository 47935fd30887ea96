"""The scores of a picture's boxes that were computed once, on the disk: another choice among them costs no network.

A file for each picture holds how many numbers a row has, then rows of a box, its scores and, where a regression moves
boxes, where it is for each class: float64.
"""

import hashlib
from pathlib import Path

import numpy as np

from googlenet.detection.proposals.cache import digest_of
from googlenet.detection.regions.scoring import Boxed, Scored
from googlenet.errors import BrokenOff, InputError
from googlenet.files import atomic_write

__all__ = ["KeptScores"]


class KeptScores:
    """A folder of scores of so many `classes`; `of` says all that they depend on beside pixels and boxes."""

    def __init__(self, folder: Path, of: str, classes: int) -> None:
        self._folder, self._classes = folder / hashlib.sha256(of.encode()).hexdigest()[:16], classes

    def find(self, picture: Boxed) -> Scored | None:
        """Return a picture's scores where those of all its boxes are kept; None otherwise, or of a damaged file."""
        try:
            numbers = np.fromfile(self._path(picture), "<f8")
        except OSError:
            return None
        with_places, without = 4 + 5 * self._classes, 4 + self._classes
        if not len(numbers) or numbers[0] not in (with_places, without) or (len(numbers) - 1) % int(numbers[0]):
            return None
        rows = numbers[1:].reshape(-1, int(numbers[0]))
        known = {tuple(box): place for place, box in enumerate(rows[:, :4].tolist())}
        places = [known.get(tuple(box), -1) for box in picture.boxes.tolist()]
        if -1 in places:
            return None
        chosen = rows[places]
        scores, moved = chosen[:, 4 : 4 + self._classes], chosen[:, 4 + self._classes :]
        boxes = moved.reshape(-1, self._classes, 4) if moved.shape[1] else picture.boxes
        return Scored(picture, scores, boxes)

    def keep(self, scored: Scored) -> None:
        """Keep a picture's scores; raises `BrokenOff` where they cannot be written."""
        boxes = scored.picture.boxes
        moved = [scored.boxes.reshape(len(boxes), -1)] if scored.boxes.ndim == 3 else []
        rows = np.concatenate([boxes, scored.scores, *moved], axis=1)
        try:
            with atomic_write(self._path(scored.picture)) as file:
                file.write(np.concatenate([[rows.shape[1]], rows.ravel()]).astype("<f8").tobytes())
        except InputError as error:
            raise BrokenOff(str(error)) from error

    def _path(self, picture: Boxed) -> Path:
        assert not isinstance(picture.image, InputError)
        name = digest_of(picture.image)
        return self._folder / name[:2] / f"{name}.scores"
