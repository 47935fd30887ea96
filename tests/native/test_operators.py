"""Operators are used in every network; that torch finds no fault in them is tested where they are defined."""

import subprocess
import sys

CODE = """
import sys, torch
from googlenet.network.local_response_norm import local_response_norm
x = torch.ones(1, 8, 2, 2, requires_grad=True)
local_response_norm(x, 5, 1e-4, 0.75, 1.0).sum().backward()
print(x.grad.shape == x.shape, "torch._dynamo" in sys.modules)
"""


def test_computing_with_one_does_not_load_torchs_compiler() -> None:
    """It takes two seconds, of the five in which a first photograph is to be answered."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
