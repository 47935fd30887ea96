"""Hostile files against every reader of weights: seconds, peak memory and what the commands say.

    python benchmarks/hostile_files.py [--mutations 2000] [--json FILE]

First, files made to harm, of real networks' size, each given to a fresh `googlenet import` (a checkpoint:
`googlenet export`, which reads all of it and computes nothing): it must end with one line and status 2 within 5 seconds
of processor time, in no more memory than three times the file plus 300 MB over a process that reads nothing. Then so
many random mutations for each reader, of small files, each of which must be read or refused. Ends with status 1 where
anything fell short.
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/weights/importers"))

from attacks import HARMLESS, attacks
from mutations import mutated, narrow_zoo, samples

from googlenet import machine
from googlenet.errors import InputError
from googlenet.files import atomic_write
from googlenet.reporting.console import table

LONGEST = 5.0
"""Seconds of processor time; what passes meanwhile depends on what else the machine does."""

MEGABYTE = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=2000, help="for each reader")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(mutate(options.worker, options.mutations)))
        return 0
    if options.write:
        kind, title, path = options.write
        Path(path).write_bytes(attacks()[kind][title]())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        harmful = [attack(Path(folder), kind, title) for kind, found in attacks().items() for title in found]
    show(
        "files made to harm",
        harmful,
        ("reader", "what", "megabytes", "cpu_seconds", "elapsed_seconds", "peak_megabytes", "status", "said"),
    )
    random = [in_process(kind, options.mutations) for kind in kinds()]
    show("random mutations", random, ("reader", "mutations", "refused", "read", "slowest_seconds", "growth_megabytes"))
    fallen = [row for row in harmful + random if row["fault"]]
    for row in fallen:
        print(f"fell short: {row}")
    if options.json:
        content = {"command": shlex.join(sys.argv), "commit": commit(), "machine": str(machine.processor())}
        content |= {"made_to_harm": harmful, "mutations": random}
        with atomic_write(options.json) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode())
    return 1 if fallen else 0


def attack(folder: Path, kind: str, title: str) -> dict[str, Any]:
    """Give one file to a fresh command, and measure it."""
    path = folder / "hostile"
    # Written elsewhere: a process begins with the peak memory of the one that starts it.
    subprocess.run([sys.executable, __file__, "--write", kind, title, str(path)], check=True)
    out = ["--hub-folder", folder / "hub"] if kind == "checkpoint" else ["-o", folder / "out"]
    seconds, elapsed, peak, status, lines = command("export" if kind == "checkpoint" else "import", path, *out)
    size = path.stat().st_size
    harmless = title in HARMLESS
    allowed = idle_peak(folder) + 3 * size + 300 * MEGABYTE
    short = len(lines) == 1 and not lines[0].startswith("Traceback")
    good = seconds < LONGEST and peak <= allowed and (status == 0 if harmless else status == 2 and short)
    said = (lines[0] if lines else "").replace(f"{path}", "FILE").removeprefix("googlenet: ")
    return {
        "reader": kind,
        "what": title,
        "megabytes": round(size / MEGABYTE, 1),
        "cpu_seconds": round(seconds, 2),
        "elapsed_seconds": round(elapsed, 2),
        "peak_megabytes": round(peak / MEGABYTE),
        "status": status,
        "said": said,
        "fault": not good,
    }


def command(*arguments: str | Path) -> tuple[float, float, int, int, list[str]]:
    """Run the package's command; return processor and elapsed seconds, peak bytes, status, lines of standard error."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        words = [sys.executable, "-m", "googlenet", *map(str, arguments)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    return usage.ru_utime + usage.ru_stime, elapsed, usage.ru_maxrss * 1024, process.returncode, lines


def idle_peak(folder: Path, found: dict[str, int] = {}) -> int:  # noqa: B006 (measured once)
    """Return the peak memory of the command on a file of one byte, which it refuses at once."""
    if not found:
        path = folder / "byte"
        path.write_bytes(b"a")
        found["peak"] = command("import", path, "-o", folder / "out")[2]
    return found["peak"]


def kinds() -> list[str]:
    with narrow_zoo():
        return list(samples())


def in_process(kind: str, count: int) -> dict[str, Any]:
    """Run mutations in a process of their own, so that a crash is seen and does not end the rest."""
    words = [sys.executable, __file__, "--worker", kind, "--mutations", str(count)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode:
        return {"reader": kind, "mutations": count, "fault": f"status {result.returncode}: {result.stderr[-2000:]}"}
    return json.loads(result.stdout)


def mutate(kind: str, count: int) -> dict[str, Any]:
    """Read `count` mutations of one small file; every fault is kept with the seed that makes it again."""
    faults: list[str] = []
    refused, slowest = 0, 0.0
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder, narrow_zoo():
        sample, path = samples()[kind], Path(folder, "mutated")
        size = path.write_bytes(sample.whole(sample.content))
        sample.read(path)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(count):
            path.write_bytes(mutated(sample, Random(seed)))
            start = time.perf_counter()
            try:
                sample.read(path)
            except InputError as error:
                refused += 1
                if not str(error).startswith(f"{path}: ") or len(str(error)) > 500 + len(str(path)):
                    faults.append(f"seed {seed}: {error}")
            except Exception as error:
                faults.append(f"seed {seed}: {error!r}")
            slowest = max(slowest, time.perf_counter() - start)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if slowest >= LONGEST or growth > 3 * size + 300 * MEGABYTE:
        faults.append("too slow or too large")
    return {
        "reader": kind,
        "mutations": count,
        "refused": refused,
        "read": count - refused,
        "slowest_seconds": round(slowest, 3),
        "growth_megabytes": round(growth / MEGABYTE),
        "fault": "; ".join(faults[:5]),
    }


def show(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    print(f"\n{title}")
    print(
        table(
            [column.replace("_", " ") for column in columns], [[str(row.get(c, "")) for c in columns] for row in rows]
        )
    )


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
