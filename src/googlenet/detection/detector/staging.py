"""Long work in stages, in one folder: each whole or not at all, and passed over where it is done for the same input.

`stages.json` says of each what it was made of, how long that took, and what came of it.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from googlenet.errors import BrokenOff, InputError
from googlenet.files import read_regular, write_json
from googlenet.records import parse_json
from googlenet.reporting.console import say, warn

__all__ = ["Stage", "StageRecords", "carry_out_stages", "check_chosen"]

Work = TypeVar("Work")
"""What all stages know."""

EVERY = 5.0
"""Seconds between two times that it is written down how long a stage has taken: at most so much of them is lost."""

LARGEST_FILE = 1 << 28
"""Bytes of stages.json, which may name every picture that cannot be read."""


@dataclass(frozen=True)
class Stage(Generic[Work]):
    """A part of long work."""

    name: str
    make: Callable[[Work], Mapping[str, Any]]
    """Do it, or what is left of it, and return what the summary of the whole says of it: JSON values."""
    made_of: Callable[[Work], Any]
    """Return what it depends on, beside the stages before it: JSON values; asked for when those are done."""
    leaves: tuple[str, ...]
    """What is in the folder once it is done."""
    lacks: Callable[[Work], str] = lambda _: ""
    """Return what is to be given for it to be done; empty where that is so."""


class StageRecords:
    """What `stages.json` in a folder says; damaged, it says nothing, and each stage finds out itself what is done."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / "stages.json"
        self._records: dict[str, dict[str, Any]] = _read(self._path)

    @property
    def exists(self) -> bool:
        """Whether work was begun in the folder."""
        return self._path.exists()

    def begin(self) -> None:
        """Write what there is; raises `InputError` where the folder cannot be written."""
        write_json(self._path, self._records)

    def made_of(self, stage: str) -> Any:
        """Return what a stage was last made of, or begun with; None where it was not."""
        return self._records.get(stage, {}).get("made_of")

    def result(self, stage: Stage[Any], of: str) -> Mapping[str, Any] | None:
        """Return what came of a stage, where it is done, for the input `of`; None where it is not."""
        found = self._records.get(stage.name, {})
        if found.get("of") != of or not all((self.folder / leaf).exists() for leaf in stage.leaves):
            return None
        return found.get("result")

    def seconds(self, stages: Collection[str]) -> dict[str, float]:
        """Return how long each stage has taken, in all calls together."""
        return {name: self._records[name]["seconds"] for name in stages if name in self._records}

    @contextmanager
    def timing(self, stage: str, of: str, made_of: Any) -> Iterator[dict[str, Any]]:
        """Time a stage for the length of a block, which puts what came of it into the dictionary that it is given.

        Where the block ends with an `InputError`, nothing was begun, and what was known of the stage stays.
        """
        before = self._records.get(stage)
        spent = before["seconds"] if before and before["of"] == of else 0.0
        begun, ended, found = time.monotonic(), threading.Event(), dict[str, Any]()

        def note(result: Mapping[str, Any] | None = None) -> None:
            seconds = round(spent + time.monotonic() - begun, 2)
            self._records[stage] = {"of": of, "made_of": made_of, "seconds": seconds, "result": result}
            write_json(self._path, self._records)

        def keep() -> None:
            while not ended.wait(EVERY):
                with suppress(InputError):  # the stage itself says so
                    note()

        note()
        thread = threading.Thread(target=keep, name="stages.json", daemon=True)
        thread.start()
        try:
            yield found
        except BaseException as error:
            _end(thread, ended)
            with suppress(InputError):
                if isinstance(error, InputError) and not isinstance(error, BrokenOff):
                    self._restore(stage, before)
                else:
                    note()
            raise
        _end(thread, ended)
        note(found)

    def _restore(self, stage: str, before: dict[str, Any] | None) -> None:
        if before is None:
            del self._records[stage]
        else:
            self._records[stage] = before
        self.begin()


def carry_out_stages(
    stages: Sequence[Stage[Work]], work: Work, records: StageRecords, chosen: Sequence[str] = ()
) -> dict[str, Any]:
    """Carry out the stages in order, or those `chosen`, and return what all that are done have to say.

    What is done for the same input is passed over. Raises `InputError` where a stage cannot be done, or one that is
    not chosen is not done and comes before one that is; `BrokenOff`, too, for what comes up after some work.
    """
    names = check_chosen(stages, work, chosen)
    possible = [stage for stage in stages if not stage.lacks(work)]
    last = max((place for place, stage in enumerate(possible) if stage.name in names), default=-1)
    found, worked, of = dict[str, Any](), False, ""
    for place, stage in enumerate(possible):
        made_of = stage.made_of(work)
        of = _hash([of, stage.name, made_of])
        result = records.result(stage, of)
        if result is None and place > last:
            break
        if result is None and stage.name not in names:
            raise InputError(f"{records.folder}: the stage {stage.name} is not done; let --stages name it, too")
        if result is None:
            say(f"stage {place + 1} of {len(possible)}: {stage.name}")
            try:
                with records.timing(stage.name, of, made_of) as made:
                    made |= json.loads(json.dumps(stage.make(work)))  # as it is found again
            except InputError as error:
                if worked and not isinstance(error, BrokenOff):
                    raise BrokenOff(str(error)) from error
                raise
            worked, result = True, made
        found |= result
    return found


def check_chosen(stages: Sequence[Stage[Work]], work: Work, chosen: Sequence[str]) -> set[str]:
    """Return the names of the stages to carry out; `InputError` for one that there is not, or that lacks something."""
    by_name = {stage.name: stage for stage in stages}
    for name in chosen:
        if name not in by_name:
            raise InputError(f"--stages {name}: no such stage; there are {', '.join(by_name)}")
        if lacking := by_name[name].lacks(work):
            raise InputError(f"--stages {name}: {lacking}")
    return set(chosen or by_name)


def _end(thread: threading.Thread, ended: threading.Event) -> None:
    ended.set()
    thread.join()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        found = parse_json(read_regular(path, LARGEST_FILE, "record of stages"), str(path))
    except InputError as error:
        warn(f"{error}: made anew")
        return {}
    return {name: one for name, one in found.items() if _is_record(one)} if isinstance(found, dict) else {}


def _is_record(one: Any) -> bool:
    """Whether it is what `timing` writes."""
    is_timed = isinstance(one, dict) and isinstance(one.get("seconds"), int | float) and isinstance(one.get("of"), str)
    return is_timed and isinstance(one.get("result"), dict | None)
