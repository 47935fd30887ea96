"""Two checkouts of this package against each other, in turns: what a change costs or gains.

    python benchmarks/two_checkouts.py OLD NEW [--only inference-1 ...] [--rounds 20] [--threads 2] [--json FILE]

Each checkout works in a process of its own, with its own environment (`OLD/.venv/bin/python`) and its own benchmark
files; both processes live through all rounds, so that starting and preparing do not count. In each round both take the
work twice in a row, of which the second counts, and who begins alternates. The ratio is old seconds / new seconds:
above 1 the new one is faster. Its median has a 95 % interval by bootstrap over the rounds (10,000 resamples).

    inference-1, inference-32   a batch of the paper's network through the form that was measured to be the fastest
    training-step               a step of `googlenet train` with both heads, batch 32, freed memory kept
    pipeline                    training patches from photographs, one core (give --photographs FOLDER for real ones)
    normalisation, normalisation-gradient   both layers of GoogLeNet, batch 32
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rounds import PAUSE, Result, write

from googlenet import machine
from googlenet.reporting.console import table

WORKS = {
    "inference-1": """
        import inference, numpy, torch
        form = inference.our_forms(inference.load(None), 1)["googlenet"]
        x = numpy.random.default_rng(1).normal(0, 50, (1, 3, 224, 224)).astype("f4")
        work = lambda: [form(x) for _ in range(10)]""",
    "inference-32": """
        import inference, numpy, torch
        form = inference.our_forms(inference.load(None), 32)["googlenet"]
        x = numpy.random.default_rng(1).normal(0, 50, (32, 3, 224, 224)).astype("f4")
        work = lambda: form(x)""",
    "training-step": """
        import torch, training_step
        work, said = training_step.ours(
            torch.randint(256, (32, 224, 224, 3), dtype=torch.uint8), torch.randint(1000, (32,)), "cpu")""",
    "pipeline": """
        import input_pipeline
        from googlenet.images.finding import find_images
        from pathlib import Path
        input_pipeline.on_one_core()
        found = find_images([Path(photographs)]) if photographs else []
        files = [p.read_bytes() for p in getattr(found, "paths", found)]
        work = input_pipeline.forms(files or input_pipeline.synthetic(60))["ours"]""",
    "normalisation": """
        import local_response_norm
        work = local_response_norm.forms()["fused: forward"]""",
    "normalisation-gradient": """
        import local_response_norm
        work = local_response_norm.forms()["fused: forward + backward"]""",
}
"""What both checkouts run: the names stand in their own `benchmarks/`."""

SERVER = """
import json, os, sys, textwrap, time
sys.path.insert(0, "benchmarks")
sys.argv = ["two_checkouts"]
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import torch
from googlenet import machine
code, photographs, threads = json.loads(sys.stdin.readline())
torch.set_num_threads(threads)
machine.keep_freed_memory()
exec(textwrap.dedent(code))
work()
print("ready", file=answers, flush=True)
for _ in sys.stdin:
    work()
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start, file=answers, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    for name in options.only:
        results.append(compare(name, options))
        print(f"{name} done", file=sys.stderr)
    print(f"{machine.processor()}, {options.threads} threads, {options.rounds} rounds")
    print(f"old {commit(options.old)}, new {commit(options.new)}")
    print(table(["work", "old s", "new s", "old / new: median (95 % interval)"], [row(result) for result in results]))
    if options.json:
        write(options.json, results)


@dataclass
class Side:
    """One checkout's process, ready to work when it is told to."""

    checkout: Path

    def begin(self, name: str, options: argparse.Namespace) -> None:
        python = self.checkout.resolve() / ".venv" / "bin" / "python"
        self._process = subprocess.Popen(
            [python, "-c", SERVER], cwd=self.checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        photographs = str(options.photographs.resolve()) if options.photographs else ""
        self._ask([WORKS[name], photographs, options.threads])

    def run(self) -> float:
        time.sleep(PAUSE)
        return float(self._ask("again"))

    def end(self) -> None:
        self._process.communicate()

    def _ask(self, message: Any) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(message), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"{self.checkout}: its process ended with status {self._process.wait()}")
        return answer


def compare(name: str, options: argparse.Namespace) -> Result:
    sides = {"old": Side(options.old), "new": Side(options.new)}
    for side in sides.values():  # one after the other: each may measure its forms
        side.begin(name, options)
    settings = {"work": name, "threads": options.threads, **{f"commit_{s}": commit(sides[s].checkout) for s in sides}}
    result = Result(shlex.join(sys.argv), settings, {side: [] for side in sides})
    for turn in range(options.rounds):
        for side in list(sides)[:: 1 if turn % 2 else -1]:
            result.seconds[side].append(sides[side].run())
    for side in sides.values():
        side.end()
    return result


def row(result: Result) -> list[str]:
    ratios = np.array(result.seconds["old"]) / np.array(result.seconds["new"])
    draws = np.random.default_rng(0).integers(len(ratios), size=(10_000, len(ratios)))
    low, high = np.quantile(np.median(ratios[draws], axis=1), [0.025, 0.975])
    medians = [f"{result.median(side):.4g}" for side in ("old", "new")]
    return [result.settings["work"], *medians, f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f})"]


def commit(checkout: Path) -> str:
    """Return the short name of a checkout's commit."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
