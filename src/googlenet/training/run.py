"""A whole run, from data to a finished folder, that goes on where it was interrupted: `train`, and other kinds."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from googlenet.data.sources import Source
from googlenet.errors import BrokenOff, InputError
from googlenet.processes import may_be_started_again
from googlenet.reporting.console import say
from googlenet.training.checkpoints import newest_step
from googlenet.training.classification import prepare
from googlenet.training.exchange import Alone, Exchange
from googlenet.training.folder import RunFolder
from googlenet.training.loop_recipe import to_json
from googlenet.training.recipe import Recipe
from googlenet.training.session import Session
from googlenet.training.setup import Setup, Weights
from googlenet.training.taken_away import as_begun
from googlenet.training.trainer import Diverged
from googlenet.versions import versions

__all__ = ["Run", "carry_out", "train"]

PATIENCE = 60.0
"""Seconds that a process of before has to let go of the folder, where this one may take its place."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and what `summary.json` says."""

    folder: Path
    summary: Mapping[str, Any]

    @property
    def weights(self) -> Path:
        """The checkpoint to use: the averaged weights where there are any."""
        return self.folder / "final.safetensors"


def train(
    data: Source,
    recipe: Recipe = Recipe(),  # noqa: B008  frozen
    *,
    validation: Source | None = None,
    pretrained: Weights | None = None,
    output: str | os.PathLike[str],
    exchange: Exchange | None = None,
) -> Run:
    """Train a network on `data` by `recipe` and return the finished run; `output` is its folder.

    Given again with the same folder, an interrupted run goes on bit for bit as if it had not been, and a finished one
    is only returned. `data` and `validation` are folders of class folders, list files, tar shards, "digits", or data
    sets; `pretrained` is a checkpoint whose classifiers are replaced where its classes are others. Raises `InputError`
    for whatever does not fit together, before the first step; `BrokenOff`, which is one too, for what comes up later;
    `Diverged` where the loss is no longer finite; `Interrupted` on Ctrl-C or SIGTERM, after saving. With an `exchange`
    each of its processes calls this in the same way.
    """
    return carry_out(lambda: prepare(data, recipe, validation, pretrained), output, exchange)


def carry_out(prepare: Callable[[], Setup], output: str | os.PathLike[str], exchange: Exchange | None = None) -> Run:
    """Carry out the run that `prepare` sets up, whatever it learns, or go on with it; as `train` does."""
    folder, exchange = RunFolder(output), exchange or Alone()
    # Measuring draws numbers; asking the devices for theirs would occupy each.
    with torch.random.fork_rng([]), ExitStack() as closing:
        prepared = exchange.each(prepare)
        exchange.expect_same(_essentials(prepared))
        setup, told = as_begun(prepared, exchange.lead(folder.listings))

        def begin() -> Mapping[str, Any] | None:
            closing.enter_context(folder.held(PATIENCE if may_be_started_again() else 0.0))
            summary = folder.begin(setup.recipe, {**setup.origin, **exchange.described()}, setup.identities)
            for line in told if summary is None else ():
                say(line)
            return summary

        _expect_common(folder, exchange)
        summary = exchange.lead(begin)
        if summary is None:
            with Session(folder, setup, exchange) as session:
                begun = session.step
                try:
                    summary = session.run()
                except InputError as error:
                    if session.step == begun or isinstance(error, Diverged):
                        raise
                    raise BrokenOff(str(error)) from error
        return Run(folder.path, summary)


def _expect_common(folder: RunFolder, exchange: Exchange) -> None:
    """Raise `InputError` where another process sees more of the run in its folder than rank 0, which would go back."""
    seen = exchange.all_gather(newest_step(folder.path))
    rank = seen.index(max(seen))
    if rank:
        raise InputError(
            f"{folder.path}: rank {rank} finds a checkpoint of step {seen[rank]} there, rank 0 "
            f"{f'one of step {seen[0]}' if seen[0] else 'none'}; give a folder that all machines share"
        )


def _essentials(setup: Setup) -> dict[str, str]:
    """What all processes of a run must have the same of, by its name; where it lies may differ."""
    found = {name: versions().get(name, "none") for name in ("googlenet", "torch")}
    found["first weights"] = _digest(setup.network.state_dict())
    found |= {name: str(value.get("sha256", "")) for name, value in setup.origin.items() if value}
    return found | {name: json.dumps(value) for name, value in to_json(setup.recipe).items()}


def _digest(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in weights.values():
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
