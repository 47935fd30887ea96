"""What a run writes down as it goes: metrics.jsonl with raw values, and TensorBoard events where they are wanted.

metrics.jsonl has no times in it, so that a run that was interrupted leaves the same bytes as one that was not.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from googlenet.errors import InputError
from googlenet.reporting.console import warn
from googlenet.training.folder import RunFolder
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.setup import Outcome
from googlenet.training.step import Step

__all__ = ["MetricsLog", "RunLog"]


class RunLog:
    """Takes steps and evaluations; `length` bytes of metrics.jsonl, up to step `step`, are kept from before."""

    def __init__(self, folder: RunFolder, recipe: LoopRecipe, length: int, step: int) -> None:
        self._every, self._batch_size = recipe.log_every, recipe.batch_size
        self._events = _Events(folder.path / "tensorboard", step) if recipe.tensorboard else None
        self._metrics = MetricsLog(folder.metrics, length)

    def take(self, step: Step) -> None:
        """Write down the first step and every `log_every`th: its own raw values."""
        if step.number > 1 and step.number % self._every:
            return
        record: dict[str, Any] = {"event": "step", "step": step.number, "epoch": step.epoch, "rate": step.rate}
        record |= {"images": step.images, "loss": step.loss, **_nested(step.figures), "gradient": step.gradient}
        if step.exchange:
            record["exchange"] = step.exchange
        self._metrics.write(record)
        if self._events:
            self._events.write(step.number, record)

    def evaluation(self, step: int, epoch: int, weights: str, outcome: Outcome) -> None:
        """Write down what one set of weights, `raw` or `averaged`, answered."""
        record = {"event": "evaluation", "step": step, "epoch": epoch, "weights": weights, **outcome.figures()}
        self._metrics.write(record)
        if self._events:
            self._events.write(step, {f"validation {weights}": outcome.figures()})

    def settle(self) -> int:
        """Bring all to the disk; return the length of metrics.jsonl in bytes."""
        return self._metrics.settle()

    def close(self) -> None:
        self._metrics.close()
        if self._events:
            self._events.close()


class MetricsLog:
    """metrics.jsonl: one JSON object a line, appended; `length` is what a resumed run cuts it back to."""

    def __init__(self, path: Path, length: int) -> None:
        """Continue after `length` bytes, or as many whole lines as there are, and say that; nothing depends on them.

        Raises `InputError` where the file cannot be written.
        """
        try:
            self._file = path.open("r+b" if path.exists() else "w+b")
            if self._file.seek(0, os.SEEK_END) < length:
                self._file.seek(0)
                length = self._file.read().rfind(b"\n") + 1
                warn(f"{path}: shorter than it was at the checkpoint; what is lost stays lost, the run goes on")
            self._file.truncate(length)
            self._file.seek(length)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        self._path = path

    def write(self, *records: Mapping[str, Any]) -> None:
        """Append a line for each record, whole."""
        lines = [json.dumps(_rounded(record), separators=(", ", ": ")) + "\n" for record in records]
        try:
            self._file.write("".join(lines).encode())
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror})") from error

    def settle(self) -> int:
        """Bring what was written to the disk and return its length in bytes."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror})") from error
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class _Events:
    """TensorBoard's event files; on resuming, later steps of the interrupted process are struck out."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError("tensorboard is not installed; pip install tensorboard") from None
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        for name, value in record.items():
            if isinstance(value, Mapping):
                self.write(step, {f"{name}/{part}": item for part, item in value.items()})
            elif isinstance(value, float):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def _nested(figures: Mapping[str, float]) -> dict[str, Any]:
    """Figures by kind, `losses/main` as {"losses": {"main"}}; those of one part by their own name."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        kind, _, rest = name.partition("/")
        if rest:
            found.setdefault(kind, {})[rest] = value
        else:
            found[name] = value
    return found


def _rounded(value: Any) -> Any:
    """Six digits say all that a float32 knows."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
