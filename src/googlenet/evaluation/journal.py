"""What is done of an evaluation, image by image, on the disk: what a kill leaves, the next start goes on with.

A record of fixed size for each image, at its number's place, so that several processes write into one file and none
waits for another. Each has a checksum: one that is damaged, or of another plan, counts as not written. `plan.json` says
what the records mean; other work in the same folder is refused.
"""

import json
import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError, shown
from googlenet.evaluation.scoring import SCORE
from googlenet.files import atomic_write, open_regular

__all__ = ["DONE", "UNREADABLE", "Journal", "record_type"]

DONE, UNREADABLE = 1, 2
"""States of a record; 0 is one that was not written."""

PLAN, RECORDS, REASONS = "plan.json", "records.bin", "unreadable.jsonl"

_BLOCK = 1 << 16  # records that are read at once


def record_type(models: int, rows: int) -> np.dtype[np.void]:
    """Return what is kept of one image.

    For each model the seconds that its views took, and how many views were computed; for each row the score, how many
    views of each model it needed, and whether all views would have said the same (-1 where that was not checked).
    """
    row = [("score", SCORE), ("views", "<i4", (models,)), ("same", "i1")]
    fields = [("seconds", "<f4", (models,)), ("views", "<i4", (models,)), ("preparing", "<f4"), ("rows", row, (rows,))]
    return np.dtype([("state", "u1"), *fields])


class Journal:
    """The records of `images` images in `folder`, which is made; `plan` is a flat JSON object.

    Raises `InputError` where the folder holds another plan, with what differs, or cannot be written.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], images: int, kind: np.dtype[np.void]) -> None:
        self.folder, self.images, self.kind = folder, images, kind
        self._seed = zlib.crc32(json.dumps(plan, sort_keys=True).encode())
        self._kept = np.dtype([("record", kind), ("checksum", "<u4")])
        self._lock = threading.Lock()
        _agree(folder, plan)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(folder / RECORDS, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
            self._file.truncate(images * self._kept.itemsize)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error

    def close(self) -> None:
        self._file.close()

    def states(self) -> NDArray[np.uint8]:
        """Return the state of every record: [images]."""
        return np.concatenate([np.empty(0, np.uint8), *(block["state"] for block in self._blocks())])

    def records(self) -> NDArray[np.void]:
        """Return every record: [images]."""
        return np.concatenate([np.empty(0, self.kind), *self._blocks()])

    def write(self, image: int, record: NDArray[np.void]) -> None:
        """Keep what was found of an image; one write, which a kill does not part."""
        content = record.tobytes()
        content += zlib.crc32(content, self._seed).to_bytes(4, "little")
        with self._lock:
            try:
                self._file.seek(image * self._kept.itemsize)
                self._file.write(content)
            except OSError as error:
                raise InputError(f"{self.folder / RECORDS}: cannot be written ({error.strerror or error})") from error

    def fail(self, image: int, reason: str) -> None:
        """Keep that an image could not be read, and why."""
        line = json.dumps({"image": image, "reason": reason}) + "\n"
        try:
            with (self.folder / REASONS).open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise InputError(f"{self.folder / REASONS}: cannot be written ({error.strerror or error})") from error
        record = np.zeros((), self.kind)
        record["state"] = UNREADABLE
        self.write(image, record)

    def reasons(self) -> dict[int, str]:
        """Return why each image could not be read that could not, as far as that was kept."""
        try:
            with open_regular(self.folder / REASONS) as file:
                lines = file.read().decode("utf-8", "replace").splitlines()
        except (OSError, InputError):
            return {}
        found = {}
        for line in lines:
            try:
                entry = json.loads(line)
                found[int(entry["image"])] = str(entry["reason"])
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError):  # a line that was cut off
                continue
        return found

    def _blocks(self) -> Iterator[NDArray[np.void]]:
        # Through the open file, which stays readable where another process has finished and deleted the folder.
        for start in range(0, self.images, _BLOCK):
            size = min(self.images - start, _BLOCK) * self._kept.itemsize
            with self._lock:
                self._file.seek(start * self._kept.itemsize)
                content = self._file.read(size)
            if len(content) < size:
                raise InputError(f"{self.folder / RECORDS}: was cut off; delete the folder and begin anew")
            yield self._whole(np.frombuffer(content, self._kept))

    def _whole(self, kept: NDArray[np.void]) -> NDArray[np.void]:
        """Return the records; those that are not as this plan's were written are empty."""
        found = kept["record"].copy()
        for place in np.flatnonzero(found["state"]):
            if zlib.crc32(found[place].tobytes(), self._seed) != kept["checksum"][place]:
                found[place] = np.zeros((), self.kind)
        return found


def _agree(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan, or see that it is the one that is there."""
    plan = json.loads(json.dumps(plan))
    try:
        with open_regular(folder / PLAN) as file:
            kept = json.loads(file.read(1 << 24))
    except FileNotFoundError:
        with atomic_write(folder / PLAN) as file:
            file.write(json.dumps(plan, indent=1, ensure_ascii=False).encode())
        return
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{folder / PLAN}: cannot be read ({error.strerror}); give another folder") from error
    except (ValueError, RecursionError):
        kept = None
    if kept == plan:
        return
    theirs = kept if isinstance(kept, dict) else {}
    differ = [name for name in plan if theirs.get(name) != plan[name]]
    told = "; ".join(
        f"{name}: {shown(json.dumps(theirs.get(name)))} there, {shown(json.dumps(plan[name]))} here"
        for name in differ[:3]
    )
    raise InputError(f"{folder}: holds another evaluation ({told}); give another folder, or the same options")
