"""The learning rate as a function of how far a run has come; nothing here remembers anything."""

from collections.abc import Callable
from math import cos, floor, pi

from googlenet.training.loop_recipe import LoopRecipe

__all__ = ["rate_at"]


def rate_at(recipe: LoopRecipe, epoch: float) -> float:
    """Return the learning rate after `epoch` epochs (with a fraction) of a complete recipe.

    Epochs count the images that all machines together have seen, so the rate does not depend on their number.
    """
    assert recipe.rate is not None
    assert recipe.epochs is not None
    assert recipe.schedule is not None
    factor = _FACTORS[recipe.schedule](epoch, recipe.epochs)
    if recipe.warm_up and epoch < recipe.warm_up:
        factor *= epoch / recipe.warm_up
    return recipe.rate * factor


def _paper(epoch: float, epochs: int) -> float:
    """The paper: "decreasing the learning rate by 4% every 8 epochs"."""
    return 0.96 ** floor(epoch / 8)


def _bvlc(epoch: float, epochs: int) -> float:
    """Caffe's `poly` policy with power 0.5."""
    return max(0.0, 1 - epoch / epochs) ** 0.5


def _cosine(epoch: float, epochs: int) -> float:
    return 0.5 * (1 + cos(pi * min(1.0, epoch / epochs)))


def _one_cycle(epoch: float, epochs: int) -> float:
    """Up in a straight line from 1/25 during the first quarter of the run, then down to 0 along a cosine."""
    progress, rise = min(1.0, epoch / epochs), 0.25
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return 0.5 * (1 + cos(pi * (progress - rise) / (1 - rise)))


_FACTORS: dict[str, Callable[[float, int], float]] = {
    "paper": _paper,
    "bvlc": _bvlc,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
