"""Asynchronous training with 2 and 4 replicas beside synchronous training, at equal samples: accuracy, staleness, time.

    python benchmarks/asynchronous.py DATA FOLDER [--seeds 0 1 2] [--arms step "2 corrected"] [--json F]

DATA is a folder with CIFAR-10 as shards, train-0000.tar.gz to train-0003.tar.gz and test-0000.tar.gz, test-0001.tar.gz;
the network is googlenet-cifar at a quarter of its width, for 4 epochs. Every run is one of the command line in a folder
of its own: ended or killed, the same command goes on, and a run that is done is only read. All images are test images.

The corrected momentum of R replicas is 1 - R (1 - 0.9): by Mitliagkas et al. (2016) R asynchronous workers act like a
momentum of 1 - 1/R, and the two together then leave as much of a step as 0.9 alone. The rate is R times as high, so
that each gradient moves the weights as far in the end. Intervals are at 95 %, of the mean over the seeds (Student's t).
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from googlenet import machine
from googlenet.files import atomic_write
from googlenet.reporting.console import duration, table

RECIPE = [
    *["--network", "googlenet-cifar", "--width", "0.25", "--epochs", "4", "--batch-size", "64"],
    *["--schedule", "one-cycle", "--sampling", "shift", "--distortion", "none", "--log-every", "50"],
]
RATE, MOMENTUM = 0.02, 0.9


@dataclass(frozen=True)
class Arm:
    """One way of training: so many replicas (0: in step, in one process), with this momentum and rate."""

    name: str
    replicas: int = 0
    momentum: float = MOMENTUM
    rate: float = RATE

    @property
    def options(self) -> list[str]:
        found = ["--momentum", f"{self.momentum:g}", "--rate", f"{self.rate:g}"]
        if self.replicas:
            found += ["--exchange", "downpour", "--replicas", str(self.replicas), "--shards", "2"]
        return found


def corrected(replicas: int) -> Arm:
    momentum = 1 - replicas * (1 - MOMENTUM)
    return Arm(f"{replicas} corrected", replicas, momentum, RATE * replicas)


ARMS = [Arm("step"), *(arm for count in (2, 4) for arm in (Arm(f"{count} as it is", count), corrected(count)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=[arm.name for arm in ARMS], choices=[arm.name for arm in ARMS])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    arms = [arm for arm in ARMS if arm.name in options.arms]
    found: dict[str, list[dict[str, Any]]] = {arm.name: [] for arm in arms}
    for seed in options.seeds:  # all arms of a seed before the next: what is ended early can be compared
        for arm in arms:
            found[arm.name].append(train(options.data, options.folder, arm, seed))
    print(f"{machine.processor()}; runs in {options.folder}")
    headers = ["replicas", "momentum", "rate", "top-1", "95 % interval", "by seed", "staleness", "largest", "time"]
    print(table(headers, [row(arm, found[arm.name]) for arm in arms]))
    if options.json:
        result = {"command": sys.argv, "machine": str(machine.processor()), "runs": found}
        with atomic_write(options.json) as file:
            file.write((json.dumps(result, indent=1) + "\n").encode())


def train(data: Path, folder: Path, arm: Arm, seed: int) -> dict[str, Any]:
    """Run the command as a user gives it, or read what it has left; return the run's summary."""
    output = folder / f"{arm.name.replace(' ', '-')}-{seed}"
    if not (output / "summary.json").exists():
        command = [sys.executable, "-m", "googlenet", "train", str(data / "train-{0000..0003}.tar.gz")]
        command += ["--validation", str(data / "test-{0000..0001}.tar.gz"), "-o", str(output), *RECIPE, *arm.options]
        subprocess.run([*command, "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL)
    return json.loads((output / "summary.json").read_text())


def row(arm: Arm, runs: list[dict[str, Any]]) -> list[str]:
    rates = [run["evaluation"][run["weights"]]["top1"] for run in runs]
    counts = [run["exchange"]["staleness"] for run in runs if arm.replicas]
    late = [mean_of(one) for one in counts]
    largest = [max(int(late) for shard in one for late in shard) for one in counts]
    return [
        *(arm.name, f"{arm.momentum:g}", f"{arm.rate:g}"),
        *interval(rates),
        ", ".join(f"{rate:.1%}" for rate in rates),
        *((f"{statistics.mean(late):.2f}", str(max(largest))) if late else ("", "")),
        duration(statistics.mean(run["seconds"] for run in runs)),
    ]


def mean_of(staleness: list[dict[str, int]]) -> float:
    """Return the mean of a histogram for each shard."""
    counts = [(int(late), count) for shard in staleness for late, count in shard.items()]
    return sum(late * count for late, count in counts) / max(1, sum(count for _, count in counts))


def interval(rates: list[float]) -> tuple[str, str]:
    mean = statistics.mean(rates)
    if len(rates) < 2:
        return f"{mean:.1%}", ""
    half = stats.t.ppf(0.975, len(rates) - 1) * statistics.stdev(rates) / len(rates) ** 0.5
    return f"{mean:.1%}", f"{mean - half:.1%} to {mean + half:.1%}"


if __name__ == "__main__":
    main()
