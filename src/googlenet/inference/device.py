"""Which device computes."""

import torch

from googlenet.errors import InputError

__all__ = ["find_device", "is_available"]


def find_device(wanted: str) -> str:
    """Return the torch device for `--device`; raises `InputError` where this machine or torch has it not.

    Asking takes no memory on a device: only what computes there does.
    """
    available = [name for name in ("cuda", "mps", "cpu") if is_available(name)]
    if wanted == "auto":
        return available[0]
    if wanted not in available:
        there = ", ".join(available)
        raise InputError(f"device {wanted}: torch {torch.__version__} finds none on this machine; there is {there}")
    return wanted


def is_available(device: str) -> bool:
    """Whether this machine, and this build of torch, has such a device."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or (device == "mps" and torch.backends.mps.is_available())
