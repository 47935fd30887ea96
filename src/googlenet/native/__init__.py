"""The C++ files beside this one, compiled by the machine's own compiler, once, into the user's cache folder.

It takes a second or two and needs nothing of torch. Where there is no compiler, the answer is None and the caller has
another form.
"""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path

from googlenet import machine
from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["library"]

log = logging.getLogger("googlenet")

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-pthread")

_MORE_FLAGS = {
    "area_interpolation": ("-ffp-contract=off",),
    "local_response_norm": ("-fopenmp",),
    "max_pool": ("-fopenmp",),
}
"""What is called between torch's operators uses the same threads: their OpenMP, of torch, is loaded by then."""


@cache
def library(name: str) -> ctypes.CDLL | None:
    """Return the compiled `NAME.cpp`, or None where it cannot be compiled or loaded here.

    The compiler is $CXX, or else c++, g++ or clang++, the first that can.
    """
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    reason = "no C++ compiler found"
    for compiler in filter(None, map(shutil.which, wanted)):
        try:
            return ctypes.CDLL(str(_compiled(compiler, name)))
        except (OSError, InputError, subprocess.SubprocessError) as error:
            detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            reason = f"{compiler}: {detail[-1] if detail else error}"
    log.info("%s takes a slower form (%s)", name.replace("_", " "), reason)
    return None


def _compiled(compiler: str, name: str) -> Path:
    """Return the library's file, made now if it is not in the cache."""
    flags = [*_FLAGS, *_MORE_FLAGS.get(name, ())]
    files = [item for item in resources.files(__package__).iterdir() if item.name.endswith((".cpp", ".hpp"))]
    sources = {file.name: file.read_bytes() for file in files}
    recipe = repr((sorted(sources.items()), compiler, flags, machine.processor().fingerprint)).encode()
    file = machine.cache_folder() / "native" / f"{name}-{hashlib.sha256(recipe).hexdigest()[:16]}.so"
    if not file.is_file():
        with atomic_write(file) as out:
            out.write(_compile([compiler, *flags], name, sources))
    return file


def _compile(command: list[str], name: str, sources: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for file, content in sources.items():
            (path / file).write_bytes(content)
        # Linked without -fopenmp, so that the threads are those of torch's own OpenMP.
        for step in (
            [*command, "-c", f"{name}.cpp", "-o", "code.o"],
            [command[0], "-shared", "code.o", "-o", "code.so"],
        ):
            subprocess.run(step, cwd=path, check=True, capture_output=True, text=True, timeout=120)
        return (path / "code.so").read_bytes()
