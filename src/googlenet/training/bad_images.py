"""The images that a run has left out since they could not be read: any number of them, each once."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from googlenet.errors import counted
from googlenet.reporting.console import say, warn
from googlenet.training.log import MetricsLog

__all__ = ["BadImages"]


class BadImages:
    """Names and reasons in `path`, a line each, which goes on after its first `length` bytes; no file without any."""

    def __init__(self, path: Path, length: int) -> None:
        """What the file has lost since the checkpoint is lost, and said; the images will be found again."""
        self._path = path
        self._log = MetricsLog(path, length) if length or path.exists() else None
        self.reasons: dict[str, str] = dict(_read(path)) if self._log else {}

    def take(self, bad: Iterable[tuple[str, str]]) -> None:
        """Write down which of these (name, reason) are new."""
        new = {name: reason for name, reason in bad if name not in self.reasons}
        if new:
            self._log = self._log or MetricsLog(self._path, 0)
            self._log.write(*({"image": name, "reason": reason} for name, reason in new.items()))
            self.reasons |= new

    def tell(self) -> None:
        """Say which they are, the first twenty, and how many."""
        for name, reason in list(self.reasons.items())[:20]:
            say(f"left out: {reason if name in reason else f'{name}: {reason}'}")
        if self.reasons:
            say(f"{counted(len(self.reasons), 'images')} left out, which could not be read; summary.json lists them")

    def settle(self) -> int:
        """Bring all to the disk; return the length of the file in bytes."""
        return self._log.settle() if self._log else 0

    def close(self) -> None:
        if self._log:
            self._log.close()


def _read(path: Path) -> Iterator[tuple[str, str]]:
    unread = 0
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
                image, reason = record["image"], record["reason"]
                if not isinstance(image, str) or not isinstance(reason, str):
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError):
                unread += 1
            else:
                yield image, reason
    if unread:
        warn(f"{path}: {unread} lines cannot be read and are passed over")
