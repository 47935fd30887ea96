"""How well a share, or a mean over images, is known from so many of them."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from googlenet.randomness import generator

__all__ = ["bootstrap_interval", "share_interval"]

LEVEL = 0.95

_REACH = float(ndtri((1 + LEVEL) / 2))
"""Standard deviations of a normal distribution that hold this share of it, to either side."""


def share_interval(right: int, images: int) -> tuple[float, float] | None:
    """Return Wilson's 95 % interval of right / images; None without images."""
    if not images:
        return None
    # scipy has it behind a test of the share, hundreds of times slower; a report asks for every class of every row.
    squared = _REACH**2
    middle = (right + squared / 2) / (images + squared)
    half = _REACH * sqrt(right * (images - right) / images + squared / 4) / (images + squared)
    return (0.0 if right == 0 else middle - half), (1.0 if right == images else middle + half)


def bootstrap_interval(
    values: NDArray[np.number], resamples: int = 10_000, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the mean of `values` [N], one an image; None without images.

    Images are drawn with replacement, `resamples` times. For a difference, `values` are the images' differences: then
    both of a pair are drawn together. The order of the images does not matter.
    """
    if not len(values):
        return None
    means = _resampled_means(np.sort(values).astype(np.float64), resamples, generator(seed, "bootstrap"))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


_FEW = 16
"""Distinct values whose counts are drawn at once, where drawing each image would take long."""

_AT_ONCE = 1 << 22
"""Images that are drawn together, which bounds the memory."""


def _resampled_means(values: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    images = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= _FEW:
        return random.multinomial(images, counts / images, resamples) @ distinct / images
    means = np.empty(resamples)
    rows = max(1, _AT_ONCE // images)
    for start in range(0, resamples, rows):
        part = means[start : start + rows]
        part[:] = values[random.integers(0, images, (len(part), images))].mean(axis=1)
    return means
