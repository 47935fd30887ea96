"""Two halves of annotated pictures in which every class has about as many objects, as R-CNN halved ILSVRC's `val`.

The imbalance of a class is |a - b| / (a + b), a and b being its objects in the two halves. Pictures are dealt cluster
by cluster (those whose rarest class is the same), then a random local search moves and swaps pictures of the worst
class; of several such halvings the one with the smallest largest imbalance is taken.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.randomness import generator

__all__ = ["balanced_halves", "imbalances"]

_HALVINGS = 4
_MOST_STEPS = 2000
_MOVABLE, _PARTNERS = 128, 16
"""How many pictures of the worst class are tried in a step, and of the other half as partners of a swap."""


def balanced_halves(counts: NDArray[np.integer], seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the pictures of each half, ascending; `counts` [N, classes] are objects of each class.

    The same for the same counts and seed. The pictures themselves are balanced as if they were a class.
    """
    table = np.concatenate([counts, np.ones((len(counts), 1), counts.dtype)], 1).astype(np.float64)
    sides = []
    for halving in range(_HALVINGS):
        random = generator(seed, "halves", halving)
        sides.append(_search(table, _deal(table, random), random))
    side = min(sides, key=lambda side: _judge(table.T @ side, table.sum(0)))
    return np.flatnonzero(side > 0), np.flatnonzero(side < 0)


def imbalances(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return |a - b| / (a + b) of each class, given objects of each class in the halves; 0 for a class without any."""
    total = first + second
    return np.abs(first - second) / np.maximum(total, 1)


def _deal(table: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """The side of each picture, 1 or -1: the pictures of a cluster in random order, each to where it balances more."""
    totals = table.sum(0)
    rarest = np.where(table > 0, totals, np.inf).argmin(1)
    order = np.lexsort((random.random(len(table)), totals[rarest]))
    side, difference, weight = np.empty(len(table)), np.zeros(len(totals)), 1 / np.maximum(totals, 1)
    for picture in order:
        pull = (difference * weight**2) @ table[picture]
        side[picture] = -1 if pull > 0 else 1
        difference += side[picture] * table[picture]
    return side


def _search(table: NDArray[np.float64], side: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Move or swap pictures that have the worst class for as long as that lessens the imbalance."""
    totals = table.sum(0)
    difference = table.T @ side
    for _ in range(_MOST_STEPS):
        now = _judge(difference, totals)
        worst = int(_shares(difference, totals).argmax())
        heavy = np.sign(difference[worst])
        movable = random.permutation(np.flatnonzero((side == heavy) & (table[:, worst] > 0)))[:_MOVABLE]
        if not len(movable):
            break
        partners = random.permutation(np.flatnonzero(side == -heavy))[:_PARTNERS]
        changes = [-2 * heavy * table[movable]]
        changes += [-2 * heavy * (table[movable] - table[partner]) for partner in partners]
        best, chosen = now, None
        for partner, change in zip([None, *partners.tolist()], changes, strict=True):
            largest, sums = _judge_all(difference + change, totals)
            place = int(np.lexsort((sums, largest))[0])
            if (largest[place], sums[place]) < best:
                best, chosen = (float(largest[place]), float(sums[place])), (int(movable[place]), partner)
        if chosen is None:
            break
        mover, partner = chosen
        side[mover] = -heavy
        difference -= 2 * heavy * table[mover]
        if partner is not None:
            side[partner] = heavy
            difference += 2 * heavy * table[partner]
    return side


def _judge(difference: NDArray[np.float64], totals: NDArray[np.float64]) -> tuple[float, float]:
    """The largest imbalance, and the sum of their squares, which tells halvings of the same largest one apart."""
    largest, sums = _judge_all(difference[None], totals)
    return float(largest[0]), float(sums[0])


def _judge_all(
    differences: NDArray[np.float64], totals: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shares = _shares(differences, totals)
    return shares.max(1), np.square(shares).sum(1)


def _shares(differences: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The imbalance of each class beyond the one object that an odd number cannot be without."""
    return np.maximum(np.abs(differences) - totals % 2, 0) / np.maximum(totals, 1)
