"""The state of a run in one file, from which it goes on as if it had never stopped.

Weights, averages and velocity are tensors of one safetensors file; step, counters and recipe are its metadata. There
is no random state to save: everything random is a function of (seed, step). The file before the last one is kept, so
that a damaged disk block costs some steps and not the run.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.training.averaging import Average
from googlenet.training.exchange import Exchange
from googlenet.training.optimizer import SGD
from googlenet.weights.tensor_file import open_tensors

__all__ = ["CURRENT", "PREVIOUS", "Checkpoints", "State", "load", "newest_step", "save"]

CURRENT, PREVIOUS = "state.safetensors", "state.previous.safetensors"

FORMAT = "googlenet-training-state-1"

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class State:
    """Everything that the next step depends on, after `step` steps."""

    step: int
    tensors: Mapping[str, Tensor]
    """`network.*`, `average.*` and `velocity.*` by the names of the network's parameters and buffers; `exchange.*`."""
    metrics_bytes: int
    """Length of metrics.jsonl at this step."""
    counters: Mapping[str, Any] = field(default_factory=dict)
    """What else goes on: updates of the average, seconds spent, best evaluation, bad images; JSON values."""

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of `network`, `average`, `velocity` or `exchange` under their own names."""
        return {key.removeprefix(f"{name}."): t for key, t in self.tensors.items() if key.startswith(f"{name}.")}


class Checkpoints:
    """Saves what a run holds and restores it: weights, average, velocity and what the exchange keeps of its own.

    Every process calls every method; rank 0 alone reads and writes.
    """

    def __init__(
        self, folder: Path, network: nn.Module, optimizer: SGD, average: Average, exchange: Exchange, minutes: float
    ) -> None:
        self._folder, self._seconds, self._saved = folder, 60 * minutes, time.monotonic()
        self._network, self._optimizer, self._average, self._exchange = network, optimizer, average, exchange

    @property
    def are_due(self) -> bool:
        """Whether the last one is so many minutes old."""
        return time.monotonic() - self._saved >= self._seconds

    def restore(self, state: State) -> None:
        saved = state.part("network")
        elsewhere = {name for name, tensor in self._network.state_dict().items() if tensor.is_meta}
        self._network.load_state_dict(
            {name: tensor for name, tensor in saved.items() if name not in elsewhere}, strict=not elsewhere
        )
        self._optimizer.load_velocity(state.part("velocity"))
        self._average.load(state.part("average"), state.counters["average_updates"], state.step)
        self._exchange.restore(state.part("exchange"))

    def assemble(self) -> None:
        """Bring weights and their mean whole to rank 0, where they are shared out among processes."""
        for held in (self._network.state_dict(), self._average.tensors):
            for name, tensor in self._exchange.whole(held).items():
                if tensor is not held[name]:
                    held[name].copy_(tensor)

    def save(self, step: int, metrics_bytes: int, counters: Mapping[str, Any]) -> None:
        self.assemble()
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self._network.state_dict(),
            "average": self._average.tensors,
            "velocity": self._exchange.whole(self._optimizer.velocity),
            "exchange": self._exchange.state(),
        }
        tensors = {f"{part}.{name}": tensor for part, found in parts.items() for name, tensor in found.items()}
        if self._exchange.rank == 0:
            counted = {**counters, "average_updates": self._average.count}
            save(self._folder, State(step, tensors, metrics_bytes, counted))
        self._saved = time.monotonic()


def save(folder: Path, state: State) -> None:
    """Write the state; the one before stays whole until this one is, and is kept beside it afterwards."""
    if not folder.is_dir():
        raise InputError(f"{folder}: was deleted or moved while the run went on; put it back to go on, or begin anew")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    metadata = {
        "format": FORMAT,
        "step": str(state.step),
        "metrics_bytes": str(state.metrics_bytes),
        "counters": json.dumps(dict(state.counters)),
        "sha256": _digest(tensors),
    }
    content = to_bytes(tensors, metadata)
    with atomic_write(folder / CURRENT) as file:
        file.write(content)
        file.flush()
        _keep_previous(folder)  # now that the disk has taken the new one


def load(folder: Path) -> State | None:
    """Return the newest whole state in `folder`, None where a run has saved none yet.

    Raises `InputError` where states are there and none is whole.
    """
    troubles = []
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            state = _read(path)
        except InputError as error:
            troubles.append(str(error))
            continue
        if troubles:
            (folder / CURRENT).unlink()  # lest it takes the place of the whole one
            log.warning("%s; the checkpoint before it is used, of step %d", troubles[0], state.step)
        return state
    if troubles:
        raise InputError(f"{'; '.join(troubles)}; give another folder, or empty this one to begin anew")
    return None


def newest_step(folder: Path) -> int:
    """Return after how many steps the newest state in `folder` was saved, by its header alone; 0 where none is seen."""
    found = [0]
    for name in (CURRENT, PREVIOUS):
        with suppress(InputError, KeyError, ValueError), open_tensors(folder / name) as file:
            found.append(int(file.metadata["step"]))
    return max(found)


def _keep_previous(folder: Path) -> None:
    """Give the current state a second name, without a moment in which it has none."""
    current, spare = folder / CURRENT, folder / f".googlenet-{PREVIOUS}.tmp"
    if not current.exists():
        return
    try:
        spare.unlink(missing_ok=True)
        try:
            os.link(current, spare)
        except OSError:  # a file system without hard links: for a moment the state has its second name alone
            current.replace(folder / PREVIOUS)
            return
        spare.replace(folder / PREVIOUS)
        spare.unlink(missing_ok=True)  # renaming does nothing where both names are the same file already
    except OSError as error:
        raise InputError(f"{folder / PREVIOUS}: cannot be written ({error.strerror})") from error


def _read(path: Path) -> State:
    with open_tensors(path) as file:
        metadata = file.metadata
        tensors = {name: file.read(name) for name in file.shapes}
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: not the state of a training run of this release")
    if metadata.get("sha256") != _digest(tensors):
        raise InputError(f"{path}: damaged (its checksum differs)")
    try:
        step, metrics_bytes, counters = (json.loads(metadata[key]) for key in ("step", "metrics_bytes", "counters"))
        return State(int(step), tensors, int(metrics_bytes), dict(counters))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged (its metadata: {error})") from None


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
