"""What this machine can do: measured and remembered, not believed.

Which of several forms of a computation is the fastest depends on processor, compiler and load. `choose` runs them
shortly in turns, remembers the winner in the user's cache folder and says once what it chose and why. Nothing here
runs on import, and settings of the whole process (`keep_freed_memory`) are for commands alone.
"""

import atexit
import ctypes
import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeGuard

import platformdirs

from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["Choice", "Processor", "Timings", "cache_folder", "choose", "keep_freed_memory", "processor", "timings"]
__all__ += ["told"]

log = logging.getLogger("googlenet")


@dataclass(frozen=True)
class Processor:
    """The processor of this machine; `instructions` are the vector sets that matter here, the widest last."""

    model: str
    architecture: str
    cores: int
    instructions: tuple[str, ...]

    def __str__(self) -> str:
        sets = ", ".join(self.instructions) or self.architecture
        return f"{self.model}, {self.cores} core{'s' * (self.cores != 1)} ({sets})"

    @property
    def fingerprint(self) -> str:
        """A name for files that hold only on such a processor; a cache folder may serve several machines."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Choice:
    """A form that was chosen, how long each form took (seconds), and on what ground."""

    question: str
    form: str
    seconds: Mapping[str, float]
    ground: Literal["measured", "remembered", "told", "only one"]

    def __str__(self) -> str:
        return f"{self.question}: {self.form}, {self.reason}"

    @property
    def reason(self) -> str:
        """The ground in words, with the times that each form took."""
        ground = {
            "measured": "measured now",
            "remembered": "as measured before on this machine",
            "told": f"as {_VARIABLE} says",
            "only one": "there is no other",
        }[self.ground]
        times = ", ".join(f"{form} {seconds * 1e3:.1f} ms" for form, seconds in self.seconds.items())
        return f"{ground} ({times})" if times else ground


@dataclass(frozen=True)
class Timings:
    """How long each of several works takes, in seconds, and since when that is known."""

    seconds: Mapping[str, float]
    ground: Literal["measured", "remembered"]


def processor() -> Processor:
    """Describe the processor, with the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    model, flags = _linux_processor()
    instructions = tuple(name for flag, name in _INSTRUCTIONS.items() if flag in flags)
    return Processor(model or platform.processor() or "unknown processor", platform.machine(), cores, instructions)


def cache_folder() -> Path:
    """Return the folder for what can be made again: $GOOGLENET_CACHE, or `googlenet` in the user's cache folder.

    Where the system knows no home of the user's, it is a folder of this process's own, which goes with it.
    """
    if given := os.environ.get("GOOGLENET_CACHE"):
        try:
            return Path(given).expanduser()
        except RuntimeError:
            raise InputError(f"GOOGLENET_CACHE: no home folder is known for '{given}'; give a whole path") from None
    try:
        folder = platformdirs.user_cache_path("googlenet", appauthor=False)
    except RuntimeError:
        return _passing_folder()
    return folder if folder.is_absolute() else _passing_folder()  # older releases leave the ~ where it is unknown


@cache
def _passing_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="googlenet-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def choose(
    question: str, forms: Mapping[str, Callable[[], Any]], *, key: str = "", rounds: int = 5, aloud: bool = True
) -> Choice:
    """Return the fastest of the forms: as told, as remembered for this machine and `key`, or as measured now.

    Each form is run once to warm up and then twice in each of `rounds` turns; its best time counts. `key` is what the
    answer depends on beside the processor: versions, shapes, threads. `GOOGLENET_FORMS` (`question=form,...`)
    overrides; `InputError` where it names no form that there is. What was chosen goes to the log, once in a process,
    unless the caller says more itself.
    """
    choice = _choose(question, forms, key, rounds)
    if aloud and (question, choice.form) not in _said:
        _said.add((question, choice.form))
        log.info("%s", choice)
    return choice


def timings(question: str, works: Mapping[str, Callable[[], Any]], *, key: str = "", rounds: int = 5) -> Timings:
    """Return how long each of the works takes: as remembered for this machine and `key`, or as measured now.

    They are run as `choose` runs forms.
    """
    memory = cache_folder() / f"machine-{processor().fingerprint}.json"
    entry = f"{question}; {key}" if key else question
    remembered = _read(memory).get(entry)
    if _are_seconds(remembered) and remembered.keys() == works.keys():
        return Timings(remembered, "remembered")
    seconds = _measure(question, works, rounds)
    _remember(memory, entry, seconds)
    return Timings(seconds, "measured")


def told(question: str, forms: Collection[str]) -> str | None:
    """Return the form that `GOOGLENET_FORMS` names, None where it names none; `InputError` for one that is not here."""
    form = _told().get(question)
    if form is not None and form not in forms:
        raise InputError(f"{_VARIABLE}: '{form}' is no form of {question} here; there is {', '.join(forms)}")
    return form


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory instead of handing it back; for commands, before the first large tensor.

    Large tensors otherwise cost a page fault for every 4 KiB, each time anew. Returns whether the library
    understood (glibc on Linux does).
    """
    try:
        library = ctypes.CDLL(None)
        settings = ((-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 1 << 28))  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
        library.gnu_get_libc_version  # noqa: B018  other C libraries accept mallopt and do nothing
        understood = [library.mallopt(option, value) for option, value in settings]
        return all(understood)
    except (AttributeError, OSError, TypeError):
        return False


_VARIABLE = "GOOGLENET_FORMS"

LONG = 1.0
"""Seconds of measuring after which it is said what is being done."""

PAUSE = 0.05
"""Seconds before each form, in which the threads of another library's form stop waiting actively."""

_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "AVX-512 bfloat16",
    "amx_bf16": "AMX bfloat16",
    "asimd": "NEON",
    "sve": "SVE",
}
"""Flags of /proc/cpuinfo and the names that people know."""


def _linux_processor() -> tuple[str, set[str]]:
    """Return model name and flags from /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return "", set()
    lines = (line.partition(":") for line in text.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    return fields.get("model name", ""), set((fields.get("flags") or fields.get("Features") or "").split())


def _choose(question: str, forms: Mapping[str, Callable[[], Any]], key: str, rounds: int) -> Choice:
    form = told(question, forms)
    if form is not None:
        return Choice(question, form, {}, "told")
    if len(forms) == 1:
        return Choice(question, next(iter(forms)), {}, "only one")
    found = timings(question, forms, key=key, rounds=rounds)
    return Choice(question, min(found.seconds, key=found.seconds.__getitem__), found.seconds, found.ground)


def _told() -> dict[str, str]:
    """Read the overriding variable: `question=form,question=form`."""
    told = {}
    for part in filter(None, os.environ.get(_VARIABLE, "").split(",")):
        question, equals, form = part.partition("=")
        if not equals:
            raise InputError(f"{_VARIABLE}: '{part}' must read QUESTION=FORM")
        told[question.strip()] = form.strip()
    return told


def _measure(question: str, forms: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    begun, is_said = time.perf_counter(), False
    for form in forms.values():
        form()
        if not is_said and time.perf_counter() - begun > LONG:
            log.info("%s: measuring once which of %s is the fastest on this machine", question, ", ".join(forms))
            is_said = True
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(rounds):
        for name, form in forms.items():
            time.sleep(PAUSE)
            for _ in range(2):  # twice in a row: the first finds caches and memory as another form left them
                start = time.perf_counter()
                form()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


_LARGEST_MEMORY = 1 << 20


def _read(memory: Path) -> dict[str, Any]:
    """What was measured before; nothing where it cannot be believed, since it can be measured again.

    That is a file that is not there or damaged, belongs to somebody else, or may be written by others.
    """
    try:
        with memory.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                return {}
            value = json.loads(file.read(_LARGEST_MEMORY))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _are_seconds(value: Any) -> TypeGuard[dict[str, float]]:
    return isinstance(value, dict) and all(isinstance(one, float) and one >= 0 for one in value.values())


def _remember(memory: Path, entry: str, seconds: dict[str, float]) -> None:
    try:
        with atomic_write(memory) as file:
            file.write(json.dumps(_read(memory) | {entry: seconds}, indent=1).encode())
        memory.chmod(0o644)
    except InputError as error:
        log.warning("%s; it will be measured again next time", error)


_said: set[tuple[str, str]] = set()
