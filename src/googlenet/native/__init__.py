"""C++ kernels, compiled when the package is built, for several sets of instructions (`CMakeLists.txt`).

The best library that the processor can run is loaded. Where the package was built without a compiler there is none: the
answer is then None, which is said once, and the caller has another form. `GOOGLENET_INSTRUCTIONS` names another library
(`baseline`, `avx2`, `avx512`), or `none`.
"""

import ctypes
import hashlib
import logging
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

from googlenet.errors import InputError

__all__ = ["LEVELS", "call", "lack", "level", "levels", "library", "load"]

log = logging.getLogger("googlenet")

LEVELS = ("baseline", "avx2", "avx512")
"""Sets of instructions, each with all of those before; elsewhere there is `baseline` alone."""

_FOLDER = Path(__file__).parent

_POINTER, _LONG, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_float

_KERNELS: dict[str, list[Any]] = {
    "local_response_norm": [*[_POINTER] * 3, *[_LONG] * 5, *[_FLOAT] * 3, *[_INT] * 3],
    "max_pool": [*[_POINTER] * 3, *[_LONG] * 2, _POINTER, *[_INT] * 3],
    "shrink_by_area": [_POINTER, *[_LONG] * 3, _POINTER, *[_LONG] * 2],
    "run_plan": [_POINTER, _LONG, *[_POINTER] * 3, *[_LONG] * 2, _POINTER, _LONG, _INT],
    "resample": [*[_POINTER] * 2, *[_LONG] * 6, *[_POINTER] * 2, _LONG],
    "segment_graph": [_POINTER, *[_LONG] * 2, *[_POINTER] * 2, _LONG, *[_POINTER] * 2],
    "describe_pixels": [_POINTER, *[_LONG] * 2, *[_POINTER] * 3],
    "group_regions": [*[_POINTER] * 2, *[_LONG] * 3, _POINTER, _LONG, *[_POINTER] * 2],
}
"""The arguments of each, as its C++ file describes them. All return null, or why nothing was computed."""


@cache
def library() -> ctypes.CDLL | None:
    """Return the library for this processor, or None where there is none; raises `InputError` for an unknown level."""
    wanted = os.environ.get("GOOGLENET_INSTRUCTIONS", "")
    if wanted not in ("", "none", *LEVELS):
        raise InputError(f"GOOGLENET_INSTRUCTIONS: '{wanted}' is not known; there is {', '.join(LEVELS)} and none")
    if wanted == "none":
        return None
    try:
        there = levels()
        if wanted and wanted not in there:
            raise InputError(f"GOOGLENET_INSTRUCTIONS: this processor does not run {wanted}, but {', '.join(there)}")
        return load(wanted or there[-1])
    except OSError as error:
        log.info("kernels: slower forms take their place (%s)", error)
        return None


def lack() -> str:
    """Return why there is no library, with its file and the mend; empty where there is one."""
    if library() is not None:
        return ""
    if os.environ.get("GOOGLENET_INSTRUCTIONS") == "none":
        return "GOOGLENET_INSTRUCTIONS is none"
    try:
        load(os.environ.get("GOOGLENET_INSTRUCTIONS") or levels()[-1])
    except OSError as error:
        return str(error)
    return "the kernels could not be loaded when they were first asked for; start again"


def levels() -> tuple[str, ...]:
    """Return those of `LEVELS` that this processor runs; raises `OSError` as `load` does."""
    best = load("baseline").best_instructions().decode()
    return LEVELS[: LEVELS.index(best) + 1]


def level() -> str:
    """Return the name of the library in use, or `none`: times depend on it."""
    found = library()
    return Path(found._name).stem.removeprefix("kernels-") if found is not None else "none"


def load(level: str) -> ctypes.CDLL:
    """Load the library of one of `LEVELS`; raises `OSError` where it is missing, damaged or of other sources."""
    file = _FOLDER / f"kernels-{level}.so"
    if not file.is_file():
        raise OSError(f"{file} is not there: the package was built without a C++ compiler")
    if not _is_whole(file.read_bytes()):
        raise OSError(f"{file} is damaged; install the package again")
    found = ctypes.CDLL(str(file))
    try:
        found.origin.restype = found.best_instructions.restype = ctypes.c_char_p
        for name, arguments in _KERNELS.items():
            kernel = getattr(found, name)
            kernel.argtypes, kernel.restype = arguments, ctypes.c_char_p
        origin = found.origin().decode()
    except AttributeError:
        origin = ""
    if origin != _origin(origin):
        raise OSError(f"{file} was built from other sources; call make kernels")
    return found


def call(kernel: str, *arguments: object) -> None:
    """Run a kernel; raises `ValueError` for what it refuses, `MemoryError` where its buffers do not fit."""
    refusal = getattr(library(), kernel)(*arguments)
    if refusal is not None:
        message = f"{kernel}: {refusal.decode()}"
        raise MemoryError(message) if refusal == b"not enough memory" else ValueError(message)


def _origin(default: str) -> str:
    """What a library of the sources beside this file says; a wheel has none of them."""
    files = [*sorted(_FOLDER.glob("*.cpp")), *sorted(_FOLDER.glob("*.hpp"))]
    hashes = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256(hashes.encode()).hexdigest() if files else default or "unknown"


def _is_whole(content: bytes) -> bool:
    """Whether an ELF file has all that the system will map: touching what is not there would end the process."""
    if content[:5] != b"\x7fELF\x02":
        return bool(content)  # other systems look themselves
    try:
        offset, size, count = *struct.unpack_from("=Q", content, 32), *struct.unpack_from("=HH", content, 54)
        parts = [struct.unpack_from("=Q16xQ", content, offset + number * size + 8) for number in range(count)]
    except (struct.error, OverflowError):
        return False
    return all(start + length <= len(content) for start, length in parts)
