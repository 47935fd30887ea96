"""Ctrl-C, SIGTERM and SIGHUP as a wish to stop after the step at hand, so that the run can be saved first."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["EndedAtOnce", "Interrupted", "Interruption"]


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, and has saved its state: the message says where it stands and how it goes on."""


class EndedAtOnce(Interrupted):
    """The run was asked twice, and has not waited for anything: what was saved before is there."""


class Interruption:
    """While this context lasts, the first signal is noted in `wanted` and answered; a second Ctrl-C ends at once.

    A repeated SIGTERM or SIGHUP changes nothing: shells send the latter twice. Signals that the process was started to
    ignore, as by nohup, stay ignored.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.wanted:
            self.wanted = True
            if os.environ.get("LOCAL_RANK", "0") == "0":  # of those whom torchrun started in one terminal, one answers
                _answer("stopping: the step at hand is finished and saved first; Ctrl-C once more ends at once")
        elif number == signal.SIGINT:
            raise EndedAtOnce("ended at once, with what was saved before")


def _answer(message: str) -> None:
    """Write past Python's streams, which the signal may have found at work; where nobody hears any more, be silent."""
    try:
        os.write(2, f"{os.linesep if os.isatty(2) else ''}googlenet: {message}{os.linesep}".encode())
    except OSError:  # the terminal is gone, and whatever else is said would fail as well
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)
