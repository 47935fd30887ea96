"""The images that a run has left out since they could not be read: any number of them, each once."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from googlenet.errors import InputError
from googlenet.training.log import MetricsLog

__all__ = ["BadImages"]


class BadImages:
    """Names and reasons in `path`, a line each, which goes on after its first `length` bytes; no file without any."""

    def __init__(self, path: Path, length: int) -> None:
        """Raises `InputError` where the file is not what it was at the checkpoint."""
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

    def settle(self) -> int:
        """Bring all to the disk; return the length of the file in bytes."""
        return self._log.settle() if self._log else 0

    def close(self) -> None:
        if self._log:
            self._log.close()


def _read(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as file:
            for line in file:
                record = json.loads(line)
                yield record["image"], record["reason"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); put it back, or give another folder") from None
