"""One pool of worker processes for all loaders of a run: who is there, who gets what, and what became of it.

A loader's data set and samples are sent to each worker once, under a number. Results wait in this process's memory for
whoever asks, never in a pipe, so that the batches which one loader has ordered ahead never hold up another loader's.
"""

import itertools
import logging
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from googlenet.data.batch import MadeBatch
from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned
from googlenet.data.samples import Samples, make_batch
from googlenet.data.worker import packed, receive
from googlenet.errors import InputError, is_number

__all__ = ["Job", "Order", "WorkerPool", "default_workers"]

AHEAD = 2
"""Batches that a loader orders ahead for each worker; memory for so many is held."""

_PATIENCE = 60.0
"""Seconds without an answer after which it is said whom this process waits for."""

_LAST_WORDS = 5.0
"""Seconds in which what a dead process has written still arrives."""

log = logging.getLogger("googlenet")


class WorkerPool:
    """`count` worker processes, 0 for none. A context manager; `close` ends them at once, they have nothing to save.

    They end with this process too, however it ends.
    """

    def __init__(self, count: int) -> None:
        self.workers = [_Worker() for _ in range(count)]
        self.numbers = itertools.count()
        self.close = weakref.finalize(self, _end, [worker.process for worker in self.workers])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @cached_property
    def thread(self) -> ThreadPoolExecutor:
        """One thread of this process, for data that cannot be sent: several would read from one object at once."""
        thread = ThreadPoolExecutor(1, "googlenet-batches")
        weakref.finalize(self, thread.shutdown, wait=False, cancel_futures=True)
        return thread


class Job:
    """What the batches of one loader are made from, as the workers of a pool know it; forgotten with this object."""

    def __init__(self, pool: WorkerPool, dataset: Dataset, samples: Samples, skip_bad_images: bool) -> None:
        self._pool, self._work = pool, (dataset, samples, skip_bad_images)
        self._number = next(pool.numbers)
        self._told: set[_Worker] = set()
        self._in_thread = False
        weakref.finalize(self, _forget, self._told, self._number)

    @property
    def ahead(self) -> int:
        """How many orders to have open, so that nobody waits and memory is bounded."""
        return AHEAD * len(self._pool.workers)

    def order(self, planned: Planned) -> "Order":
        """Have a batch made by the worker that has the least to do."""
        if not self._in_thread and not self._payload:
            self._go_on_in_thread("it cannot be pickled")
        if self._in_thread:
            return Order(self, planned, self._pool.thread.submit(self._make, planned), None)
        worker = min(self._pool.workers, key=lambda worker: len(worker.open))
        if worker not in self._told:
            worker.tell("open", self._number, self._payload)
            self._told.add(worker)
        return Order(self, planned, worker.order(self._number, planned), worker)

    def order_in_thread(self, planned: Planned, why: str) -> "Order":
        """Have a batch made here that no worker could make, and all that are ordered after it."""
        self._go_on_in_thread(why)
        return self.order(planned)

    @cached_property
    def _payload(self) -> bytes:
        try:
            return pickle.dumps(self._work)
        except Exception:  # an object may fail with whatever it likes
            return b""

    def _make(self, planned: Planned) -> tuple[str, Any]:
        dataset, samples, skip_bad_images = self._work
        return "batch", make_batch(dataset, samples, planned, skip_bad_images)

    def _go_on_in_thread(self, why: str) -> None:
        if not self._in_thread:
            self._in_thread = True
            dataset, samples, _ = self._work
            log.warning(
                "%s with %s cannot be sent to worker processes (%s): one thread of this process makes the batches;"
                " a class in a module that can be imported is faster",
                *(type(dataset).__name__, type(samples).__name__, why),
            )


class Order:
    """A batch that is being made."""

    def __init__(self, job: Job, planned: Planned, future: "Future[Any]", worker: "_Worker | None") -> None:
        self._job, self._planned, self._future, self._worker = job, planned, future, worker

    def result(self) -> MadeBatch:
        """Wait for the batch; raises what its making raised, and in bounded time where its worker has ended."""
        kind, content = self._wait()
        if kind == "unknown":
            return self._job.order_in_thread(self._planned, content).result()
        if kind == "bad input":
            raise InputError(content)
        if kind == "failure":
            raise RuntimeError(f"in a worker process:\n{content}")
        return content

    def _wait(self) -> tuple[str, Any]:
        begun = told = time.monotonic()
        while True:
            try:
                return self._future.result(timeout=1)  # a wait without end cannot be interrupted on Windows
            except TimeoutError:
                if self._future.done():  # the data set's own
                    return self._future.result()
            if self._worker:
                self._worker.look_after()
            now = time.monotonic()
            if now - told >= _PATIENCE:
                told = now
                who = f"worker process {self._worker.process.pid}" if self._worker else "the data set"
                log.warning("%s has not answered for %.0f s: a slow disk, or a stopped process?", who, now - begun)


def default_workers() -> int:
    """Return how many workers suit this machine: a core each, one left for the network, at most eight.

    Processes that torchrun or `--processes` has started beside this one have their share of the cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = os.environ.get("LOCAL_WORLD_SIZE", "")
    cores //= int(beside) if is_number(beside) and int(beside) else 1
    return max(0, min(cores - 1, 8))


class _Worker:
    """One worker process, and the threads that write and read its pipes, lest this process waits for one that hangs."""

    def __init__(self) -> None:
        self.open: deque[Future[Any]] = deque()
        """Orders not yet answered, in the order in which the answers come."""
        self._lock, self._has_ended = threading.Lock(), False
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        started: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # The process is started by the thread that lives as long as it does: where the system can be asked to end a
        # process with its parent, the parent is the thread.
        self._thread = threading.Thread(target=self._fetch, args=(started,), daemon=True)
        self._thread.start()
        self.process = started.get()
        if isinstance(self.process, BaseException):
            raise self.process

    def order(self, number: int, planned: Planned) -> "Future[Any]":
        """Have a batch made from what is known under `number`."""
        future: Future[Any] = Future()
        with self._lock:
            if self._has_ended:
                raise self._reason()
            self.open.append(future)
        self.tell("make", number, planned)
        return future

    def tell(self, *message: Any) -> None:
        """Send a message; where nobody reads it any more, orders are given up all the same."""
        self._outbox.put(packed(message))

    def look_after(self) -> None:
        """Give up open orders where the process has ended, but something else still holds its end of the pipe."""
        if self.process.poll() is not None:
            self._thread.join(_LAST_WORDS)
            self._give_up()

    def _fetch(self, started: "queue.SimpleQueue[Any]") -> None:
        try:
            process = _start()
        except BaseException as error:
            started.put(error)
            return
        started.put(process)
        threading.Thread(target=_write, args=(process.stdin, self._outbox), daemon=True).start()
        with process.stdout as stream:  # type: ignore[union-attr]
            try:
                while True:
                    (kind, content), arrays = receive(stream)
                    future = self.open.popleft()
                    future.set_result((kind, replace(content, arrays=arrays) if kind == "batch" else content))
            except Exception:  # the end of the pipe, or of a message that was torn off, which may look like anything
                self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            self._has_ended = True
            orders = list(self.open)
            self.open.clear()
        self._outbox.put(None)
        for future in orders:
            future.set_exception(self._reason())

    def _reason(self) -> Exception:
        """Say how the process ended: killed from outside, which memory is usually behind, or by a fault of its own."""
        try:
            status = self.process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            self.process.kill()
            status = self.process.wait()
        if status > 0 and status != 137:
            return RuntimeError(f"a worker process ended with status {status}; what it said stands above")
        return InputError(
            f"a worker process was killed (status {status}), probably as memory ran out:"
            " give fewer --workers or a smaller --batch-size"
        )


def _forget(told: "Iterable[_Worker]", number: int) -> None:
    for worker in told:
        worker.tell("close", number, None)


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


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    """End processes and leave no zombie."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def _write(stream: Any, messages: "queue.SimpleQueue[bytes | None]") -> None:
    """Write messages until None comes or nobody reads them."""
    with suppress(OSError), stream:
        while (message := messages.get()) is not None:
            stream.write(message)
            stream.flush()
