"""Two halves of annotated pictures in which every class has about as many objects, as R-CNN halved ILSVRC's `val`.

The imbalance of a class is |a - b| / (a + b), a and b being its objects in the two halves. Pictures are dealt cluster
by cluster (those whose rarest class is the same), then a random local search moves and swaps pictures of the worst
class; of several such halvings the one with the smallest largest imbalance is taken.
"""

import numpy as np
from numpy.typing import NDArray

from googlenet.randomness import generator

__all__ = ["balanced_halves", "imbalances"]

_HALVINGS = 3
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
    shares = [_shares(table.T @ side, table.sum(0)) for side in sides]
    side = sides[min(range(_HALVINGS), key=lambda halving: (shares[halving].max(), shares[halving].sum()))]
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
    """Move or swap pictures that have the worst class, or the next worst, for as long as some change helps."""
    totals = table.sum(0)
    difference = table.T @ side
    stuck = np.zeros(len(totals), np.bool_)
    for _ in range(_MOST_STEPS):
        shares = np.where(stuck, 0, _shares(difference, totals))
        worst = int(shares.argmax())
        if shares[worst] == 0:
            break
        heavy = np.sign(difference[worst])
        change = _best_change(table, side, difference, (worst, heavy), random)
        if change is None:
            stuck[worst] = True
            continue
        stuck[:] = False
        for picture in change:
            side[picture] *= -1
            difference += 2 * side[picture] * table[picture]
    return side


def _best_change(
    table: NDArray[np.float64],
    side: NDArray[np.float64],
    difference: NDArray[np.float64],
    wanted: tuple[int, float],
    random: np.random.Generator,
) -> tuple[int, ...] | None:
    """The picture of a class that best leaves its half, alone or against one of the other; None where none helps."""
    worst, heavy = wanted
    totals = table.sum(0)
    movable = random.permutation(np.flatnonzero((side == heavy) & (table[:, worst] > 0)))[:_MOVABLE]
    if not len(movable):
        return None
    best, chosen = _badness(difference[None], totals)[0], None
    for partner in (None, *random.permutation(np.flatnonzero(side == -heavy))[:_PARTNERS].tolist()):
        moved = table[movable] if partner is None else table[movable] - table[partner]
        badness = _badness(difference - 2 * heavy * moved, totals)
        place = int(badness.argmin())
        if badness[place] < best * (1 - 1e-9):
            best = badness[place]
            chosen = (int(movable[place]),) if partner is None else (int(movable[place]), partner)
    return chosen


def _badness(differences: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sum over the classes in which the largest imbalances count most, for each row of differences."""
    return (_shares(differences, totals) ** 4).sum(-1)


def _shares(differences: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The imbalance of each class beyond the one object that an odd number cannot be without."""
    return np.maximum(np.abs(differences) - totals % 2, 0) / np.maximum(totals, 1)
