"""Operators of torch's, made of Python functions: networks that use them can be compiled, exported and copied.

`torch.library.custom_op` makes them too, but loads torch's compiler at the first call, which takes two seconds.
"""

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["operator"]


def operator(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Turn a function of tensors and numbers, with annotations, that changes none of them, into the operator `name`.

    What it gives for tensors without content, and its gradient, are registered with `torch.library` under the name.
    """

    def register(function: Callable[..., Any]) -> Any:
        torch.library.define(name, torch.library.infer_schema(function, mutates_args=()))
        torch.library.impl(name, "CompositeExplicitAutograd")(function)
        namespace, _, short = name.partition("::")
        return getattr(getattr(torch.ops, namespace), short).default

    return register
