"""What two machines fetch of shards behind a URL, beside whole copies, and whether they learn what one process learns.

    python benchmarks/shared_shards.py DATA [--shards 8] [--epochs 1 3] [--json FILE]

DATA is a folder of class folders, which is packed into shards, its images in an order of chance. A server on this
machine gives them out. Two processes, each with a cache folder of its own as if on a machine of its own, train a small
network on them in step: once from a server that gives parts of files, once from one that does not, so that all is
copied, as it was always done before; one process trains on the files. Losses are compared step by step.
"""

import argparse
import io
import json
import os
import random
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from googlenet import machine
from googlenet.data.blocks import BLOCK
from googlenet.files import atomic_write
from googlenet.images.finding import ENDINGS
from googlenet.reporting.console import percent, scaled, table

sys.path.append(str(Path(__file__).parents[1] / "tests/data"))
from object_store import ObjectStore

RECIPE = "--network googlenet-tiny --width 0.25 --batch-size 16 --rate 1e-5 --workers 0 --log-every 1 --device cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        count = pack(options.data, store, options.shards)
        whole = sum(file.stat().st_size for file in store.iterdir())
        pattern = f"t-{{0..{options.shards - 1}}}.tar"
        rows = []
        for epochs in options.epochs:
            alone = losses(train(f"{store}/{pattern}", Path(folder, f"alone-{epochs}"), epochs, 1))
            for parts in (True, False):
                own = Path(folder, f"{'parts' if parts else 'copies'}-{epochs}")
                with ObjectStore(store, gives_ranges=parts) as server:
                    found = losses(train(f"{server.url}/{pattern}", own, epochs, 2))
                apart = max(abs(one - other) / other for one, other in zip(found, alone, strict=True))
                kept = [fetched(own / f"machine-{rank}") for rank in range(2)]
                rows.append({"epochs": epochs, "parts": parts, "kept": kept, "requests": server.requests})
                rows[-1] |= {"losses apart": apart, "losses": found}
    print(f"{machine.processor()}; {count} images, {scaled(whole, 'B')} in {options.shards} shards")
    headers = ["epochs", "fetched", "rank 0", "rank 1", "of all", "requests", "losses apart from one process"]
    print(table(headers, [told(row, whole) for row in rows]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    print("losses in parts and whole:", "the same" if all(a["losses"] == b["losses"] for a, b in pairs) else "others")
    if options.json:
        content = {"command": sys.argv, "machine": str(machine.processor()), "images": count, "bytes": whole}
        with atomic_write(options.json) as file:
            file.write((json.dumps(content | {"rows": rows}, indent=1) + "\n").encode())


def told(row: dict[str, Any], whole: int) -> list[object]:
    kept = [scaled(one, "B") for one in row["kept"]]
    share = percent(max(row["kept"]) / whole)
    return [
        row["epochs"],
        "in parts" if row["parts"] else "whole",
        *kept,
        share,
        row["requests"],
        f"{row['losses apart']:.1e}",
    ]


def pack(data: Path, store: Path, shards: int) -> int:
    """Write the images of class folders to shards; return how many there are."""
    images = sorted(file for file in data.rglob("*") if file.suffix.lower() in ENDINGS)
    random.Random(0).shuffle(images)
    classes = sorted({image.parent.name for image in images})
    store.mkdir()
    (store / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    for shard in range(shards):
        with tarfile.open(store / f"t-{shard}.tar", "w") as archive:
            for number in range(shard, len(images), shards):
                label = str(classes.index(images[number].parent.name)).encode()
                for ending, content in ((images[number].suffix, images[number].read_bytes()), (".cls", label)):
                    member = tarfile.TarInfo(f"{number:06}{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return len(images)


def train(source: str, folder: Path, epochs: int, machines: int) -> Path:
    """Run the command on so many machines and return the folder of the run."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "googlenet", "train", source, "-o", str(folder / "run"), *RECIPE.split()]
    place = {"WORLD_SIZE": machines, "LOCAL_WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = []
    for rank in range(machines):
        own = {"RANK": rank, "LOCAL_RANK": 0, "GOOGLENET_CACHE": folder / f"machine-{rank}", **place}
        environment = os.environ | {name: str(value) for name, value in own.items()}
        processes.append(subprocess.Popen([*command, "--epochs", str(epochs)], env=environment, stdout=sys.stderr))
    assert not any([process.wait() for process in processes])  # noqa: C419  all are waited for
    return folder / "run"


def losses(run: Path) -> list[float]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["event"] == "step"]


def fetched(cache: Path) -> int:
    """Return how many bytes of shards a machine has, whole or in blocks."""
    files = list((cache / "shards").iterdir())
    copies = sum(file.stat().st_size for file in files if file.suffix == ".tar")
    blocks = sum(np.count_nonzero(np.fromfile(file, np.uint32)) for file in files if file.suffix == ".sums")
    return copies + BLOCK * int(blocks)


if __name__ == "__main__":
    main()
