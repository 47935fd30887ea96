"""The folder of a run: what is in it, whose it is, and whether it is finished."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from googlenet.data.identity import MOST_GONE, Identity, difference
from googlenet.errors import InputError, shown
from googlenet.files import atomic_write, remove_leftovers, write_json
from googlenet.records import decode
from googlenet.reporting.console import say, warn
from googlenet.training.loop_recipe import LoopRecipe, differences, names_that_may, to_json
from googlenet.weights.tensor_file import open_tensors

__all__ = ["RunFolder", "alone_in", "expect_ours"]

_SUMMARY = {"epochs": int, "steps": int, "seconds": int | float, "weights": str, "evaluation": dict}
"""What the summary of a finished run has at the least."""

_ALWAYS_THERE = ("epochs", "rate", "schedule", "warm_up", "classifier_rate", "distortion")
"""What every complete recipe has a value of."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks answer."""


@contextmanager
def alone_in(path: Path, patience: float = 0.0, doing: str = "trains") -> Iterator[None]:
    """Keep other processes from working in a folder, which is made, for the length of a block.

    One that is `doing` so there is given `patience` seconds to end. Raises `InputError` for a name that is no Unicode,
    which libraries that read weights cannot open: at once, and not after hours.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        name = os.fspath(path).encode("utf-8", "backslashreplace").decode()
        raise InputError(
            f"{name}: its name is no UTF-8, and weights in it could not be read; give another name"
        ) from None
    lock = FileLock(path / ".lock")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with suppress(NotImplementedError):  # a file system without locks: the user is trusted
            _acquire(lock, path, patience)
    except Timeout:
        message = f"{path}: another process {doing} in this folder; wait for it or give another one"
        raise InputError(message) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise InputError(f"{path}: cannot be written ({error.strerror}); give another output folder") from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, patience: float) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not patience:
            raise
        say(f"{path}: another process trains in this folder; it has {patience:g} s to end")
        lock.acquire(timeout=patience, poll_interval=0.2)


def expect_ours(path: Path, mark: str) -> None:
    """Raise `InputError` for a folder that holds something but no `mark`, the file that each of ours has.

    Hidden files, as systems make them, are nothing.
    """
    if (path / mark).exists() or not path.is_dir():
        return
    try:
        there = sorted(one for one in path.iterdir() if not _is_nothing(one))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give another output folder") from None
    if there:
        raise InputError(f"{path}: holds {there[0].name} but no {mark}; give a new or empty output folder")


class RunFolder:
    """recipe.json, metrics.jsonl, state.safetensors; at the end summary.json, final.safetensors and the report."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise InputError("output: give the name of a folder")
        self.path = Path(path)
        self._claim: Mapping[str, Any] = {}
        self._identities: Mapping[str, Identity] = {}
        self.recipe = self.path / "recipe.json"
        self.metrics = self.path / "metrics.jsonl"
        self.bad_images = self.path / "bad-images.jsonl"
        self.summary = self.path / "summary.json"
        self.final = self.path / "final.safetensors"
        self.best = self.path / "best.safetensors"
        self.last_good = self.path / "last-good.safetensors"
        self.curves = self.path / "curves.png"
        self.staleness = self.path / "staleness.png"
        self.report = self.path / "report.html"

    @contextmanager
    def held(self, patience: float = 0.0) -> Iterator[None]:
        """Keep other processes from training in this folder for the length of a block; nothing of others is touched.

        One that does so is given `patience` seconds to end. Of a folder that was not there before nothing stays where
        no run has claimed it.
        """
        expect_ours(self.path, self.recipe.name)
        is_new = not self.path.exists()
        with alone_in(self.path, patience):
            try:
                yield
            finally:
                if is_new and not self.recipe.exists():
                    with suppress(OSError):
                        (self.path / ".lock").unlink(missing_ok=True)
                        self.path.rmdir()

    def begin(
        self, recipe: LoopRecipe, origin: Mapping[str, Any], identities: Mapping[str, Identity]
    ) -> Mapping[str, Any] | None:
        """Look whether the folder is this run's, or free; return the summary of a finished one.

        `origin` says what is trained on and from: `data`, `validation`, `pretrained`, with what they contain, wherever
        they lie; `identities` are those of the first two. A finished run that is given more epochs is none any more.
        What the run was stays until `claim`. Raises `InputError` with what differs where the folder is another run's.
        """
        self._claim, self._identities = {**origin, **to_json(recipe)}, identities
        expect_ours(self.path, self.recipe.name)
        if not self.recipe.exists():
            return None
        before = self._compare(recipe, origin, identities)
        remove_leftovers(self.path)
        if any(getattr(recipe, name) != getattr(before, name) for name in names_that_may("grow", type(recipe))):
            return None
        summary = self._whole_summary()
        if summary:
            self._keep_listings()
        return summary

    @property
    def is_claimed(self) -> bool:
        """Whether a run has begun here, this one or, before it was given more epochs, the same."""
        return self.recipe.exists()

    def claim(self) -> None:
        """Make the folder that of the run that `begin` was given, which is not finished.

        A new run does so before its first step, others once there is a checkpoint of theirs: a run that cannot go on
        as it is asked to stays what it was.
        """
        if not self.is_claimed:
            remove_leftovers(self.path)
        if not self.is_claimed or self.read_json(self.recipe) != self._claim:
            self.summary.unlink(missing_ok=True)  # before the recipe says that there is more to do
            write_json(self.recipe, self._claim)
        self._keep_listings()

    def _keep_listings(self) -> None:
        """Keep which images the run has, where that is not there or damaged."""
        for name, identity in self._identities.items():
            path = self._listing(name)
            if not path.is_file() or path.read_bytes() != identity.listing:
                with atomic_write(path) as file:
                    file.write(identity.listing)

    def _whole_summary(self) -> dict[str, Any] | None:
        """Return the summary of a finished run; None, which is said, where the end of the run is to be done again."""
        if not self.summary.exists():
            return None
        try:
            summary = self.read_json(self.summary)
            missing = [key for key, kind in _SUMMARY.items() if not isinstance(summary.get(key), kind)]
            if missing:
                raise InputError(f"{self.summary}: lacks {missing[0]}")
            with open_tensors(self.final):
                return summary
        except InputError as error:
            trouble, _, _ = str(error).partition("; ")
            if not any(self.path.glob("state*.safetensors")):
                raise InputError(
                    f"{trouble}, and there is no checkpoint to make it from; give another output folder"
                ) from None
            warn(f"{trouble}: made anew from the last checkpoint")
            return None

    def listings(self) -> dict[str, bytes]:
        """Return what was kept of `data` and `validation` when the run began; of neither where none has."""
        names = ("data", "validation") if self.recipe.exists() else ()
        found = {}
        for name in names:
            with suppress(OSError):  # `begin` says what is wrong
                found[name] = self._listing(name).read_bytes()
        return found

    def read_json(self, path: Path) -> dict[str, Any]:
        try:
            value = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be read ({error}); give another output folder") from None
        if not isinstance(value, dict):
            raise InputError(f"{path}: expected an object; give another output folder")
        return value

    def _listing(self, name: str) -> Path:
        """The images of `data` or `validation` as the run began with them."""
        return self.path / f"{name}.txt.gz"

    def _compare(self, recipe: LoopRecipe, origin: Mapping[str, Any], identities: Mapping[str, Identity]) -> LoopRecipe:
        """Return the recipe as the run had it before."""
        found = self.read_json(self.recipe)
        origin = {"exchange": None, **origin}
        if foreign := [name for name in found if name not in origin and not hasattr(recipe, name)]:
            raise InputError(
                f"{self.recipe}: of another kind of run, one with {shown(foreign[0])}; give another output folder"
            )
        missing = [name for name in ("data", *_ALWAYS_THERE) if found.get(name) is None]
        if missing:
            raise InputError(
                f"{self.recipe}: damaged, it lacks {missing[0]}; put it back, or give another output folder"
            )
        before = {key: found.pop(key, None) for key in origin}
        changed = [
            self._difference(key, before[key], origin[key], identities.get(key))
            for key in origin
            if not _is_same(before[key], origin[key])
        ]
        old = decode(type(recipe), found, str(self.recipe))
        changed += differences(old, recipe)
        if changed:
            mend = "give its options again"
            if any(text.startswith(("data", "validation")) for text in changed):
                mend = (
                    f"give its data as they were, without at most {MOST_GONE:.0%} of the images "
                    "(--skip-bad-images passes over what cannot be read), and its options"
                )
            raise InputError(f"{self.path}: belongs to another run ({'; '.join(changed)}); {mend}, or another folder")
        return old

    def _difference(self, key: str, before: Any, now: Any, identity: Identity | None) -> str:
        words = ""
        if key == "exchange" and (words := _other_exchange(before or _IN_STEP, now or _IN_STEP)):
            return words
        if identity and self._listing(key).is_file():
            words = difference(self._listing(key).read_bytes(), identity)
        return f"{key}: {words}" if words else f"{key} {_shown(before)}, now {_shown(now)}"


def _is_nothing(path: Path) -> bool:
    """Whether a system made it, or a run that was killed before it had begun."""
    is_empty_log = path.suffix == ".jsonl" and path.is_file() and not path.stat().st_size
    return path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini", "lost+found") or is_empty_log


def _is_same(before: Any, now: Any) -> bool:
    """Whether it is the same content, wherever it lies."""
    if isinstance(before, Mapping) and isinstance(now, Mapping) and "sha256" in before and "sha256" in now:
        return bool(before["sha256"] == now["sha256"])
    return bool(before == now)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(item) if not _is_digest(item) else item[:12] for item in value.values())
    return "none" if value is None else str(value)


_IN_STEP = {"name": "step"}
"""What a run says nothing of, as its processes may become more or fewer."""


def _other_exchange(before: Any, now: Mapping[str, Any]) -> str:
    """Return the option that differs, or those of the same exchange; nothing where the file is damaged."""
    if not isinstance(before, Mapping):
        return ""
    if before.get("name") != now["name"]:
        return f"exchange {before.get('name')}, now {now['name']}"
    both = (name for name in now if name in before)
    return "; ".join(f"{name} {before[name]}, now {now[name]}" for name in both if before[name] != now[name])


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64
