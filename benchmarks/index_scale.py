"""What an index of tar shards costs for each image, and what that makes of ten million to a thousand million images.

    python benchmarks/index_scale.py [--images 200000] [--per-shard 10000] [--rounds 5] [--at FOLDER] [--json FILE]

Shards of tiny samples are written below a temporary folder (or --at) and opened in fresh processes: the first time,
from the tar headers, and again, from the kept index. Seconds are those of each part alone. Memory is what a process
holds beyond what it held before, without the pages of the index, which all processes of a machine share; those are
counted as bytes of its file. Costs are in proportion to the images; the second table multiplies them.

    opening     as every process of a run does
    identity    which images they are, in one hash: each process, once at the start of a run
    order       of an epoch: each process, once an epoch
    a read      of one image at random, of a file in the page cache
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from googlenet import machine
from googlenet.files import atomic_write
from googlenet.reporting.console import table

MEASURED = """
import json, sys, time
import numpy as np
from googlenet.data.identity import identity
from googlenet.data.sampler import Sampler
from googlenet.data.sources import open_dataset

def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["RssAnon"].split()[0]) * 1024

found, before = {}, resident()

def measured(name, work):
    start = time.perf_counter()
    result = work()
    found[f"{name}: seconds"] = time.perf_counter() - start
    found[f"{name}: bytes"] = resident() - before
    return result

data = measured("opening", lambda: open_dataset(sys.argv[1]))
measured("identity", lambda: len(identity(data).listing))
sampler = Sampler(data.labels, 256, 0)
kept = measured("order", lambda: sampler.order(0))
chosen = np.random.default_rng(0).integers(len(data), size=2000).tolist()
measured("a read", lambda: [data.read(index) for index in chosen])
found["a read: seconds"] /= len(chosen)
print(json.dumps(found | {"images": len(data)}))
"""

SIZES = (10**7, 10**8, 10**9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--per-shard", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.at) as temporary:
        os.environ["GOOGLENET_CACHE"] = str(Path(temporary) / "cache")
        shards = options.images // options.per_shard
        for shard in range(shards):
            write_shard(Path(temporary) / f"s-{shard:06}.tar", range(shard, options.images, shards))
        pattern = f"{temporary}/s-{{000000..{shards - 1:06}}}.tar"
        first = opened(pattern)
        again = [opened(pattern) for _ in range(options.rounds)]
        kept = sum(file.stat().st_size for file in (Path(temporary) / "cache" / "indexes").iterdir())
    show(first, again, kept)
    if options.json:
        value = {"command": shlex.join(sys.argv), "machine": str(machine.processor()), "index bytes": kept}
        with atomic_write(options.json) as file:
            file.write((json.dumps(value | {"first": first, "again": again}, indent=1) + "\n").encode())


def write_shard(path: Path, numbers: range) -> None:
    """Samples with names as ImageNet's have them, a thousand classes; an image is a few bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
        for number in numbers:
            name = f"n{number % 1000:08}/n{number % 1000:08}_{number}"
            for ending, content in ((".JPEG", b"image"), (".cls", str(number % 1000).encode())):
                member = tarfile.TarInfo(name + ending)
                member.size = len(content)
                file.addfile(member, BytesIO(content))


def opened(pattern: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", MEASURED, pattern], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def show(first: dict[str, float], again: Sequence[dict[str, float]], kept: int) -> None:
    images = int(first["images"])
    middle = {name: statistics.median(one[name] for one in again) for name in first}
    costs = {
        "opening, from the headers": (first["opening: seconds"] / images, middle["opening: bytes"] / images),
        "opening again": (middle["opening: seconds"] / images, middle["opening: bytes"] / images),
        "identity": (middle["identity: seconds"] / images, 0.0),
        "order of an epoch": (middle["order: seconds"] / images, 8.0),
    }
    rows = [(name, f"{1e6 * seconds:.2f}", f"{size:.0f}") for name, (seconds, size) in costs.items()]
    print(table(("of each image", "microseconds", "bytes of a process"), rows))
    print(f"index, shared by all processes of a machine: {kept / images:.0f} bytes of each image")
    print(f"a read of one image: {1e6 * middle['a read: seconds']:.0f} microseconds")
    start = sum(costs[name][0] for name in ("opening again", "identity", "order of an epoch"))
    opening = costs["opening, from the headers"][0]
    held = costs["opening again"][1] + 2 * 8.0  # two epochs' orders, where one ends and the next is prepared
    rows = [
        (
            f"{size:,}",
            f"{size * opening / 60:.1f} min",
            f"{size * start / 60:.1f} min",
            f"{size * held / 1e9:.1f} GB",
            f"{size * kept / images / 1e9:.1f} GB",
        )
        for size in SIZES
    ]
    print(table(("images", "headers, once", "each start", "each process", "index, shared"), rows))


if __name__ == "__main__":
    main()
