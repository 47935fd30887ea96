"""Which device computes."""

import re

import torch

from googlenet.errors import InputError, shown

__all__ = ["find_device", "is_available", "synchronize"]

KINDS = ("cuda", "mps", "cpu")


def find_device(wanted: str | torch.device) -> str:
    """Return the torch device for `--device`: `auto`, a kind, or one of several, as torch names it (`cuda:1`).

    Raises `InputError` for what is no device, and where this machine or torch has it not. Asking takes no memory on a
    device: only what computes there does.
    """
    available = [name for name in KINDS if is_available(name)]
    if isinstance(wanted, str) and wanted == "auto":
        return available[0]
    named = (
        re.fullmatch(r"(cuda|mps|cpu)(?::(\d{1,3}))?", str(wanted)) if isinstance(wanted, str | torch.device) else None
    )
    if named is None:
        raise InputError(f"device {shown(repr(str(wanted)))} is not known; there are auto, cpu, cuda, cuda:1 ..., mps")
    kind, number = named[1], int(named[2] or 0)
    if kind not in available:
        there = ", ".join(available)
        raise InputError(f"device {wanted}: torch {torch.__version__} finds none on this machine; there is {there}")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if number >= count:
        raise InputError(f"device {wanted}: this machine has {count} of the kind, counted from 0; give {kind}")
    return f"{kind}:{number}" if kind == "cuda" and named[2] else kind


def is_available(device: str) -> bool:
    """Whether this machine, and this build of torch, has such a device."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or (device == "mps" and torch.backends.mps.is_available())


def synchronize(device: str) -> None:
    """Wait until all that was begun on an accelerator is done."""
    if device == "mps":
        torch.mps.synchronize()
    else:
        torch.cuda.synchronize(device)
