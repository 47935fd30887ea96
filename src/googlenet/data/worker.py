"""The process that makes batches beside the training process: reads tasks from its input, writes batches to its output.

It is started as a program of its own (see `pool`), not as a fork: nothing of the parent is copied or imported again,
it works from notebooks and unguarded scripts, needs no shared memory, and ends by itself when its parent does.
"""

import ctypes
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned
from googlenet.data.samples import Samples, make_batch
from googlenet.errors import InputError
from googlenet.machine import keep_freed_memory

__all__ = ["main", "packed", "receive"]

_LENGTH_BYTES = 8
_LOOK = 5.0  # seconds without a task after which a worker looks whether its parent is there


def packed(message: Any, arrays: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """Return a message as it is written; the bytes of `arrays` follow it as they are."""
    layout = [(name, array.dtype.str, array.shape) for name, array in (arrays or {}).items()]
    content = pickle.dumps((message, layout))
    return len(content).to_bytes(_LENGTH_BYTES, "little") + content


def receive(stream: IO[bytes]) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Read a message and its arrays, which this process's own parent or child has sent.

    `EOFError` where the other side has ended, also in the middle of a message.
    """
    length = int.from_bytes(_read(stream, _LENGTH_BYTES), "little")
    message, layout = pickle.loads(_read(stream, length))
    arrays = {}
    for name, dtype, shape in layout:
        arrays[name] = np.empty(shape, dtype)
        _read_into(stream, arrays[name])
    return message, arrays


def _read(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _read_into(stream: Any, array: NDArray[Any]) -> None:
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])
        if not count:
            raise EOFError
        done += count


def main() -> None:
    """Make batches until the parent closes the connection or ends."""
    tasks_stream, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the batches
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    parent = os.getppid()
    _end_with_parent()
    cv2.setNumThreads(1)
    keep_freed_memory()
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_take_tasks, args=(tasks_stream, tasks), daemon=True).start()
    known: dict[int, _Work] = {}
    while True:
        try:
            what, number, content = tasks.get(timeout=_LOOK)
        except queue.Empty:
            if os.getppid() != parent:  # and a process that it started keeps the connection open
                os._exit(0)
            continue
        if what == "open":
            known[number] = _Work(content)
        elif what == "close":
            known.pop(number, None)
        else:
            answer, arrays = known[number].answer(content)
            try:
                results.write(packed(answer, arrays))
                for array in arrays.values():
                    results.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                results.flush()
            except OSError:  # the parent is gone
                os._exit(0)


class _Work:
    """A loader's data set and samples, as they came: unpacked when the first batch is ordered."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def answer(self, planned: Planned) -> tuple[tuple[str, Any], Mapping[str, NDArray[Any]]]:
        """Make a batch: its message and its arrays, or what went wrong."""
        try:
            dataset, samples, skip_bad_images = self._content
        except InputError as error:
            return ("bad input", str(error)), {}
        except Exception as error:  # a class that this process cannot import, above all
            return ("unknown", f"{type(error).__name__}: {error}"), {}
        try:
            batch = make_batch(dataset, samples, planned, skip_bad_images)
        except InputError as error:
            return ("bad input", str(error)), {}
        except Exception:
            return ("failure", traceback.format_exc()), {}
        return ("batch", replace(batch, arrays={})), batch.arrays

    @cached_property
    def _content(self) -> tuple[Dataset, Samples, bool]:
        payload, self._payload = self._payload, b""
        try:
            return pickle.loads(payload)
        except Exception:
            self._payload = payload  # the next order fails in the same way
            raise


def _take_tasks(stream: IO[bytes], tasks: "queue.SimpleQueue[Any]") -> None:
    """Read ahead, so that the parent never waits to hand out a task; end the process when the parent is gone."""
    try:
        while True:
            tasks.put(receive(stream)[0])
    finally:
        os._exit(0)


def _end_with_parent() -> None:
    """Have Linux end this process with the thread that started it, even where this process is stopped or stuck."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
