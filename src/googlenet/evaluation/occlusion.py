"""What a network loses sight of when a grey square covers a part of the picture (Zeiler and Fergus, 2014)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from googlenet.inference.predictor import Predictor

__all__ = ["Occlusion", "occlude", "places"]

MOST_PLACES = 14
"""Places of the square along each side, at most: the grid of the paper's modules 4a to 4e."""

SQUARE = 0.2
"""Its side, as a share of the picture's."""


@dataclass(frozen=True, eq=False)
class Occlusion:
    """How sure the network is of a class with the square at each place of a grid.

    Log-odds are log p / (1 - p) of its probability p: unlike p they move also where the network is very sure.
    """

    square: tuple[int, int]
    """Height and width, pixels of the crop; at the crop's border it is cut."""
    whole: float
    """The log-odds with nothing covered."""
    log_odds: NDArray[np.float32]
    """[rows, columns]; the square's centre is that of the grid's cell."""

    @property
    def lost(self) -> NDArray[np.float32]:
        """The log-odds that are lost at each place; negative where what is covered spoke against the class."""
        return np.float32(self.whole) - self.log_odds

    @property
    def probability(self) -> NDArray[np.float32]:
        """The probability of the class with the square at each place."""
        return expit(self.log_odds)


def occlude(
    predictor: Predictor, crop: NDArray[np.uint8], index: int, done: Callable[[int], object] = lambda images: None
) -> Occlusion:
    """Return how sure the network is of class `index` where a square of `crop` is grey.

    `crop` is uint8 [height, width, 3], as the network takes it. Grey is the mean colour that the network's pixels
    subtract: it sees 0 there. `done` is told how many pictures have gone through the network, batch by batch.
    """
    height, width = crop.shape[:2]
    down, across = _covered(height), _covered(width)
    cells = list(np.ndindex(places((height, width))))
    found = [_log_odds(predictor, crop, np.zeros((1, height, width), bool), index)]
    for start in range(0, len(cells), predictor.batch_size):
        rows, columns = np.transpose(cells[start : start + predictor.batch_size])
        found.append(_log_odds(predictor, crop, down[rows][:, :, None] & across[columns][:, None, :], index))
        done(len(rows))
    whole, *covered = np.concatenate(found).tolist()
    grid = np.array(covered, np.float32).reshape(len(down), len(across))
    return Occlusion((_side(height), _side(width)), whole, grid)


def places(size: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of the grid of places, for a crop of `size` (height, width)."""
    return min(MOST_PLACES, size[0]), min(MOST_PLACES, size[1])


def _log_odds(predictor: Predictor, crop: NDArray[np.uint8], mask: NDArray[np.bool_], index: int) -> NDArray:
    logits = predictor(np.broadcast_to(crop, (len(mask), *crop.shape)), mask).double()
    if logits.shape[1] == 1:  # then there is nothing else that it could be
        return logits[:, 0].numpy()
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return (logits[:, index] - others.logsumexp(dim=1)).numpy()


def _covered(length: int) -> NDArray[np.bool_]:
    """Return which pixels of an axis the square covers at each place, bool [places, length]."""
    count, _ = places((length, length))
    begin = ((2 * np.arange(count) + 1) * length // count - _side(length)) // 2
    pixels = np.arange(length)
    return (pixels >= begin[:, None]) & (pixels < begin[:, None] + _side(length))


def _side(length: int) -> int:
    return max(1, round(SQUARE * length))
