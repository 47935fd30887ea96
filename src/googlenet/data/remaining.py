"""Data from which some images were taken away since a listing of them was kept: the others keep their numbers.

Order, draws and samples then stay those of the whole, and what is gone counts as images that cannot be read.
"""

import os

from googlenet.data.dataset import Dataset
from googlenet.data.identity import Rest
from googlenet.errors import InputError
from googlenet.images.finding import display_name

__all__ = ["Remaining", "TakenAway"]


class TakenAway(InputError):  # noqa: N818  it is what happened, not a fault of the package
    """An image is no longer there, which is known and was said: it is passed over."""


class Remaining:
    """`dataset` under the numbers, labels and length of the whole of which it is the `rest`."""

    def __init__(self, dataset: Dataset, rest: Rest) -> None:
        self.dataset, self.classes, self.labels = dataset, dataset.classes, rest.labels
        beginning = _beginning(dataset, rest)
        self.gone = {
            number: os.path.join(beginning, key)  # noqa: PTH118  a list's key may be a whole path
            for number, key in rest.gone.items()
        }
        """The names of the images that are not there, by number."""
        self._places = rest.places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, index: int) -> bytes:
        if index in self.gone:
            raise TakenAway(f"{display_name(self.gone[index])}: taken away since the run began")
        return self.dataset.read(int(self._places[index]))

    def name(self, index: int) -> str:
        return self.gone[index] if index in self.gone else self.dataset.name(int(self._places[index]))


def _beginning(dataset: Dataset, rest: Rest) -> str:
    """Return what the names of this data set have before their keys."""
    name = dataset.name(0)
    return name.removesuffix(rest.first) if name.endswith(rest.first) else ""
