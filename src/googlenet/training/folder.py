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
from googlenet.errors import InputError
from googlenet.files import atomic_write, remove_leftovers
from googlenet.records import decode
from googlenet.training.recipe import MAY_GROW, Recipe, differences, to_json

__all__ = ["RunFolder"]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks answer."""


class RunFolder:
    """recipe.json, metrics.jsonl, state.safetensors; at the end summary.json, final.safetensors and the report."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.json"
        self.metrics = self.path / "metrics.jsonl"
        self.bad_images = self.path / "bad-images.jsonl"
        self.summary = self.path / "summary.json"
        self.final = self.path / "final.safetensors"
        self.best = self.path / "best.safetensors"
        self.last_good = self.path / "last-good.safetensors"
        self.curves = self.path / "curves.png"
        self.report = self.path / "report.html"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in this folder for the length of a block; nothing of others is touched."""
        if not self.recipe.exists():
            self._refuse_foreign()
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with suppress(NotImplementedError):  # a file system without locks: the user is trusted
                lock.acquire()
        except Timeout:
            message = f"{self.path}: another process trains in this folder; wait for it or give another one"
            raise InputError(message) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                message = f"{self.path}: cannot be written ({error.strerror}); give another output folder"
                raise InputError(message) from error
        try:
            yield
        finally:
            lock.release()

    def begin(
        self, recipe: Recipe, origin: Mapping[str, Any], identities: Mapping[str, Identity]
    ) -> Mapping[str, Any] | None:
        """Claim the folder for a run; return the summary of a finished one.

        `origin` says what is trained on and from: `data`, `validation`, `pretrained`, with what they contain, wherever
        they lie; `identities` are those of the first two. A finished run that is given more epochs is none any more.
        Raises `InputError` with what differs where the folder belongs to another run.
        """
        content = {**origin, **to_json(recipe)}
        if not self.recipe.exists():
            self._refuse_foreign()
            self.write_json(self.recipe, content)
        else:
            before = self._compare(recipe, origin, identities)
            if any(getattr(recipe, name) != getattr(before, name) for name in MAY_GROW):
                self.summary.unlink(missing_ok=True)  # before the recipe says that there is more to do
            if not self.summary.exists() and self.read_json(self.recipe) != content:
                self.write_json(self.recipe, content)
        remove_leftovers(self.path)
        for name, identity in identities.items():
            if not self._listing(name).exists():
                with atomic_write(self._listing(name)) as file:
                    file.write(identity.listing)
        return self.read_json(self.summary) if self.summary.exists() else None

    def listings(self) -> dict[str, bytes]:
        """Return what was kept of `data` and `validation` when the run began; of neither where none has."""
        names = ("data", "validation") if self.recipe.exists() else ()
        found = {}
        for name in names:
            with suppress(OSError):  # `begin` says what is wrong
                found[name] = self._listing(name).read_bytes()
        return found

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        with atomic_write(path) as file:
            text = json.dumps(value, indent=1, ensure_ascii=False)
            # a byte of a file name that is no UTF-8 becomes an escape, which JSON has as well
            file.write(text.encode("utf-8", "backslashreplace") + b"\n")

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

    def _compare(self, recipe: Recipe, origin: Mapping[str, Any], identities: Mapping[str, Identity]) -> Recipe:
        """Return the recipe as the run had it before."""
        found = self.read_json(self.recipe)
        before = {key: found.pop(key, None) for key in origin}
        changed = [
            self._difference(key, before[key], origin[key], identities.get(key))
            for key in origin
            if not _is_same(before[key], origin[key])
        ]
        old = decode(Recipe, found, str(self.recipe))
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
        if identity and self._listing(key).is_file():
            words = difference(self._listing(key).read_bytes(), identity)
        return f"{key}: {words}" if words else f"{key} {_shown(before)}, now {_shown(now)}"

    def _refuse_foreign(self) -> None:
        ours = (self.metrics, self.final, self.summary, self._listing("data"), self._listing("validation"))
        there = [path.name for path in ours if path.exists()]
        if there:
            raise InputError(f"{self.path}: holds {there[0]} but no recipe.json; give another output folder")


def _is_same(before: Any, now: Any) -> bool:
    """Whether it is the same content, wherever it lies."""
    if isinstance(before, Mapping) and isinstance(now, Mapping) and "sha256" in before and "sha256" in now:
        return bool(before["sha256"] == now["sha256"])
    return bool(before == now)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(item) if not _is_digest(item) else item[:12] for item in value.values())
    return "none" if value is None else str(value)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64
