"""Real training processes that are killed, forked off a server that has imported everything: each starts fast."""

import contextlib
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from googlenet.training.recipe import Recipe

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["__main__", "googlenet.training.session", "killing"])


@dataclass(frozen=True)
class Killed:
    """What was found after a kill: lines of metrics.jsonl, and whether a checkpoint was half written."""

    steps: int
    in_save: bool


def start(data: Path, validation: Path, folder: Path, recipe: Recipe, *, slow: bool = False) -> BaseProcess:
    """Start a training process. With `slow` its checkpoints reach the disk in pieces, a few milliseconds apart."""
    process = context.Process(target=_train, args=(data, validation, folder, recipe, slow))
    process.start()
    return process


def finish(data: Path, validation: Path, folder: Path, recipe: Recipe) -> None:
    process = start(data, validation, folder, recipe)
    process.join(120)
    assert process.exitcode == 0


def kill(process: BaseProcess, folder: Path, after: int, moment: random.Random, *, in_save: bool) -> Killed:
    """Kill the process at a random moment after `after` steps; with `in_save` while it writes a checkpoint."""
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while steps_in(metrics) < after:
        assert time.monotonic() < deadline
        assert process.is_alive(), process.exitcode
        time.sleep(0.0005)
    if in_save:
        while not _half_written(folder):
            assert time.monotonic() < deadline
            assert process.is_alive(), process.exitcode
        time.sleep(moment.uniform(0, 0.05))
    else:
        time.sleep(moment.uniform(0, 0.03))
    assert process.is_alive(), process.exitcode
    process.kill()
    process.join()
    return Killed(steps_in(metrics), _half_written(folder))


def steps_in(metrics: Path) -> int:
    """Whole lines about steps that the file holds."""
    try:
        return sum(line.startswith(b'{"event": "step"') and line.endswith(b"\n") for line in metrics.open("rb"))
    except FileNotFoundError:
        return 0


def _half_written(folder: Path) -> bool:
    return any(folder.glob(".googlenet-*.tmp"))


def _train(data: Path, validation: Path, folder: Path, recipe: Recipe, slow: bool) -> None:
    import torch

    from googlenet.training import checkpoints, session
    from googlenet.training.run import train

    torch.set_num_threads(1)
    session.write_report = lambda *arguments: None  # it has tests of its own, and takes longer than such a run
    if slow:
        checkpoints.atomic_write = _slowly(checkpoints.atomic_write)  # type: ignore[assignment]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123
        train(str(data), recipe, validation=str(validation), output=folder)


class _Slow:
    """A file that takes what it is given in eight pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, content: bytes) -> None:
        size = len(content) // 8 + 1
        for begin in range(0, len(content), size):
            self._file.write(content[begin : begin + size])
            self._file.flush()
            time.sleep(0.008)

    def flush(self) -> None:
        self._file.flush()


def _slowly(atomic_write):  # type: ignore[no-untyped-def]
    @contextlib.contextmanager
    def write(path: Path) -> Iterator[_Slow]:
        with atomic_write(path) as file:
            yield _Slow(file)

    return write
