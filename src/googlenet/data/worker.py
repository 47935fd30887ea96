"""The process that makes batches beside the training process: reads tasks from its input, writes batches to its output.

It is started as a program of its own (see `loader`), not as a fork: nothing of the parent is copied or imported again,
it works from notebooks and unguarded scripts, needs no shared memory, and ends by itself when its parent does.
"""

import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import Dataset
from googlenet.data.sampler import Planned
from googlenet.data.samples import Samples, make_batch
from googlenet.errors import InputError
from googlenet.machine import keep_freed_memory

__all__ = ["main", "receive", "send"]

_LENGTH_BYTES = 8


def send(stream: IO[bytes], message: Any, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write a message, and after it the bytes of `arrays` as they are."""
    arrays = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    layout = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    content = pickle.dumps((message, layout))
    stream.write(len(content).to_bytes(_LENGTH_BYTES, "little") + content)
    for array in arrays.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


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
    cv2.setNumThreads(1)
    keep_freed_memory()
    (dataset, samples, skip_bad_images), _ = receive(tasks_stream)
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_take_tasks, args=(tasks_stream, tasks), daemon=True).start()
    while True:
        answer, arrays = _answer(dataset, samples, tasks.get(), skip_bad_images)
        try:
            send(results, answer, arrays)
        except OSError:  # the parent is gone
            os._exit(0)


def _answer(
    dataset: Dataset, samples: Samples, planned: Planned, skip_bad_images: bool
) -> tuple[tuple[str, Any], Mapping[str, NDArray[Any]]]:
    """Make a batch: its message and its arrays, or what went wrong."""
    try:
        batch = make_batch(dataset, samples, planned, skip_bad_images)
    except InputError as error:
        return ("bad input", str(error)), {}
    except Exception:
        return ("failure", traceback.format_exc()), {}
    return ("batch", replace(batch, arrays={})), batch.arrays


def _take_tasks(stream: IO[bytes], tasks: "queue.SimpleQueue[Any]") -> None:
    """Read ahead, so that the parent never waits to hand out a task; end the process when the parent is gone."""
    try:
        while True:
            tasks.put(receive(stream)[0])
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
