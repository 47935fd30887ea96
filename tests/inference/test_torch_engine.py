"""The setting of the process that an exact computation on CUDA needs; no GPU is needed to see it put back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch

from googlenet.inference.torch_engine import _exact


def rounding() -> str:
    return torch.backends.cudnn.conv.fp32_precision if hasattr(torch.backends.cudnn, "conv") else str(_old())


def _old() -> bool:
    return not torch.backends.cudnn.allow_tf32


def test_cudnn_is_exact_while_any_thread_computes_and_as_it_was_afterwards() -> None:
    before, meeting = rounding(), Barrier(3)

    def compute(_: int) -> str:
        with _exact("cuda"):
            meeting.wait(10)  # all are inside
            return rounding()

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(compute, range(3)))
    assert set(found) <= {"ieee", "True"}
    assert rounding() == before
    assert before not in ("ieee", "True")
    with _exact("cpu"):
        assert rounding() == before
