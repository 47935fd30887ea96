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

from googlenet import machine
from googlenet.errors import InputError
from googlenet.files import atomic_write

__all__ = ["library"]

log = logging.getLogger("googlenet")

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC")


@cache
def library(name: str) -> ctypes.CDLL | None:
    """Return the compiled `googlenet/network/data/NAME.cpp`, or None where it cannot be compiled or loaded here.

    The compiler is $CXX, c++, g++ or clang++, whichever is found first.
    """
    compiler = shutil.which(os.environ.get("CXX") or "c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        log.info("no C++ compiler found: %s takes its form without one", name)
        return None
    source = resources.files(__package__).joinpath("data", f"{name}.cpp").read_bytes()
    recipe = "\0".join((compiler, *_FLAGS, machine.processor().fingerprint)).encode()
    file = machine.cache_folder() / "native" / f"{name}-{hashlib.sha256(source + recipe).hexdigest()[:16]}.so"
    try:
        if not file.is_file():
            with atomic_write(file) as out:
                out.write(_compile(compiler, source))
        return ctypes.CDLL(str(file))
    except (OSError, InputError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        log.info("%s could not be compiled (%s): it takes its form without a compiler", name, detail[-1:])
        return None


def _compile(compiler: str, source: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "source.cpp").write_bytes(source)
        # Linked without -fopenmp, so that the threads are those of torch's own OpenMP, which is loaded already.
        for step in (["-fopenmp", *_FLAGS, "-c", "source.cpp"], ["-shared", "source.o", "-o", "library.so"]):
            subprocess.run([compiler, *step], cwd=path, check=True, capture_output=True, text=True, timeout=120)
        return (path / "library.so").read_bytes()
