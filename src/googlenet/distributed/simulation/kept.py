"""Finished runs of the small network, kept in a folder, so that an interrupted comparison goes on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from googlenet.distributed.simulation.learning import Learnt
from googlenet.errors import InputError
from googlenet.files import atomic_write, read_regular
from googlenet.records import decode, encode

__all__ = ["RUNS", "KeptRuns"]

RUNS = "runs.jsonl"

_SAID_TWICE = ("arm", "workers", "rate")
"""By a run, and by what it depends on."""

LARGEST = 1 << 26
"""Bytes of a file that is read: a run is some kilobytes."""


class KeptRuns:
    """Runs by what they depend on; without a folder they are kept for this comparison alone."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / RUNS
        self._runs: dict[str, Learnt] = {}
        if self._path is not None and self._path.exists():
            for line in read_regular(self._path, LARGEST, "file of runs").decode(errors="replace").splitlines():
                self._read(line)

    def find(self, of: Mapping[str, Any]) -> Learnt | None:
        """Return the run that depends on just this, if it is there and says the same of itself."""
        run = self._runs.get(_key(of))
        return run if run and all(getattr(run, name) == of[name] for name in _SAID_TWICE) else None

    def add(self, of: Mapping[str, Any], run: Learnt) -> None:
        """Keep a finished run."""
        self._runs[_key(of)] = run
        if self._path is None:
            return
        with atomic_write(self._path) as file:
            for key, one in self._runs.items():
                file.write(json.dumps({"of": key, "run": encode(one)}).encode() + b"\n")

    def _read(self, line: str) -> None:
        """Take in a line; one that cannot be read is a run that is done again."""
        try:
            value = json.loads(line)
            self._runs[str(value["of"])] = decode(Learnt, value["run"], "run")
        except (InputError, ValueError, LookupError, TypeError, RecursionError):
            return


def _key(of: Mapping[str, Any]) -> str:
    return json.dumps(of, sort_keys=True)
