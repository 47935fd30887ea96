"""Hierarchical grouping: the two most similar neighbours become one region, until one is left (section 3.1 there).

Similarities are shares of what is alike, each from 0 to 1: colour and texture are intersections of histograms, size is
high for small regions, fill for those that close each other's gaps. Of pairs that are equally similar the one that
begins first in raster order is taken, so that labels in another order change nothing. A kernel groups
(`native/selective_search.cpp`), or, slowly, this file: similarities are quotients of whole numbers, added in one order,
and the hierarchies of both are the same.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from googlenet import native
from googlenet.detection.selective_search.features import Codes, Regions, measure
from googlenet.detection.selective_search.segmentation import Labels
from googlenet.detection.selective_search.settings import Term

__all__ = ["Hierarchy", "group"]


@dataclass(frozen=True)
class Hierarchy:
    """N regions and the N - 1 that were made of them; region N + m is what merge m made, the last is the picture."""

    merges: NDArray[np.int32]
    """[N - 1, 2]: which two, the one that begins first in raster order before the other"""
    boxes: NDArray[np.int32]
    """[2 N - 1, 4]: x0, y0, x1, y1, half-open"""


def group(labels: Labels, codes: Codes, similarities: Sequence[tuple[Term, ...]]) -> list[Hierarchy]:
    """Group the regions of a picture by each of `similarities`; each label from 0 to the largest is there."""
    if native.library() is not None:
        return _natively(labels, codes, similarities)
    regions = measure(labels, codes)
    return [_Grouping(regions, labels.size, terms).run() for terms in similarities]


def _natively(labels: Labels, codes: Codes, similarities: Sequence[tuple[Term, ...]]) -> list[Hierarchy]:
    regions, count = int(labels.max()) + 1, len(similarities)
    terms = np.array([sum(_FLAGS[term] for term in chosen) for chosen in similarities], np.int32)
    merges, boxes = np.empty((count, regions - 1, 2), np.int32), np.empty((count, 2 * regions - 1, 4), np.int32)
    pixels = (codes.ctypes.data, labels.ctypes.data, *labels.shape)
    results = (merges.ctypes.data, boxes.ctypes.data)
    native.call("group_regions", *pixels, regions, terms.ctypes.data, count, *results)
    return [Hierarchy(*pair) for pair in zip(merges, boxes, strict=True)]


_FLAGS: dict[Term, int] = {"colour": 1, "texture": 2, "size": 4, "fill": 8}


# --------------------------------------------------------------------------------------------------- without kernels


class _Grouping:
    """One hierarchy in the making: what is known of regions, by number, and a heap of pairs that may be joined."""

    def __init__(self, regions: Regions, pixels: int, terms: tuple[Term, ...]) -> None:
        self.count, self.pixels, self.terms = len(regions.sizes), pixels, terms
        self.neighbours = [set(near) for near in regions.neighbours]
        made = np.zeros(self.count - 1, np.int64)
        self.sizes, self.firsts = np.append(regions.sizes, made), np.append(regions.firsts, made)
        self.boxes, self.colours, self.textures = (
            np.concatenate([known, np.zeros((self.count - 1, known.shape[1]), np.int64)])
            for known in (regions.boxes, regions.colours, regions.textures)
        )
        self.heap: list[tuple[float, int, int, int, int]] = []

    def run(self) -> Hierarchy:
        for region in range(self.count):
            self.offer(region, [near for near in self.neighbours[region] if near > region])
        alive = set(range(self.count))
        merges: list[tuple[int, int]] = []
        while len(merges) < self.count - 1:
            *_, one, other = heapq.heappop(self.heap)
            if one in alive and other in alive:
                made = self.count + len(merges)
                merges.append((one, other))
                alive -= {one, other}
                alive.add(made)
                self.merge(made, one, other)
        return Hierarchy(np.array(merges, np.int32).reshape(-1, 2), self.boxes.astype(np.int32))

    def merge(self, made: int, one: int, other: int) -> None:
        pair = [one, other]
        for known in (self.sizes, self.colours, self.textures):
            known[made] = known[pair].sum(0)
        self.firsts[made] = self.firsts[one]
        self.boxes[made, :2] = self.boxes[pair, :2].min(0)
        self.boxes[made, 2:] = self.boxes[pair, 2:].max(0)
        near = (self.neighbours[one] | self.neighbours[other]) - {one, other}
        self.neighbours.append(near)
        for region in near:
            self.neighbours[region] -= {one, other}
            self.neighbours[region].add(made)
        self.offer(made, list(near))

    def offer(self, region: int, others: list[int]) -> None:
        """Put a region's pairs onto the heap, which hands out the smallest."""
        for other, similarity in zip(others, self.similarity(region, others).tolist(), strict=True):
            one, two = sorted((region, other), key=self.firsts.__getitem__)
            heapq.heappush(self.heap, (-similarity, int(self.firsts[one]), int(self.firsts[two]), one, two))

    def similarity(self, region: int, others: list[int]) -> NDArray[np.float64]:
        """[len(others)]; the terms are added in one order, as in the kernel."""
        total = np.zeros(len(others))
        size, sizes = self.sizes[region], self.sizes[others]
        for term, histograms, counts in (("colour", self.colours, 3), ("texture", self.textures, 24)):
            if term in self.terms:
                shared = np.minimum(histograms[region] * sizes[:, None], histograms[others] * size).sum(1)
                total += shared / (counts * (size * sizes))
        if "size" in self.terms:
            total += 1 - (size + sizes) / self.pixels
        if "fill" in self.terms:
            low = np.minimum(self.boxes[region, :2], self.boxes[others, :2])
            high = np.maximum(self.boxes[region, 2:], self.boxes[others, 2:])
            total += 1 - ((high - low).prod(1) - size - sizes) / self.pixels
        return total
