"""A Ray of this machine, for one run: in a session of its own, which ends with the run, however that ends.

    python -m googlenet.distributed.downpour.host FOLDER PROCESSORS

`Host` starts it. What is sent to all of a run's processes (Ctrl-C in a terminal, `timeout`, SLURM) does not reach Ray,
which would be gone before the run is saved. The address is written to standard output. Ray goes, with the FOLDER in
which it has its files, when standard input ends; so it does where the process that leads the run is killed.
"""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from googlenet.errors import InputError, shown
from googlenet.reporting.console import say

__all__ = ["Host", "main"]

PATIENCE = 15.0
"""Seconds in which Ray ends when it is asked to; then it is killed."""

BROKEN_OFF = 1
"""The exit status of work that was begun."""

ADDRESS, LOG = "ray_current_cluster", "start.log"
"""What Ray writes its address to, and what it says."""


class Host:
    """The process that has a Ray, as the one that leads the run sees it. Raises `InputError` where none starts.

    Where Ray ends before the run, so does this process, at once: whatever it asked of Ray would wait for a minute, and
    then Ray would end the process itself.
    """

    def __init__(self, folder: str, processors: int) -> None:
        self._folder = folder
        command = [sys.executable, "-P", "-m", __name__, folder, str(processors)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
        try:
            assert self._process.stdout is not None
            self.address = self._process.stdout.readline().strip()
            if not self.address:
                raise InputError(f"Ray could not be started on this machine ({_reason(Path(folder) / LOG)})")
        except BaseException:
            self.end()
            raise
        self._is_ending = False
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """End Ray, and wait until nothing of it is left."""
        self._is_ending = True
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._process.stdout.close()

    def _watch(self) -> None:
        self._process.wait()
        if not self._is_ending:
            self._kill()  # where the process itself was killed, Ray is still there
            shutil.rmtree(self._folder, ignore_errors=True)
            say("googlenet: Ray has ended on this machine, and the run with it; give the same command again to go on")
            os._exit(BROKEN_OFF)

    def _kill(self) -> None:
        """Kill all of the session."""
        if hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()


def main(arguments: Sequence[str]) -> None:
    """Have Ray until standard input ends, or Ray does."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, lambda *_: None)  # the end of the run is what counts
    folder, processors = Path(arguments[0]), arguments[1]
    (folder / ADDRESS).unlink(missing_ok=True)  # of one that did not come up
    with (folder / LOG).open("wb") as log:
        ray = subprocess.Popen(_command(folder, processors), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    events: queue.SimpleQueue[str] = queue.SimpleQueue()
    _note(events, "the run has ended", sys.stdin.buffer.read)
    _note(events, "Ray has ended", ray.wait)
    ended = _until(events, folder / ADDRESS)
    if not ended:
        print((folder / ADDRESS).read_text().strip(), flush=True)
        events.get()
        ray.terminate()  # while it starts it would not hear
        with suppress(subprocess.TimeoutExpired):
            ray.wait(PATIENCE)
    elif ended == "Ray has ended":
        return  # its log says why
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)  # whatever of Ray is left, and this process


def _command(folder: Path, processors: str) -> list[str]:
    start = ["start", "--head", "--port=0", f"--num-cpus={processors}", f"--temp-dir={folder}", "--block"]
    return [sys.executable, "-P", "-m", "ray.scripts.scripts", *start, "--include-dashboard=false"]


def _note(events: "queue.SimpleQueue[str]", what: str, wait: Callable[[], Any]) -> None:
    """Put among the events what has happened, when it has been waited for."""

    def run() -> None:
        wait()
        events.put(what)

    threading.Thread(target=run, daemon=True).start()


def _until(events: "queue.SimpleQueue[str]", address: Path) -> str:
    """Wait for the address; return what has happened before, or nothing."""
    while True:
        try:
            return events.get(timeout=0.05)
        except queue.Empty:
            if address.exists() and address.read_text():
                return ""


def _reason(log: Path) -> str:
    """The last line of what Ray said as it did not start."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return shown(next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing"), 160)


if __name__ == "__main__":
    main(sys.argv[1:])
