"""Interleaved timing for all benchmarks: every form runs once in each round, so that drift hits all alike."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from googlenet import machine
from googlenet.files import atomic_write

__all__ = ["Result", "measure", "product_rate", "write"]

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


def product_rate(dtype: torch.dtype = torch.float32, size: int = 2048) -> Callable[[], Any]:
    """Return a form that is one product of two size x size matrices: 2 * size^3 operations, the limit's measure."""
    left, right = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    return lambda: left @ right
