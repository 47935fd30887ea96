"""Several processes that do one command's work on this machine, and which of them this one is.

Whoever starts them sets the environment variables of torchrun, so that a command is the same under both:

    googlenet evaluate WEIGHTS DATA --processes 4
    torchrun --nproc-per-node 4 -m googlenet evaluate WEIGHTS DATA

Only the first process (rank 0) speaks: the standard output of the others is dropped, and of what they say on stderr the
end is kept, for the case that one of them dies. A process ends with status 0 once its part is done; what became of the
whole, rank 0's status says. A process that is killed ends all; where that was asked for, all are then started again.
"""

import ctypes
import json
import os
import queue
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from googlenet.errors import InputError, is_number, shown, whole
from googlenet.machine import processor
from googlenet.reporting.console import say
from googlenet.signals import interrupts_wait, signals_into

__all__ = [
    *["INTERRUPTED", "Ranks", "launch", "main", "may_be_started_again", "ranks", "tell_torchrun"],
    *["will_be_started_again"],
]

NOTICE = 2.0
"""Seconds in which the others may notice by themselves that one has ended, and end too."""

PATIENCE = 10.0
"""Seconds between asking a process to end and killing it."""

INTERRUPTED = 130

MOST = 16
"""Processes that any machine may start; more than four for a core would but take its memory."""

_KEPT_LINES = 60
_LAST_WORDS = 1.0  # seconds in which what a dead process has written still arrives


class Ranks(NamedTuple):
    """Which process this is (`rank`, from 0) of how many that work together (`size`)."""

    rank: int
    size: int


def ranks() -> Ranks:
    """Read from the environment (`RANK`, `WORLD_SIZE`) which process this is; (0, 1) where it is alone.

    Raises `InputError` where the variables make no sense.
    """
    rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None and size is None:
        return Ranks(0, 1)
    if rank is None or size is None or not (_is_count(rank) and _is_count(size) and int(rank) < int(size)):
        found = f"RANK={shown(rank or '')} and WORLD_SIZE={shown(size or '')}"
        raise InputError(f"the environment says {found}; unset both, or start with torchrun or --processes")
    return Ranks(int(rank), int(size))


def may_be_started_again() -> bool:
    """Whether this process takes, or may take, the place of one of before, as torchrun and `--restarts` start it."""
    return "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def will_be_started_again() -> bool:
    """Whether all are started again where one is killed, by torchrun or `--restarts`."""
    count, most = (os.environ.get(f"TORCHELASTIC_{name}", "0") for name in ("RESTART_COUNT", "MAX_RESTARTS"))
    return is_number(count) and is_number(most) and int(count) < int(most)


def tell_torchrun(line: str) -> bool:
    """Leave why this process ends in the file of which torchrun makes its summary; false where it asks for none."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not file:
        return False
    content = {"message": {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}}
    try:
        with open(file, "w", encoding="utf-8") as out:  # noqa: PTH123
            json.dump(content, out)
    except OSError:
        return False
    return True


def launch(
    arguments: Sequence[str], processes: int, module: str = "googlenet", restarts: int = 0, also_one: bool = False
) -> int | None:
    """Run `python -m module arguments...` in so many processes and return the exit status of the whole.

    None where there is nothing to start: one process was asked for, unless one is to be started, too (`also_one`), or
    this is one of them already. They share the cores, read nothing from standard input, and end with this process,
    however it ends. Where one fails, it is said which and how, and the others are ended; where it was killed, all are
    started again, at most `restarts` times. Ctrl-C, SIGTERM and SIGHUP are passed on once, and it is waited for what
    the processes do then; after `PATIENCE`, or at a second Ctrl-C, they are killed. Raises `InputError` where the
    processes cannot be started, are far more than there are cores, or where another number of them is there already.
    """
    processes, restarts, there = whole("--processes", processes), whole("--restarts", restarts, 0), ranks()
    is_one_of_them = "WORLD_SIZE" in os.environ
    if is_one_of_them and processes not in (1, there.size):
        raise InputError(f"--processes {processes}: there are {there.size} already (WORLD_SIZE); leave the option out")
    if is_one_of_them:
        if "TORCHELASTIC_RUN_ID" in os.environ:
            _end_with_parent()  # torchrun leaves its processes to themselves when it is killed
        return None
    if processes == 1 and not restarts and not also_one:
        return None
    cores = os.cpu_count() or 1
    if processes > (most := max(MOST, 4 * cores)):
        raise InputError(f"--processes {processes}: there are {cores} cores here; give at most {most}")
    events: queue.SimpleQueue[_Process | int] = queue.SimpleQueue()
    again = f"; go on with: {shlex.join([module, *arguments])}" if module == "googlenet" else ""
    with signals_into(events):
        for attempt in range(restarts + 1):
            turn = {"TORCHELASTIC_RESTART_COUNT": str(attempt), "TORCHELASTIC_MAX_RESTARTS": str(restarts)}
            company = _Company(_started(arguments, processes, module, turn), events, again)
            status = company.wait()
            if not company.lost_one or attempt == restarts:
                break
            say(f"googlenet: all are started again and go on from what was saved ({attempt + 1} of {restarts} times)")
    return status


def main() -> None:
    """Run a module as one of the processes: `python -m googlenet.processes MODULE ARGUMENTS...`."""
    life_line = os.dup(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_end_at_eof, args=(life_line,), daemon=True).start()
    _end_with_parent()  # also where this process is stopped or stuck
    module = sys.argv.pop(1)
    try:
        if os.name == "posix":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:  # before the module could answer it
        if os.environ.get("RANK") == "0":
            say("googlenet: interrupted")
        sys.exit(INTERRUPTED)


def _is_count(text: str) -> bool:
    return is_number(text) and len(text) < 10


class _Process:
    """One process, and the threads that hear what it says and when it ends."""

    def __init__(self, rank: int, popen: "subprocess.Popen[bytes]") -> None:
        self.rank, self.popen = rank, popen
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def report_end(self, events: "queue.SimpleQueue[Any]") -> None:
        """Have the process put among the events when it ends."""

        def wait() -> None:
            self.popen.wait()
            events.put(self)

        threading.Thread(target=wait, daemon=True).start()

    @property
    def status(self) -> int:
        """Its exit status, or the number of the signal that ended it, negative."""
        assert self.popen.returncode is not None
        return self.popen.returncode

    @property
    def last_lines(self) -> list[str]:
        """What it said on stderr last; nothing of rank 0, which says it itself."""
        self._listener.join(_LAST_WORDS)  # processes that it started may hold its stderr open
        return [line for line in self._said if line.strip()]

    def ask(self, number: int) -> None:
        """Send a signal; elsewhere than on POSIX, end the process."""
        with suppress(OSError):  # it has ended meanwhile
            if os.name == "posix":
                self.popen.send_signal(number)
            else:
                self.popen.terminate()

    def _listen(self) -> None:
        if self.popen.stderr is not None:
            with self.popen.stderr as stream:
                for line in stream:
                    self._said.append(line.decode(errors="replace").rstrip())


class _Company:
    """All processes of one command until the last of them has ended."""

    def __init__(
        self, processes: Sequence[_Process], events: "queue.SimpleQueue[_Process | int]", again: str = ""
    ) -> None:
        """`again` says how work that was interrupted goes on."""
        self._processes, self._events, self._again = processes, events, again
        self._running = set(processes)
        self._first_dead: _Process | None = None
        self._is_interrupted, self._were_ended, self._killed = False, False, 0
        self._deadlines: list[tuple[float, Callable[[], None]]] = []
        """When what is done about those that still run, the next one last."""

    @property
    def lost_one(self) -> bool:
        """Whether a process was killed, and not from here."""
        return self._first_dead is not None and self._first_dead.status < 0 and not self._is_interrupted

    def wait(self) -> int:
        """Wait until all have ended; return the exit status of the whole."""
        try:
            for process in self._processes:
                process.report_end(self._events)
            while self._running:
                self._go_on()
        finally:
            _end([process.popen for process in self._processes])
        return self._conclusion()

    def _go_on(self) -> None:
        """Take the next event: the end of a process, a signal, or time that has run out."""
        timeout = self._deadlines[-1][0] - time.monotonic() if self._deadlines else 1.0  # Windows cannot interrupt more
        try:
            event = self._events.get(timeout=max(timeout, 0))
        except queue.Empty:
            if self._deadlines and time.monotonic() >= self._deadlines[-1][0]:
                self._deadlines.pop()[1]()
            return
        if isinstance(event, int):
            self._interrupt(event)
        else:
            self._bury(event)

    def _bury(self, process: _Process) -> None:
        self._running.discard(process)
        if process.status != 0 and not self._is_interrupted and self._first_dead is None:
            self._first_dead = process
            now = time.monotonic()
            self._deadlines = [(now + NOTICE + PATIENCE, self._kill), (now + NOTICE, self._terminate)]

    def _interrupt(self, number: int) -> None:
        if not self._is_interrupted:
            self._is_interrupted = True
            self._tell_all(number)
            now = time.monotonic()
            self._deadlines = [(now + PATIENCE, self._kill), (now + NOTICE, self._ask_for_patience)]
        elif number == signal.SIGINT:
            self._kill()

    def _ask_for_patience(self) -> None:
        left = f"{len(self._running)} of {len(self._processes)} processes"
        say(f"googlenet: waiting for {left}; killed in {PATIENCE - NOTICE:g} s, or by a second Ctrl-C at once")

    def _terminate(self) -> None:
        self._tell_all(signal.SIGTERM)

    def _kill(self) -> None:
        self._killed = len(self._running)
        self._tell_all(_KILL)

    def _tell_all(self, number: int) -> None:
        self._were_ended = True
        for process in self._running:
            process.ask(number)

    def _conclusion(self) -> int:
        first, status = self._first_dead, self._processes[0].status
        if first is None:
            if self._killed:
                again = self._again if status < 0 else ""  # else rank 0 has said so
                were = f"processes {'was' if self._killed == 1 else 'were'}"
                left = f"{self._killed} of {len(self._processes)}"
                say(f"googlenet: {left} {were} killed; what was saved before is kept{again}")
            return status if status >= 0 else INTERRUPTED
        if first.rank == 0 and first.status > 0:  # it has said why
            if self._were_ended:
                say(f"googlenet: {self._name(first)} ended with status {first.status}; the others were ended")
        elif first.status not in (2, INTERRUPTED) or first.status != status:  # else rank 0 has said the same
            self._say_how_it_died(first)
        return first.status if first.status > 0 else 1

    def _say_how_it_died(self, process: _Process) -> None:
        lines = process.last_lines
        beginnings = [number for number, line in enumerate(lines) if line.startswith("Traceback")]
        if beginnings:
            for line in lines[beginnings[0] :]:
                say(line)
        how = f"ended with status {process.status}" if process.status > 0 else _killed(process.status)
        last = f"; its last line: {lines[-1].strip()}" if lines else ""
        say(f"googlenet: {self._name(process)} {how}{last}")

    def _name(self, process: _Process) -> str:
        return f"process {process.rank} of {len(self._processes)} (counted from 0)"


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _started(arguments: Sequence[str], count: int, module: str, turn: dict[str, str]) -> list[_Process]:
    """Start the processes, each in a session of its own, so that Ctrl-C in the terminal reaches this one alone.

    `turn` is what their environment says of how often that was done.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    command = [sys.executable, "-P", "-m", "googlenet.processes", module, *arguments]
    shared = _shared_environment(count) | turn
    started: list[_Process] = []
    try:
        for rank in range(count):
            environment = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} if rank else {}
            with interrupts_wait():
                popen = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, **silent, **apart)
            started.append(_Process(rank, popen))
    except BaseException as error:
        _end([process.popen for process in started])
        if isinstance(error, OSError):
            told = f"process {len(started)} could not be started ({error.strerror or error})"
            raise InputError(f"--processes {count}: {told}; give fewer") from error
        raise
    return started


def _end(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    """End those that still run, and leave neither a zombie nor an open pipe."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _shared_environment(count: int) -> dict[str, str]:
    """What all processes are told: how many they are, where they meet, and their share of the cores."""
    return {
        "OMP_NUM_THREADS": str(max(1, processor().cores // count)),  # a user's own setting takes its place
        **{name: value for name, value in os.environ.items() if not name.startswith("TORCHELASTIC_")},  # another's
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),  # noqa: PTH109
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _end_with_parent() -> None:
    """Have the system kill this process when the one that started it ends, where it can be asked to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _end_at_eof(life_line: int) -> None:
    """End this process when the one that started it has closed its end of the pipe, or is no more."""
    with suppress(OSError):
        while os.read(life_line, 1):
            pass
    os._exit(1)


def _killed(status: int) -> str:
    if -status == _KILL:
        return "was killed (SIGKILL), as happens where memory runs out"
    try:
        return f"was killed ({signal.Signals(-status).name})"
    except ValueError:
        return f"was killed (signal {-status})"


if __name__ == "__main__":
    main()
