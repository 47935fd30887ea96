"""Proposals of many pictures by several sources, in threads, in the order of the pictures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.proposals.cache import ProposalCache, digest_of
from googlenet.detection.proposals.sources import Found, Source
from googlenet.detection.proposals.union import union
from googlenet.errors import InputError
from googlenet.images.reading import Kept, read_prepared

__all__ = ["Proposals", "propose"]


@dataclass(frozen=True)
class Proposals:
    """What each source proposes for a picture of `size` (width, height), upright."""

    size: tuple[int, int]
    parts: tuple[Found, ...]

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values of the union; `names` are those of the sources."""
        rows = zip(*(values.tolist() for values in union(self.parts)), strict=True)
        found = [{"box": box, "source": names[source], "score": score} for box, score, source in rows]
        return {"image": list(self.size), "proposals": found}


def propose(
    pictures: Iterable[tuple[str, Kept]], sources: Sequence[Source], cache: ProposalCache | None = None
) -> Iterator[tuple[str, Proposals | InputError]]:
    """Yield each picture's name with its proposals, or with the error that says why there are none."""
    return read_prepared(pictures, partial(_propose, sources=sources, cache=cache))


def _propose(image: NDArray[np.uint8], sources: Sequence[Source], cache: ProposalCache | None) -> Proposals:
    height, width = image.shape[:2]
    if cache is None:
        return Proposals((width, height), tuple(source.propose(image) for source in sources))
    picture = digest_of(image)
    found = (cache.find(source, picture, partial(source.propose, image)) for source in sources)
    return Proposals((width, height), tuple(found))
