"""What asks a process to end, for the length of a block: as an interrupt, as an event, or later."""

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ended_by_signals", "interrupts_wait", "signals_into"]


@contextmanager
def ended_by_signals() -> Iterator[Callable[[], None]]:
    """Have SIGTERM and SIGHUP end a block as Ctrl-C does, so that what it holds goes; ignored ones stay so.

    What is given has them do so again, where somebody else has taken them meanwhile.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {number: now for number in numbers if (now := signal.getsignal(number)) is not signal.SIG_IGN}

    def take() -> None:
        for number in before:
            signal.signal(number, signal.default_int_handler)

    take()
    try:
        yield take
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_into(events: "queue.SimpleQueue[Any]") -> Iterator[None]:
    """Have signals put among the events; those that this process was started to ignore, as by nohup, stay ignored."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, lambda number, frame: events.put(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Have Ctrl-C wait, in a process that is started meanwhile until it has SIGINT unblocked."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
