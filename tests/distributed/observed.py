"""`googlenet`, which notes the images of each step, and may end itself: `observed.py NOTES END train ...`.

END is `KIND:STEP:RANK`: after so many steps, the process of that rank is killed (`process`), or the one that started it
(`node`), with which it ends; only where that rank has no notes yet. `never` ends nothing.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from googlenet import __main__ as program
from googlenet.data.batch import Batch
from googlenet.processes import ranks
from googlenet.training import session


def main() -> int:
    notes, end = Path(sys.argv.pop(1)), sys.argv.pop(1)
    rank, size = ranks()
    attempt = sum(1 for _ in notes.glob(f"rank-{rank}-*.jsonl"))
    kind, _, place = end.partition(":")
    last, _, whose = place.partition(":")
    inner = session.steps

    def observed(task: Any, optimizer: Any, average: Any, batches: Iterator[Batch], *rest: Any, **options: Any) -> Any:
        seen: list[list[int]] = []

        def noting() -> Iterator[Batch]:
            for batch in batches:
                seen.append(batch.indices.tolist())
                yield batch

        with (notes / f"rank-{rank}-{attempt}.jsonl").open("w") as file:
            for step in inner(task, optimizer, average, noting(), *rest, **options):
                note = {"step": step.number, "size": size, "indices": seen[-1], "loss": step.loss, "rate": step.rate}
                file.write(json.dumps(note) + "\n")
                file.flush()
                if kind != "never" and not attempt and (step.number, rank) == (int(last), int(whose)):
                    os.kill(os.getppid() if kind == "node" else os.getpid(), signal.SIGKILL)
                    time.sleep(60)
                yield step

    session.steps = observed  # type: ignore[assignment]
    return program.main()


if __name__ == "__main__":
    sys.exit(main())
