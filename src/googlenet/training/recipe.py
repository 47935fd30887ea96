"""What a training run of a classifier does, as one frozen record: every option once, with type, default and help.

What the paper leaves open (first rate, batch, decay, length) has Caffe's value: BVLC/caffe models/bvlc_googlenet. What
every kind of run has, whatever it learns, stands in `LoopRecipe`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from googlenet.errors import InputError
from googlenet.images.crops import SCHEMES
from googlenet.images.photometric import DistortionName
from googlenet.network.zoo import NETWORKS
from googlenet.training.loop_recipe import CHANGES, GROWS, Averaging, LoopRecipe, Schedule, check_ranges

__all__ = ["PRESETS", "Preset", "Recipe", "complete"]

Preset = Literal["paper", "fine-tune"]


@dataclass(frozen=True)
class Recipe(LoopRecipe):
    """How to train. A field that is None is filled in by `preset` (`complete`); creating a recipe checks it."""

    preset: Preset | None = field(default=None, metadata=CHANGES)
    """Values for what is not given: fine-tune for pretrained weights with other classes, else paper."""
    network: str | None = None
    """Network of the zoo to train; by default that of the pretrained weights, else googlenet."""
    width: float | None = None
    """Factor for the network's channels (rounded to multiples of 8)."""
    budget: float | None = None
    """Multiply-adds an image: the widest such network within them is trained."""
    initialization: Literal["xavier", "gaussian"] = "xavier"
    """First weights: Caffe's xavier, or the deviations in Google's files."""
    epochs: int | None = field(default=None, metadata=GROWS)
    """Passes over the training images (paper: 60, fine-tune: 12)."""
    rate: float | None = None
    """Highest learning rate (paper: 0.01, fine-tune: 0.002)."""
    schedule: Schedule | None = None
    """x0.96 every 8 epochs, root of what is left, cosine, or up and down (paper: paper, fine-tune: cosine)."""
    warm_up: float | None = None
    """Epochs in which the rate rises from 0 (paper: 0.0, fine-tune: 0.5)."""
    label_smoothing: float = 0.0
    """Share of each label that is spread over all classes."""
    auxiliary_weight: float = 0.3
    """Weight of each auxiliary head's loss; 0 trains without the heads."""
    classifier_rate: float | None = None
    """Factor on the rate of fresh classifiers beside pretrained weights (paper: 1.0, fine-tune: 10.0)."""
    averaging: Averaging | None = None
    """Mean of the weights; polyak: all steps count the same (cosine, one-cycle: exponential; else polyak)."""
    sampling: str | None = None
    """How patches are drawn: rejecting, smaller, shift, whole, none too (paper: paper, fine-tune: larger)."""
    distortion: DistortionName | None = None
    """Photometric distortion of the training images (paper: howard, fine-tune: none)."""
    balance: bool = False
    """Draw all classes equally often, rare ones repeatedly."""
    patience: int = 0
    """Evaluations without a better top-1 after which the run stops with its best weights; 0 never stops early."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, least={"auxiliary_weight": 0}, positive=("width", "budget"), shares=("label_smoothing",))
        if self.network is not None and self.network not in NETWORKS:
            raise InputError(f"network '{self.network}' is not known; there are {', '.join(NETWORKS)}")
        if self.sampling is not None and self.sampling not in SCHEMES:
            raise InputError(f"sampling '{self.sampling}' is not known; there are {', '.join(SCHEMES)}")


PRESETS: dict[Preset, dict[str, Any]] = {
    "paper": {
        "epochs": 60,
        "rate": 0.01,
        "schedule": "paper",
        "warm_up": 0.0,
        "classifier_rate": 1.0,
        "sampling": "paper",
        "distortion": "howard",
    },
    "fine-tune": {
        "epochs": 12,
        "rate": 0.002,
        "schedule": "cosine",
        "warm_up": 0.5,
        "classifier_rate": 10.0,
        "sampling": "larger",
        "distortion": "none",
    },
}

_AVERAGINGS: dict[Schedule, Averaging] = {
    "paper": "polyak",
    "bvlc": "polyak",
    "cosine": "exponential",
    "one-cycle": "exponential",
}
"""Where the rate falls to nothing the last weights lie in a good place, out of which a long mean drags them."""


def complete(recipe: Recipe, *, fresh_classifiers: bool) -> Recipe:
    """Return the recipe with every field filled in that its preset, or its schedule, knows.

    `fresh_classifiers` says that pretrained weights get other classes, for which `fine-tune` is the default.
    """
    preset = recipe.preset or ("fine-tune" if fresh_classifiers else "paper")
    missing = {name: value for name, value in PRESETS[preset].items() if getattr(recipe, name) is None}
    filled = replace(recipe, preset=preset, **missing)
    assert filled.schedule is not None
    return replace(filled, averaging=filled.averaging or _AVERAGINGS[filled.schedule])
