"""What a training run does, as one frozen record: every option once, with type, default and one line of help.

The command line, `recipe.json` in the run's folder, the checkpoint's provenance and the report are made from it. What
the paper leaves open (first rate, batch, decay, length) has Caffe's value: BVLC/caffe models/bvlc_googlenet.
"""

from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any, Literal

from googlenet.errors import InputError
from googlenet.images.crops import SCHEMES
from googlenet.images.photometric import DistortionName
from googlenet.network.zoo import NETWORKS

__all__ = [
    *["MAY_CHANGE", "MAY_GROW", "PRESETS", "Averaging", "Preset", "Recipe", "Schedule", "complete", "differences"],
    *["to_json"],
]

Preset = Literal["paper", "fine-tune"]
Schedule = Literal["paper", "bvlc", "cosine", "one-cycle"]
Averaging = Literal["polyak", "exponential", "none"]

_CHANGES, _GROWS = {"may": "change"}, {"may": "grow"}
"""Of fields that are not part of what a run is: it goes on with another value, or with a larger one."""


@dataclass(frozen=True)
class Recipe:
    """How to train. A field that is None is filled in by `preset` (`complete`); creating a recipe checks it."""

    preset: Preset | None = field(default=None, metadata=_CHANGES)
    """Values for what is not given: fine-tune for pretrained weights with other classes, else paper."""
    network: str | None = None
    """Network of the zoo to train; by default that of the pretrained weights, else googlenet."""
    width: float | None = None
    """Factor for the network's channels (rounded to multiples of 8)."""
    budget: float | None = None
    """Multiply-adds an image: the widest such network within them is trained."""
    initialization: Literal["xavier", "gaussian"] = "xavier"
    """First weights: Caffe's xavier, or the deviations in Google's files."""
    seed: int = 0
    """Number on which everything random depends: first weights, order, crops, dropout."""
    epochs: int | None = field(default=None, metadata=_GROWS)
    """Passes over the training images (paper: 60, fine-tune: 12)."""
    batch_size: int = 32
    """Images a step, all machines together."""
    accumulate: int = 1
    """Parts into which a batch is cut, to need less memory; their gradients make one step."""
    rate: float | None = None
    """Highest learning rate (paper: 0.01, fine-tune: 0.002)."""
    schedule: Schedule | None = None
    """x0.96 every 8 epochs, root of what is left, cosine, or up and down (paper: paper, fine-tune: cosine)."""
    warm_up: float | None = None
    """Epochs in which the rate rises from 0 (paper: 0.0, fine-tune: 0.5)."""
    momentum: float = 0.9
    """Share of the last step that goes on."""
    nesterov: bool = False
    """Look ahead along the velocity, as Nesterov did."""
    weight_decay: float = 2e-4
    """Pull of the weights towards 0; not on biases and batch normalisation."""
    clip: float = 0.0
    """Longest gradient (Euclidean norm of all of it); 0 is no limit."""
    label_smoothing: float = 0.0
    """Share of each label that is spread over all classes."""
    auxiliary_weight: float = 0.3
    """Weight of each auxiliary head's loss; 0 trains without the heads."""
    classifier_rate: float | None = None
    """Factor on the rate of fresh classifiers beside pretrained weights (paper: 1.0, fine-tune: 10.0)."""
    freeze: tuple[str, ...] = ()
    """Rows that stay as they are, by the paper's names, such as conv1 conv2 inception_3a."""
    averaging: Averaging | None = None
    """Mean of the weights; polyak: all steps count the same (cosine, one-cycle: exponential; else polyak)."""
    burn_in: float = 0.5
    """Share of the run before Polyak's mean begins."""
    average_decay: float = 0.9999
    """What the exponential mean keeps in a step; at step t no more than (1 + t) / (10 + t)."""
    sampling: str | None = None
    """How patches are drawn: rejecting, smaller, shift, whole, none too (paper: paper, fine-tune: larger)."""
    mirror: bool = True
    """Mirror every other image; wrong for digits and letters."""
    distortion: DistortionName | None = None
    """Photometric distortion of the training images (paper: howard, fine-tune: none)."""
    balance: bool = False
    """Draw all classes equally often, rare ones repeatedly."""
    skip_bad_images: bool = field(default=False, metadata=_CHANGES)
    """Leave out images that cannot be read, count and list them; otherwise the first one ends the run."""
    workers: int | None = field(default=None, metadata=_CHANGES)
    """Processes that decode images, 0 for none; by default one for each core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = field(default="auto", metadata=_CHANGES)
    """Where to compute."""
    precision: Literal["auto", "float32", "bfloat16"] = field(default="auto", metadata=_CHANGES)
    """Of the computation: the faster one on this machine, or as told; what is saved is float32."""
    evaluate_every: int = field(default=1, metadata=_CHANGES)
    """Epochs between two evaluations on the validation images."""
    patience: int = 0
    """Evaluations without a better top-1 after which the run stops with its best weights; 0 never stops early."""
    log_every: int = field(default=10, metadata=_CHANGES)
    """Steps between two lines of metrics.jsonl."""
    save_minutes: float = field(default=10.0, metadata=_CHANGES)
    """Minutes between two checkpoints within an epoch; each epoch ends with one."""
    tensorboard: bool = field(default=False, metadata=_CHANGES)
    """Write TensorBoard events too (needs the extra of that name)."""

    def __post_init__(self) -> None:
        _check(self)


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

MAY_CHANGE, MAY_GROW = (
    frozenset(one.name for one in fields(Recipe) if one.metadata.get("may") == how) for how in ("change", "grow")
)
"""Fields with other values of which a run goes on: they change how and where it computes, what it shows and keeps (a
preset's values stand in the other fields); or, of those that may grow, how long it goes on,
which is no shorter than it has."""

_NEEDS_LENGTH: frozenset[Schedule | None] = frozenset({"bvlc", "cosine", "one-cycle"})
"""Schedules whose every rate depends on the number of epochs."""


def complete(recipe: Recipe, *, fresh_classifiers: bool) -> Recipe:
    """Return the recipe with every field filled in that its preset, or its schedule, knows.

    `fresh_classifiers` says that pretrained weights get other classes, for which `fine-tune` is the default.
    """
    preset = recipe.preset or ("fine-tune" if fresh_classifiers else "paper")
    missing = {name: value for name, value in PRESETS[preset].items() if getattr(recipe, name) is None}
    filled = replace(recipe, preset=preset, **missing)
    assert filled.schedule is not None
    return replace(filled, averaging=filled.averaging or _AVERAGINGS[filled.schedule])


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Return what keeps a run of `old` from being continued as `new`: "rate 0.1, now 0.2".

    Other epochs are no such thing where the first of them are the same in the longer run.
    """
    found = []
    for name in (one.name for one in fields(Recipe) if one.name not in MAY_CHANGE):
        before, now = getattr(old, name), getattr(new, name)
        is_length = name in MAY_GROW
        if before != now and not (is_length and old.schedule not in _NEEDS_LENGTH):
            found.append(f"{name} {_shown(before)}, now {_shown(now)}")
            if is_length:
                found[-1] += f", on which every rate of the {old.schedule} schedule depends"
    return found


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Return all fields, also those at their defaults, which another release may change; `records.decode` reads it."""
    values = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _shown(value: Any) -> str:
    return " ".join(value) or "nothing" if isinstance(value, tuple) else str(value)


_LEAST: dict[str, float] = {
    "seed": 0,
    "epochs": 1,
    "batch_size": 1,
    "accumulate": 1,
    "warm_up": 0,
    "weight_decay": 0,
    "clip": 0,
    "auxiliary_weight": 0,
    "classifier_rate": 0,
    "workers": 0,
    "evaluate_every": 1,
    "patience": 0,
    "log_every": 1,
    "save_minutes": 0,
}


def _check(recipe: Recipe) -> None:
    for name, least in _LEAST.items():
        value = getattr(recipe, name)
        if value is not None and not (value >= least and isfinite(value)):
            raise InputError(f"{name} {value}: give at least {least:g}")
    for name in ("rate", "width", "budget"):
        value = getattr(recipe, name)
        if value is not None and not (value > 0 and isfinite(value)):
            raise InputError(f"{name} {value}: give a number above 0")
    for name in ("momentum", "label_smoothing", "burn_in", "average_decay"):
        if not 0 <= getattr(recipe, name) < 1:
            raise InputError(f"{name} {getattr(recipe, name)}: give a number from 0 up to, but not including, 1")
    if recipe.network is not None and recipe.network not in NETWORKS:
        raise InputError(f"network '{recipe.network}' is not known; there are {', '.join(NETWORKS)}")
    if recipe.sampling is not None and recipe.sampling not in SCHEMES:
        raise InputError(f"sampling '{recipe.sampling}' is not known; there are {', '.join(SCHEMES)}")
    if recipe.epochs is not None and recipe.warm_up is not None and recipe.warm_up > recipe.epochs:
        raise InputError(f"warm_up {recipe.warm_up}: the run has only {recipe.epochs} epochs")
