"""Batches in their planned order, made by this process or by worker processes, as tensors: the end of the pipeline.

Images stay uint8; normalisation happens once a batch on the network's device (`images.preprocessing.normalise`). The
batches are the same bytes with any number of workers, from whatever place they are begun.
"""

import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn, Protocol, Self

from googlenet.data.batch import Batch, MadeBatch
from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned
from googlenet.data.samples import Samples, make_batch
from googlenet.data.worker import receive, send
from googlenet.errors import InputError

__all__ = ["Loader", "default_workers"]

AHEAD = 2  # batches that each worker may be ahead; memory for so many is held


class Plan(Protocol):
    """Which batches there are; `Sampler` for training, `InOrder` for evaluation."""

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = None) -> Iterator[Planned]: ...


class Loader:
    """Makes the batches of a plan. Use it as a context manager, or call `close`, to end its worker processes.

    `workers` 0 makes batches in this process when they are asked for. Without `skip_bad_images` an image that cannot be
    read raises `InputError` with its name when its batch is asked for; with it, the image is left out of the batch
    (never replaced), and stands in `Batch.bad` and in `bad_images`.
    """

    def __init__(
        self, dataset: Dataset, samples: Samples, plan: Plan, *, workers: int = 0, skip_bad_images: bool = False
    ) -> None:
        self.dataset, self.samples, self.plan = dataset, samples, plan
        self.skip_bad_images = skip_bad_images
        self.bad_images: dict[str, str] = {}
        """Name and reason of each image that was skipped so far."""
        self._workers = _Pool(workers, (dataset, samples, skip_bad_images)) if workers else None

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = 1) -> Iterator[Batch]:
        """Yield the batches from a place on up to the beginning of epoch `stop` (None: without end).

        Batches of the next epoch are prepared while the last ones of this are used. Beginning anew, also after an
        iterator was left early, gives the same batches again.
        """
        planned = self.plan.batches(epoch, step, stop)
        made = self._workers.make(planned) if self._workers else self._make_here(planned)
        while True:
            start = time.perf_counter()
            batch = next(made, None)
            if batch is None:
                return
            self.bad_images.update(batch.bad)
            yield _tensors(batch, time.perf_counter() - start)

    def _make_here(self, planned: Iterator[Planned]) -> Iterator[MadeBatch]:
        for one in planned:
            yield make_batch(self.dataset, self.samples, one, self.skip_bad_images)

    def close(self) -> None:
        """End the worker processes at once; a loader without workers needs no closing."""
        if self._workers:
            self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def default_workers() -> int:
    """Return how many workers suit this machine: a core each, one left for the network, at most eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(cores - 1, 8))


def _tensors(batch: MadeBatch, waited: float) -> Batch:
    import torch  # here, so that worker processes, which import this package, do without

    arrays = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    return Batch(batch.epoch, batch.step, arrays, torch.from_numpy(batch.indices), batch.bad, waited)


class _Pool:
    """Worker processes that take batches in turn, so that results come back in order without being sorted."""

    def __init__(self, count: int, setup: tuple[Dataset, Samples, bool]) -> None:
        self._setup = setup
        self._workers = [_Worker(setup) for _ in range(count)]

    def make(self, planned: Iterator[Planned]) -> Iterator[MadeBatch]:
        pending: deque[_Worker] = deque()
        for worker in self._workers:
            worker.forget()
        for turn, one in enumerate(planned):
            if len(pending) == AHEAD * len(self._workers):
                yield pending.popleft().result()
            worker = self._workers[turn % len(self._workers)]
            worker.give(one)
            pending.append(worker)
        while pending:
            yield pending.popleft().result()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


class _Worker:
    """One worker process, and the thread that fetches what it has made."""

    def __init__(self, setup: tuple[Dataset, Samples, bool]) -> None:
        self._process = _start()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._unclaimed = 0
        self.close = weakref.finalize(self, _end, self._process)
        threading.Thread(target=_fetch, args=(self._process, self._results), daemon=True).start()
        self._send(setup)

    def give(self, planned: Planned) -> None:
        self._send(planned)
        self._unclaimed += 1

    def result(self) -> MadeBatch:
        """Wait for the oldest unclaimed batch."""
        kind, content = self._next()
        if kind == "bad input":
            raise InputError(content)
        if kind == "failure":
            raise RuntimeError(f"in a worker process:\n{content}")
        return content

    def forget(self) -> None:
        """Drop what was ordered by an iterator that was left early."""
        while self._unclaimed:
            self._next()

    def _next(self) -> tuple[str, Any]:
        self._unclaimed -= 1
        while True:
            try:
                kind, content = self._results.get(timeout=1)  # a wait without end cannot be interrupted on Windows
            except queue.Empty:
                continue
            if kind == "ended":
                self._results.put((kind, content))
                self._refuse()
            return kind, content

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, message)
        except OSError:
            self._refuse()

    def _refuse(self) -> NoReturn:
        """Say how the process ended: killed from outside, which memory is usually behind, or by a fault of its own."""
        status = self._process.wait()
        if status > 0 and status != 137:
            raise RuntimeError(f"a worker process ended with status {status}; what it said stands above")
        raise InputError(
            f"a worker process was killed (status {status}), probably as memory ran out:"
            " give fewer --workers or a smaller --batch-size"
        )


def _start() -> "subprocess.Popen[bytes]":
    """Start a worker beside this process's terminal, so that Ctrl-C reaches this process alone."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),  # noqa: PTH109
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    command = [sys.executable, "-c", "from googlenet.data.worker import main; main()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **apart)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a worker, which has nothing to save, and leave no zombie."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        try:
            if stream:
                stream.close()
        except OSError:
            pass


def _fetch(process: "subprocess.Popen[bytes]", results: "queue.SimpleQueue[Any]") -> None:
    """Bring finished batches into this process's memory while it is busy with others."""
    stream = process.stdout
    assert stream is not None
    try:
        while True:
            (kind, content), arrays = receive(stream)
            results.put((kind, replace(content, arrays=arrays) if kind == "batch" else content))
    except (EOFError, OSError, ValueError):
        results.put(("ended", None))
