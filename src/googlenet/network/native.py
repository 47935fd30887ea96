"""Small C++ files compiled by the machine's own compiler, once, into the user's cache folder.

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

import torch  # noqa: F401  its OpenMP serves what is compiled here, so it must be loaded first

from googlenet import machine
from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["library"]

log = logging.getLogger("googlenet")

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC")


@cache
def library(name: str) -> ctypes.CDLL | None:
    """Return the compiled `googlenet/network/data/NAME.cpp`, or None where it cannot be compiled or loaded here.

    The compiler is $CXX, or else c++, g++ or clang++, the first that can.
    """
    source = resources.files(__package__).joinpath("data", f"{name}.cpp").read_bytes()
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    reason = "no C++ compiler found"
    for compiler in filter(None, map(shutil.which, wanted)):
        try:
            return ctypes.CDLL(str(_compiled(compiler, name, source)))
        except (OSError, InputError, subprocess.SubprocessError) as error:
            detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            reason = f"{compiler}: {detail[-1] if detail else error}"
    log.info("%s takes a slower form (%s)", name.replace("_", " "), reason)
    return None


def _compiled(compiler: str, name: str, source: bytes) -> Path:
    """Return the library's file, made now if it is not in the cache."""
    recipe = "\0".join((compiler, *_FLAGS, machine.processor().fingerprint)).encode()
    file = machine.cache_folder() / "native" / f"{name}-{hashlib.sha256(source + recipe).hexdigest()[:16]}.so"
    if not file.is_file():
        with atomic_write(file) as out:
            out.write(_compile(compiler, source))
    return file


def _compile(compiler: str, source: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "source.cpp").write_bytes(source)
        # Linked without -fopenmp, so that the threads are those of torch's own OpenMP.
        for step in (["-fopenmp", *_FLAGS, "-c", "source.cpp"], ["-shared", "source.o", "-o", "library.so"]):
            subprocess.run([compiler, *step], cwd=path, check=True, capture_output=True, text=True, timeout=120)
        return (path / "library.so").read_bytes()
