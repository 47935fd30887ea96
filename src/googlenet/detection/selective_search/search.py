"""Selective Search of a picture: resized, segmented and grouped in every strategy, ranked together, mapped back."""

import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet.detection.boxes import Boxes
from googlenet.detection.selective_search.colour import to_space
from googlenet.detection.selective_search.features import describe
from googlenet.detection.selective_search.grouping import Hierarchy, group
from googlenet.detection.selective_search.ranking import candidates, rank
from googlenet.detection.selective_search.resizing import MOST_PIXELS, resize, working_size
from googlenet.detection.selective_search.segmentation import segment
from googlenet.detection.selective_search.settings import VERSIONS, Settings
from googlenet.errors import InputError

__all__ = ["Proposals", "SelectiveSearch"]

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class Proposals:
    """Where objects may lie in a picture, the best first; N of them, at least one."""

    boxes: Boxes
    """float64 [N, 4], as `googlenet.detection.boxes` has them; no two are the same"""
    scores: NDArray[np.float64]
    """[N], the share of the proposals that do not come before: 1 for the first, 1 / N for the last"""
    searched: tuple[int, int]
    """(height, width) at which the picture was searched"""


class SelectiveSearch:
    """Proposals that depend on pixels and settings alone, in whichever thread, process or order they are asked for."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def propose(self, image: NDArray[np.uint8]) -> Proposals:
        """Return the proposals of an RGB picture, uint8 [h, w, 3], of any size and shape.

        A picture that would be searched at more than `MOST_PIXELS` is searched at a smaller size, which the log says.
        Raises `InputError` for an array that is no such picture.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(f"a picture is uint8 [height, width, 3], found {image.dtype} {list(image.shape)}")
        height, width = image.shape[:2]
        size = working_size(height, width, self.settings.width)
        _tell_of_the_limit(size, height, width, self.settings.width)
        pixels = resize(image, *size)
        found = [candidates(hierarchies) for hierarchies in self._hierarchies(pixels)]
        boxes, priorities = (np.concatenate(parts) for parts in zip(*found, strict=True))
        ranked = rank(boxes, priorities, size, self.settings.seed, _index_of(pixels))
        factors = np.array([width / size[1], height / size[0]] * 2)
        scores = 1 - np.arange(len(ranked)) / len(ranked)
        return Proposals(ranked * factors, scores, size)

    def propose_all(self, images: Iterable[NDArray[np.uint8]], threads: int = 1) -> Iterator[Proposals]:
        """Yield the proposals of pictures in their order, several at once; pictures are taken as threads come free."""
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[Future[Proposals]] = deque()
            for image in images:
                waiting.append(pool.submit(self.propose, image))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _hierarchies(self, pixels: NDArray[np.uint8]) -> Iterator[list[Hierarchy]]:
        """Those of each colour space and scale."""
        version = VERSIONS[self.settings.version]
        for space in version.spaces:
            planes = to_space(pixels, space)
            codes = describe(planes)
            for labels in segment(planes, self.settings.scales):
                yield group(labels, codes, version.similarities)


def _tell_of_the_limit(size: tuple[int, int], height: int, width: int, wanted: int | None) -> None:
    if size[1] != (wanted or width):
        log.info(
            "Selective Search: a picture of %d x %d is searched at %d x %d, %.1f megapixels being the most",
            *(width, height, size[1], size[0], MOST_PIXELS / 1e6),
        )


def _index_of(pixels: NDArray[np.uint8]) -> int:
    """A number of the picture for its random numbers: the same pixels are ranked the same, whatever they are called."""
    digest = hashlib.blake2b(str(pixels.shape).encode() + pixels.tobytes(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")
