"""What a result was computed with: releases of the libraries, and the machine."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["hardware", "versions"]

_LIBRARIES = ("googlenet", "torch", "numpy", "scipy", "pillow", "opencv-python-headless", "safetensors", "scikit-learn")

_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve")
"""The instruction sets that decide how fast a convolution can be, as Linux names them."""


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
    """Return one line about the machine: processor, cores that this process may use, instruction sets, accelerator."""
    described = _processor()
    instructions = [name for name in _INSTRUCTIONS if name in described.get("flags", "").split()]
    name = described.get("model name") or platform.processor() or platform.machine()
    parts = [name, f"{_cores()} cores", " ".join(instructions), platform.platform(terse=True)]
    return ", ".join([part for part in parts if part] + _accelerators())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> dict[str, str]:
    """Return what Linux says of its first processor; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    found.setdefault("flags", found.get("Features", ""))
    return found


def _accelerators() -> list[str]:
    """Name the GPUs, if torch is loaded already; loading it takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
