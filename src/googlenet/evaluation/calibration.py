"""Whether probabilities mean what they say: calibration, and the temperature that mends it.

A network is calibrated where, of all answers with a probability of 0.8, eight in ten are right.
"""

from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from googlenet.data.truths import Truths
from googlenet.errors import InputError

__all__ = [
    "LEAST_FOR_TEMPERATURE",
    "Bin",
    "Calibration",
    "calibration",
    "fit_temperature",
    "refuse_too_few",
    "tempered",
]

LEAST_FOR_TEMPERATURE = 50
"""Images from which a temperature can be fitted."""


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies in (low, high]; one of 0 lies in the first bin."""

    low: float
    high: float
    images: int
    accuracy: float | None
    """The share of them that is right; None where there are none."""
    confidence: float | None
    """Their mean probability."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of the answers are from the shares that are right; `bins` is a reliability diagram."""

    bins: tuple[Bin, ...]
    """Equally wide, from 0 to 1."""
    ece: float
    """Expected calibration error: the mean difference between accuracy and confidence in `bins`, by images."""
    equal_mass_ece: float
    """The same over as many bins with equally many images; equal probabilities are in one bin."""
    nll: float
    """Mean negative log likelihood of the truth."""
    brier: float
    """Mean squared distance to the truth, 0 to 2."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"bins": [asdict(one) for one in self.bins]}


def calibration(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    losses: NDArray[np.floating],
    brier: NDArray[np.floating],
    bins: int = 15,
) -> Calibration:
    """Judge the probabilities of the first answers, `confidence` [N], by which of them were `right` [N].

    `losses` and `brier` [N] are those of `metrics`. All figures are 0 without images.
    """
    sure = confidence.astype(np.float64)
    edges = np.arange(bins + 1) / bins
    of_width = np.clip(np.searchsorted(edges, sure, "left") - 1, 0, bins - 1)
    below = np.searchsorted(np.sort(sure), sure, "left")  # how many images are less sure
    counts, accuracy, certainty = _means(of_width, sure, right, bins)
    found = tuple(
        Bin(float(low), float(high), count, rate if count else None, mean if count else None)
        for low, high, count, rate, mean in zip(
            edges, edges[1:], counts.tolist(), accuracy.tolist(), certainty.tolist(), strict=False
        )
    )
    return Calibration(
        found,
        _error(counts, accuracy, certainty),
        _error(*_means(below * bins // max(len(below), 1), sure, right, bins)),
        _mean(losses),
        _mean(brier),
    )


def fit_temperature(log_probabilities: NDArray[np.floating], truths: Truths) -> float:
    """Return the temperature by which `tempered` probabilities make the truths most likely.

    `log_probabilities` [N, C], such as the logits themselves, are of images that are not reported. `InputError` where
    they are too few, or so easy (or so hopeless) that the likelihood has no maximum within 1/20 to 20.
    """
    refuse_too_few(len(truths))

    def loss(log_temperature: float) -> float:
        return _loss(log_probabilities, truths, exp(log_temperature))

    ends = (-log(_MOST), log(_MOST))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-4})
    if found.fun >= min(map(loss, ends)):
        raise InputError(
            f"temperature: the {len(truths)} images give no finite one (all are right, or the answers say nothing); "
            "fit it on others"
        )
    return exp(found.x)


def refuse_too_few(images: int) -> None:
    """Raise `InputError` where a temperature cannot be fitted on so few images."""
    if images < LEAST_FOR_TEMPERATURE:
        raise InputError(f"temperature: {images} images are too few to fit it; give at least {LEAST_FOR_TEMPERATURE}")


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return p^(1/T) / sum, of probabilities [..., C]. The answers stay in the same order, ties included.

    In float64, where float32 probabilities that differ go on to differ, but for those so small that they become 0.
    """
    largest = probabilities.max(axis=-1, keepdims=True)
    powers = (probabilities.astype(np.float64) / largest) ** (1 / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


_MOST = 20.0
"""The highest temperature, and 1 / the lowest."""

_LEAST_LOG = -104.0
"""Of a probability beside the largest; float32 has none below."""

_ROWS = 4096
"""Images whose likelihood is computed at once, which bounds the memory."""


def _means(
    bin_of: NDArray[np.integer], confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Images, share of right ones and mean confidence of each bin."""
    counts = np.bincount(bin_of, minlength=bins)
    some = np.maximum(counts, 1)
    return counts, np.bincount(bin_of, right, bins) / some, np.bincount(bin_of, confidence, bins) / some


def _error(counts: NDArray[np.int64], accuracy: NDArray[np.float64], confidence: NDArray[np.float64]) -> float:
    return float((counts * np.abs(accuracy - confidence)).sum() / max(counts.sum(), 1))


def _mean(values: NDArray[np.floating]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def _loss(log_probabilities: NDArray[np.floating], truths: Truths, temperature: float) -> float:
    """Mean negative log likelihood of the truths at a temperature."""
    total = 0.0
    for start in range(0, len(truths), _ROWS):
        of_rows = truths[start : start + _ROWS]
        scores = log_probabilities[start : start + _ROWS].astype(np.float64)
        scores = np.maximum(scores - scores.max(axis=1, keepdims=True), _LEAST_LOG) / temperature
        right = np.logaddexp.reduceat(scores[of_rows.images, of_rows.classes], of_rows.starts[:-1])
        total += float((np.log(np.exp(scores).sum(axis=1)) - right).sum())
    return total / len(truths)
