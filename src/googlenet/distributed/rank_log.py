"""What a process says that is not the one to speak: into a file of the run's folder."""

import io
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["RankLog"]


class RankLog(io.TextIOBase):
    """A stream in the place of stderr: each line goes to FOLDER/ranks/rank-N.log with the time.

    The folder is one that all processes see, or one of this machine's own. Where nothing can be written the run goes
    on.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self._path = folder / "ranks" / f"rank-{rank}.log"
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            with suppress(OSError), self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(f"{now} {line}\n" for line in lines)
        return len(text)
