"""Processes that fill one cache of proposals: some are killed at random moments, some work at the same time.

    python tests/detection/proposals/filling.py FOLDER

prints a line of JSON for each process: the `cache` that it filled, whether it was `killed`, what the cache held before
(`kept`, files with a hash of their content), and the files whose boxes it began to compute (`begun`). What the process
printed lies in FOLDER/NAME.jsonl.
"""

import hashlib
import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from googlenet.__main__ import main as googlenet
from googlenet.detection.proposals import cache as caching
from googlenet.detection.proposals.cache import ProposalCache

SEED = 0
PICTURES = 10
SOURCES = ("selective-search:single,width=64", "selective-search:single,width=64,superpixels=2")
TOGETHER = 4
"""Processes that fill a cache at the same time, beside one that is killed."""


def pictures(folder: Path) -> Path:
    """Write small pictures, the last two of which have the same pixels."""
    folder.mkdir(parents=True)
    random_ = np.random.default_rng(SEED)
    for number in range(PICTURES):
        pixels = random_.integers(90, 110, (48, 64, 3), np.uint8)
        pixels[10:30, 12:50] = random_.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / f"{PICTURES}.png").write_bytes((folder / f"{PICTURES - 1}.png").read_bytes())
    return folder


def contents(cache: Path) -> dict[str, str]:
    """The files of boxes that a cache holds, with a hash of each."""
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(cache.rglob("*.boxes"))
    }


class Filling:
    """One run of the command in a process of its own: over the pictures from `first` on, then those before.

    One that `hangs` never ends to compute boxes of the last source, for which others may wait.
    """

    def __init__(self, folder: Path, cache: str, name: str, first: int = 0, *, hangs: bool = False) -> None:
        self.cache, self.name = folder / cache, name
        self.output, self._notes = folder / f"{name}.jsonl", folder / f"{name}.begun"
        self.kept, self._hangs = contents(self.cache), hangs
        order = [*range(first, PICTURES + 1), *range(first)]
        arguments = ["propose", *(str(folder / f"pictures/{n}.png") for n in order), "--json"]
        for option, value in (("--cache", str(self.cache)), *(("--source", source) for source in SOURCES)):
            arguments += [option, value]
        self._process = os.fork()
        if self._process == 0:
            self._fill(arguments)

    def begun(self) -> list[str]:
        """The files whose boxes it began to compute so far."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def is_at_work(self) -> bool:
        """Wait until it has added boxes to the cache and begun others, or has ended; return whether it goes on."""
        while os.waitid(os.P_PID, self._process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            begun = set(self.begun())
            if begun & contents(self.cache).keys() and begun - contents(self.cache).keys():
                return True
            time.sleep(0.001)
        return False

    def kill(self) -> None:
        os.kill(self._process, signal.SIGKILL)
        self._tell(os.waitpid(self._process, 0)[1])

    def finish(self) -> None:
        self._tell(os.waitpid(self._process, 0)[1])

    def _tell(self, status: int) -> None:
        told = {"name": self.name, "cache": self.cache.name, "killed": os.WIFSIGNALED(status), "status": status}
        print(json.dumps(told | {"kept": self.kept, "begun": self.begun()}), flush=True)

    def _fill(self, arguments: list[str]) -> None:
        sys.stdout, sys.stderr = self.output.open("w"), self.output.with_suffix(".err").open("w")
        find = ProposalCache.find

        def noting(cache, source, picture, propose):
            def noted():
                with self._notes.open("a") as file:
                    file.write(f"{cache.path(source, picture).relative_to(cache.folder)}\n")
                if self._hangs and source.name == SOURCES[-1]:
                    time.sleep(60)
                return propose()

            return find(cache, source, picture, noted)

        ProposalCache.find = noting
        caching.atomic_write = slowly(caching.atomic_write)
        status = 1
        try:
            status = googlenet(arguments)
        finally:
            sys.stderr.flush()
            os._exit(status)


def slowly(atomic_write):
    """Have what is written reach the disk in pieces, so that a kill finds some of it."""

    class Slow:
        def __init__(self, file) -> None:
            self._file = file

        def write(self, content: bytes) -> None:
            for begin in range(0, len(content), len(content) // 4 + 1):
                self._file.write(content[begin : begin + len(content) // 4 + 1])
                self._file.flush()
                time.sleep(0.004)

    @contextmanager
    def write(path) -> Iterator[Slow]:
        with atomic_write(path) as file:
            yield Slow(file)

    return write


def main(folder: Path) -> None:
    importlib.import_module("googlenet.commands.propose")  # once for all processes
    moment = random.Random(SEED)
    pictures(folder / "pictures")
    Filling(folder, "whole", "whole").finish()
    for number in range(10 * PICTURES):
        filling = Filling(folder, "killed", f"killed-{number}")
        if not filling.is_at_work():
            filling.finish()
            break
        time.sleep(moment.uniform(0, 0.04))
        filling.kill()
    hanging = Filling(folder, "together", "hanging", hangs=True)
    assert hanging.is_at_work()
    together = [Filling(folder, "together", f"together-{n}", n * PICTURES // TOGETHER) for n in range(TOGETHER)]
    time.sleep(0.5)  # some wait for it
    hanging.kill()
    for filling in together:
        filling.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
