"""A run goes on with the data that it began with, also where some of their images were taken away since."""

from collections.abc import Mapping
from dataclasses import replace

from googlenet.data.dataset import Dataset
from googlenet.data.identity import MOST_GONE, rest
from googlenet.data.remaining import Remaining
from googlenet.training.setup import Setup

__all__ = ["as_begun"]


def as_begun(setup: Setup, listings: Mapping[str, bytes]) -> tuple[Setup, list[str]]:
    """Return the setup with the images as they were listed when the run began, and a line for each set that lacks some.

    Those that are gone are passed over. Sets that differ in another way, or of which more than `MOST_GONE` is gone,
    stay as they are, for the run's folder to refuse.
    """
    sets: dict[str, Dataset | None] = {"data": setup.data, "validation": setup.validation}
    identities, origin, told = dict(setup.identities), dict(setup.origin), []
    for name, dataset in sets.items():
        if dataset is None or listings.get(name) in (None, identities[name].listing):
            continue
        left = rest(listings[name], identities[name])
        if left is None or not 0 < len(left.gone) <= MOST_GONE * len(left.places):
            continue
        sets[name] = found = Remaining(dataset, left)
        identities[name] = left.whole
        origin[name] = {**origin[name], "images": left.whole.images, "sha256": left.whole.sha256}
        first, *others = found.gone.values()
        more = f" and {len(others):,} more" if others else ""
        told.append(f"{name}: taken away since the run began, and left out from here on: {first}{more}")
    assert sets["data"] is not None
    return replace(setup, data=sets["data"], validation=sets["validation"], identities=identities, origin=origin), told
