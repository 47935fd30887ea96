"""Interleaved timing for all benchmarks: every form runs once in each round, so that drift hits all alike."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from googlenet import machine
from googlenet.files import atomic_write
from googlenet.reporting.console import duration

__all__ = ["Result", "elsewhere", "measure", "measure_long", "product_rate", "write"]

PAUSE = 0.05
"""Seconds before each form, in which the threads of the one before stop waiting actively."""


@dataclass
class Result:
    """Seconds by form and round, with what is needed to judge them."""

    command: str
    settings: dict[str, Any]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def best(self, form: str) -> float:
        return min(self.seconds[form])

    def median(self, form: str) -> float:
        return statistics.median(self.seconds[form])

    def ratios(self, slow: str, quick: str) -> tuple[float, float, float]:
        """How many times faster `quick` is, within each round: least, median, greatest."""
        ratios = [a / b for a, b in zip(self.seconds[slow], self.seconds[quick], strict=True)]
        return min(ratios), statistics.median(ratios), max(ratios)

    def to_json(self) -> dict[str, Any]:
        """Every round, the command, the commit and the machine."""
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        return {
            "command": self.command,
            "commit": commit.stdout.strip(),
            "machine": str(machine.processor()),
            "torch": torch.__version__,
            **self.settings,
            "seconds": {form: [float(f"{s:.5g}") for s in values] for form, values in self.seconds.items()},
        }


def write(path: Path, results: list[Result]) -> None:
    """Keep every round as JSON."""
    with atomic_write(path) as file:
        file.write((json.dumps([result.to_json() for result in results], indent=1) + "\n").encode())


def measure(forms: Mapping[str, Callable[[], Any]], rounds: int, result: Result) -> None:
    """Run each form once to warm up, then `rounds` times in turns, and add the seconds to `result`."""
    for form in forms.values():
        form()
    result.seconds |= {form: [] for form in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            form()
            result.seconds[name].append(time.perf_counter() - start)


def measure_long(
    forms: Mapping[str, Callable[[], Any]],
    rounds: int,
    result: Result,
    *,
    kept: Path | None = None,
    minutes: float = 0.0,
    after_round: Callable[[], None] = lambda: None,
) -> None:
    """Run forms of many seconds in turns, which were warmed up before, and add the seconds of each to `result`.

    After `rounds` of them more follow while `minutes` are not over. What a form took, and what is left, goes to stderr.
    Every round is written to `kept`, with the settings that `after_round` may add, and what an interrupted run with the
    same settings left there is gone on with.
    """
    result.seconds |= {form: [] for form in forms}
    if kept is not None:
        _go_on(kept, rounds, result)
    begun = time.perf_counter()
    while (done := len(result.seconds[next(iter(forms))])) < rounds or time.perf_counter() - begun < 60 * minutes:
        taken: dict[str, float] = {}
        for name, form in forms.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            form()
            taken[name] = time.perf_counter() - start
            known = [taken.get(other) or _last(result, other) for other in forms]
            told = f"round {done + 1} of {rounds}: {name} {taken[name]:.1f} s"
            if None not in known:
                left = sum(known) * max(0, rounds - done) - sum(taken.values())
                told += f", about {duration(max(0.0, left))} left"
            print(told, file=sys.stderr)
        for name, seconds in taken.items():
            result.seconds[name].append(seconds)
        after_round()
        if kept is not None:
            write(kept, [result])


def _last(result: Result, form: str) -> float | None:
    return result.seconds[form][-1] if result.seconds[form] else None


def _go_on(kept: Path, rounds: int, result: Result) -> None:
    """Take over the rounds that an interrupted run of the same settings has left."""
    try:
        (before,) = json.loads(kept.read_text())
    except (OSError, ValueError):
        return
    now = result.to_json()
    seconds = before.get("seconds", {})
    same = {name for name in now if name not in ("command", "seconds") and before.get(name) != now[name]} == set()
    if same and seconds.keys() == result.seconds.keys() and 0 < len(next(iter(seconds.values()))) < rounds:
        result.seconds |= seconds
        result.settings |= {name: value for name, value in before.items() if name not in now}
        print(f"{kept}: goes on after {len(next(iter(seconds.values())))} rounds", file=sys.stderr)


@contextmanager
def elsewhere(prepare: Callable[..., Callable[[Any], Any]], *arguments: Any) -> Iterator[Callable[[Any], Any]]:
    """Give a function of one argument that a process of its own computes, with the C library's memory as it comes.

    What computes it is returned there by `prepare(*arguments)`; torch has as many threads as here.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    given = (there, torch.get_num_threads(), prepare, *arguments)
    process = context.Process(target=_serve, args=given, daemon=True)
    process.start()
    there.close()

    def ask(argument: Any = None) -> Any:
        here.send(argument)
        return here.recv()

    try:
        yield ask
    finally:
        here.close()
        process.join()


def _serve(connection: Connection, threads: int, prepare: Callable[..., Callable[[Any], Any]], *arguments: Any) -> None:
    torch.set_num_threads(threads)
    compute = prepare(*arguments)
    while True:
        try:
            argument = connection.recv()
        except EOFError:  # nobody asks any more
            return
        connection.send(compute(argument))


def product_rate(dtype: torch.dtype = torch.float32, size: int = 2048) -> Callable[[], Any]:
    """Return a form that is one product of two size x size matrices: 2 * size^3 operations, the limit's measure."""
    left, right = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    return lambda: left @ right
