"""Which device computes."""

import torch

from googlenet.errors import InputError

__all__ = ["find_device"]


def find_device(wanted: str) -> str:
    """Return the torch device for `--device`; raises `InputError` where this machine or torch has it not.

    Asking takes no memory on a device: only what computes there does.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in available.items() if there)
    if not available.get(wanted):
        there = ", ".join(name for name, is_there in available.items() if is_there)
        raise InputError(f"device {wanted}: torch {torch.__version__} finds none on this machine; there is {there}")
    return wanted
