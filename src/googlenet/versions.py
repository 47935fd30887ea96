"""What a result was computed with: releases of the libraries, the machine, and the command."""

import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from googlenet.machine import processor

__all__ = ["command", "hardware", "versions"]

_LIBRARIES = ("googlenet", "torch", "numpy", "scipy", "pillow", "opencv-python-headless", "safetensors", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the releases of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Return one line about the machine: processor, cores that this process may use, instruction sets, accelerators."""
    return ", ".join([str(processor()), platform.platform(terse=True), *_accelerators()])


def command() -> str:
    """Return the command line of this package that runs; empty where another program uses it."""
    program = Path(sys.argv[0])
    is_ours = program.name == "googlenet" or program.parts[-2:] == ("googlenet", "__main__.py")
    return shlex.join(["googlenet", *sys.argv[1:]]) if is_ours else ""


def _accelerators() -> list[str]:
    """Name the GPUs, if torch is loaded already; loading it takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
