"""What a run does whatever it learns, as one frozen record: the options that every kind of run has, declared once.

A kind of run has a record of its own, made of this one (`Recipe`): it adds what it alone knows, and says anew what is
its own of these. The command line, `recipe.json` in the run's folder, the checkpoint's provenance and the report are
made from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Literal

from googlenet.errors import InputError, shown
from googlenet.images.photometric import DistortionName

__all__ = ["CHANGES", "GROWS", "Averaging", "LoopRecipe", "Schedule", "check_ranges", "differences", "names_that_may"]
__all__ += ["to_json"]

Schedule = Literal["paper", "bvlc", "cosine", "one-cycle"]
Averaging = Literal["polyak", "exponential", "none"]

LARGEST = (1 << 64) - 1
"""Of whole numbers: the largest seed that there is."""

_NO_LIMITS: Mapping[str, float] = {}

CHANGES, GROWS = {"may": "change"}, {"may": "grow"}
"""Of fields that are not part of what a run is: it goes on with another value, or with a larger one."""


@dataclass(frozen=True)
class LoopRecipe:
    """How the training loop goes. What is None is filled in by the kind of run; creating a recipe checks it."""

    seed: int = 0
    """Number on which everything random depends: first weights, order, crops, dropout."""
    epochs: int | None = field(default=None, metadata=GROWS)
    """Passes over the training images."""
    batch_size: int = 32
    """Images a step, all machines together."""
    accumulate: int = 1
    """Parts into which a batch is cut, to need less memory; their gradients make one step."""
    rate: float | None = None
    """Highest learning rate."""
    schedule: Schedule | None = None
    """x0.96 every 8 epochs, root of what is left, cosine, or up and down."""
    warm_up: float | None = None
    """Epochs in which the rate rises from 0."""
    momentum: float = 0.9
    """Share of the last step that goes on."""
    nesterov: bool = False
    """Look ahead along the velocity, as Nesterov did."""
    weight_decay: float = 2e-4
    """Pull of the weights towards 0; not on biases and batch normalisation."""
    clip: float = 0.0
    """Longest gradient (Euclidean norm of all of it); 0 is no limit."""
    classifier_rate: float | None = None
    """Factor on the rate of fresh layers beside pretrained weights."""
    freeze: tuple[str, ...] = ()
    """Rows that stay as they are, by the paper's names, such as conv1 conv2 inception_3a."""
    averaging: Averaging | None = None
    """Mean of the weights; polyak: all steps count the same."""
    burn_in: float = 0.5
    """Share of the run before Polyak's mean begins."""
    average_decay: float = 0.9999
    """What the exponential mean keeps in a step; at step t no more than (1 + t) / (10 + t)."""
    mirror: bool = True
    """Mirror every other image; wrong for digits and letters."""
    distortion: DistortionName | None = None
    """Photometric distortion of the training images."""
    skip_bad_images: bool = field(default=False, metadata=CHANGES)
    """Leave out images that cannot be read, count and list them; otherwise the first one ends the run."""
    workers: int | None = field(default=None, metadata=CHANGES)
    """Processes that decode images, 0 for none; by default one for each core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = field(default="auto", metadata=CHANGES)
    """Where to compute."""
    precision: Literal["auto", "float32", "bfloat16"] = field(default="auto", metadata=CHANGES)
    """Of the computation: the faster one on this machine, or as told; what is saved is float32."""
    evaluate_every: int = field(default=1, metadata=CHANGES)
    """Epochs between two evaluations on the validation images."""
    patience: int = 0
    """Evaluations without a better one after which the run stops with its best weights; 0 never stops early."""
    log_every: int = field(default=10, metadata=CHANGES)
    """Steps between two lines of metrics.jsonl."""
    save_minutes: float = field(default=10.0, metadata=CHANGES)
    """Minutes between two checkpoints within an epoch; each epoch ends with one."""
    tensorboard: bool = field(default=False, metadata=CHANGES)
    """Write TensorBoard events too (needs the extra of that name)."""

    def __post_init__(self) -> None:
        check_ranges(self, least=_LEAST, positive=("rate",), shares=_SHARES)
        if self.epochs is not None and self.warm_up is not None and self.warm_up > self.epochs:
            raise InputError(f"warm_up {self.warm_up}: the run has only {self.epochs} epochs")


def names_that_may(how: Literal["change", "grow"], kind: type[LoopRecipe]) -> frozenset[str]:
    """Return the fields with other values of which a run goes on: they `change` how and where it computes, what it
    shows and keeps; or, of those that may `grow`, how long it goes on, which is no shorter than it has."""
    return frozenset(one.name for one in fields(kind) if one.metadata.get("may") == how)


def differences(old: LoopRecipe, new: LoopRecipe) -> list[str]:
    """Return what keeps a run of `old` from being continued as `new`: "rate 0.1, now 0.2".

    Other epochs are no such thing where the first of them are the same in the longer run.
    """
    found = []
    changing, growing = (names_that_may(how, type(new)) for how in ("change", "grow"))
    for name in (one.name for one in fields(new) if one.name not in changing):
        before, now = getattr(old, name), getattr(new, name)
        if before != now and not (name in growing and old.schedule not in _NEEDS_LENGTH):
            found.append(f"{name} {_shown(before)}, now {_shown(now)}")
            if name in growing:
                found[-1] += f", on which every rate of the {old.schedule} schedule depends"
    return found


def to_json(recipe: LoopRecipe) -> dict[str, Any]:
    """Return all fields, also those at their defaults, which another release may change; `records.decode` reads it."""
    values = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def check_ranges(
    recipe: object,
    *,
    least: Mapping[str, float],
    positive: Iterable[str],
    shares: Iterable[str] = (),
    most: Mapping[str, float] = _NO_LIMITS,
) -> None:
    """Raise `InputError` for a field out of its range, or that is infinite or a whole number of over 64 bits.

    That is below its `least` value or above its `most`, or not `positive`, or no share in 0 <= x < 1. None is no value
    and passes.
    """
    for name, smallest in least.items():
        value = getattr(recipe, name)
        if value is not None and not smallest <= value < inf:
            raise InputError(f"{name} {shown(str(value))}: give at least {smallest:g}")
    for name in positive:
        value = getattr(recipe, name)
        if value is not None and not 0 < value < inf:
            raise InputError(f"{name} {shown(str(value))}: give a number above 0")
    for name in (*least, *positive):
        value, largest = getattr(recipe, name), most.get(name, inf)
        if value is not None and value > largest:
            raise InputError(f"{name} {shown(str(value))}: give at most {largest:,g}")
        if isinstance(value, int) and value > LARGEST:
            raise InputError(f"{name} {shown(str(value))}: give a number below 2^64")
    for name in shares:
        if not 0 <= getattr(recipe, name) < 1:
            raise InputError(f"{name} {getattr(recipe, name)}: give a number from 0 up to, but not including, 1")


_NEEDS_LENGTH: frozenset[Schedule | None] = frozenset({"bvlc", "cosine", "one-cycle"})
"""Schedules whose every rate depends on the number of epochs."""

_LEAST = {
    "seed": 0,
    "epochs": 1,
    "batch_size": 1,
    "accumulate": 1,
    "warm_up": 0,
    "weight_decay": 0,
    "clip": 0,
    "classifier_rate": 0,
    "workers": 0,
    "evaluate_every": 1,
    "patience": 0,
    "log_every": 1,
    "save_minutes": 0,
}

_SHARES = ("momentum", "burn_in", "average_decay")


def _shown(value: Any) -> str:
    return " ".join(value) or "nothing" if isinstance(value, tuple) else str(value)
