"""Opening a folder of a million images: the first time, again, and after a change, each in a fresh process.

Also again as on a file system whose times of change cannot be believed, where all names are read each time.

    python benchmarks/folder_index.py [--files 1000000] [--folders 1000] [--rounds 5] [--at FOLDER] [--json FILE]

The images are empty files, made in a temporary folder (or below --at) and removed afterwards: opening reads no image.
Seconds are those of the whole process, interpreter and imports included, and of the opening alone; memory is what the
process holds at its end beyond what it held before opening, mapped pages included.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from googlenet import machine
from googlenet.files import atomic_write
from googlenet.reporting.console import table

OPEN = """
import json, sys, time
from googlenet.data import scan
from googlenet.data.sources import open_dataset

if sys.argv[2] == "unknown":
    scan._LASTING = frozenset()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

before, start = resident(), time.perf_counter()
data = open_dataset(sys.argv[1])
seconds = time.perf_counter() - start
data.name(len(data) - 1)
print(json.dumps({"images": len(data), "opening": seconds, "megabytes": resident() - before}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.at) as temporary:
        os.environ["GOOGLENET_CACHE"] = str(Path(temporary) / "cache")
        top = Path(temporary) / "images"
        make(top, options.files, options.folders)
        time.sleep(3)  # a folder changed within the last two seconds would be read again
        found = {"first": [opened(top)], "again": [opened(top) for _ in range(options.rounds)]}
        found["again, unknown file system"] = [opened(top, "unknown") for _ in range(options.rounds)]
        opened(top)
        found["after a file was added"] = [changed(top, number) for number in range(options.rounds)]
    show(found)
    if options.json:
        value = {"command": shlex.join(sys.argv), "machine": str(machine.processor()), "seconds": found}
        with atomic_write(options.json) as file:
            file.write((json.dumps(value, indent=1) + "\n").encode())


def make(top: Path, files: int, folders: int) -> None:
    for folder in range(folders):
        path = top / f"n{folder:08}"
        path.mkdir(parents=True)
        for number in range(folder, files, folders):
            os.close(os.open(path / f"n{folder:08}_{number}.JPEG", os.O_CREAT | os.O_WRONLY))


def opened(top: Path, file_system: str = "") -> dict[str, float]:
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(top), file_system], capture_output=True, text=True, check=True
    )
    return {"process": time.perf_counter() - start, **json.loads(run.stdout)}


def changed(top: Path, number: int) -> dict[str, float]:
    (top / f"n{number:08}" / "added.JPEG").touch()
    time.sleep(3)
    return opened(top)


def show(found: dict[str, list[dict[str, float]]]) -> None:
    print(machine.processor())
    rows = []
    for name, runs in found.items():
        cells = [name, f"{runs[-1]['images']:.0f}"]
        for what in ("process", "opening"):
            values = [run[what] for run in runs]
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        rows.append([*cells, f"{runs[-1]['megabytes']:.0f}"])
    print(table(("start", "images", "seconds, whole process", "seconds, opening", "megabytes"), rows))


if __name__ == "__main__":
    main()
