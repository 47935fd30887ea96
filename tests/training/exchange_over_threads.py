"""An exchange whose processes are threads of this one: each step they wait for each other and share out the mean."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from googlenet.training.exchange import Exchange


class InStep(Exchange):
    """One of `size` threads that meet at a barrier; everybody applies the mean gradient to weights of his own."""

    def __init__(self, rank: int, size: int, meeting: threading.Barrier, table: list[Any]) -> None:
        self.rank, self.size, self._meeting, self._table = rank, size, meeting, table

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        gradients = [None if parameter.grad is None else parameter.grad.clone() for parameter in parameters]
        given = [some for some in self.all_gather((images, gradients)) if some[0]]
        total = sum(count for count, _ in given)
        for number, parameter in enumerate(parameters):
            parameter.grad = sum(found[number] * (count / total) for count, found in given) if total else None
        return total

    def apply(self, optimizer, rate: float) -> None:  # type: ignore[no-untyped-def]
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()

    def all_gather(self, value: Any) -> list[Any]:
        self._table[self.rank] = value
        self._meeting.wait(60)
        found = list(self._table)
        self._meeting.wait(60)
        return found


def in_threads(size: int, work: Callable[[Exchange], Any]) -> list[Any]:
    """Do `work` once for each rank, at the same time; return what each returned or raised."""
    meeting, table = threading.Barrier(size), [None] * size
    results: list[Any] = [None] * size

    def one(rank: int) -> None:
        torch.set_num_threads(1)
        try:
            results[rank] = work(InStep(rank, size, meeting, table))
        except BaseException as error:
            results[rank] = error  # whoever still waits for this one gives up after a minute

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results
