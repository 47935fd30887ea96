"""How the processes of a run find each other: by the environment that torchrun and `--processes` set."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from googlenet.distributed import greeting, lost_machines
from googlenet.distributed.stages import InStages
from googlenet.distributed.synchronous import InStep, Wire
from googlenet.errors import InputError, is_number, shown
from googlenet.network.stages import check_processes
from googlenet.processes import Ranks, ranks
from googlenet.training.exchange import Alone, Exchange

__all__ = ["all_processes"]

MEETING = timedelta(seconds=120)
"""How long is waited for the others in the beginning."""

WORK = timedelta(hours=2)
"""How long a process may leave the others waiting, as one does that reads its data off a slow disk; a dead one is
noticed at once."""


@contextmanager
def all_processes(wire: Wire = "float32", stages: int = 1) -> Iterator[Exchange]:
    """Connect the processes of a run in which each has its share of each batch, for the length of a block.

    With several `stages` so many processes compute one share together, each some rows of the network. A process that is
    alone gets `Alone`. Otherwise MASTER_ADDR and MASTER_PORT say where rank 0 is met. Gradients go over gloo or, where
    they are on a GPU, nccl. Raises `InputError` where the others are not met, or are no multiple of the stages.
    """
    there = ranks()
    check_processes(stages, there.size)
    if there.size == 1:
        yield Alone()
        return
    place = _place()
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", there.rank)) % torch.cuda.device_count())
    try:
        store, rank, size = next(rendezvous("env://", there.rank, there.size, timeout=MEETING))
        store = greeting.fresh(store, rank, size, MEETING)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=WORK)
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(_why(error, place, there.rank)) from None
    exchange: InStep | None = None
    try:
        exchange = _exchange(there, wire, stages)
        lost_machines.notice()
        yield exchange
    finally:
        if exchange is not None:
            exchange.close()
        distributed.destroy_process_group()


def _exchange(there: Ranks, wire: Wire, stages: int) -> InStep:
    in_step = InStep(there.rank, there.size, wire)
    in_step.expect_same({"stages": str(stages), "wire": wire})
    return in_step if stages == 1 else InStages(there.rank, there.size, stages, wire, timeout=WORK)


def _place() -> str:
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if not address or not port or not is_number(port) or not 0 < int(port) < 65536:
        raise InputError(
            "several processes (WORLD_SIZE) meet at MASTER_ADDR and MASTER_PORT; start with torchrun or --processes"
        )
    return f"{address}:{port}"


def _why(error: Exception, place: str, rank: int) -> str:
    said = str(error)
    if "EADDRINUSE" in said or "address already in use" in said.lower():
        return f"{place}: the port is in use; give another one (torchrun --master-port, or MASTER_PORT)"
    if not isinstance(error, TimeoutError) and not any(sign in said.lower() for sign in _NOBODY_CAME):
        first = next((line for line in said.splitlines() if line.strip()), type(error).__name__)
        mend = "check MASTER_ADDR, and GLOO_SOCKET_IFNAME where it is set"
        return f"{place}: the processes cannot be connected ({shown(first, 160)}); {mend}"
    if rank == 0:
        return f"{place}: not all processes have come within {MEETING.seconds} s; start them all with the same address"
    return f"{place}: nobody answers there; check that rank 0 runs, and the address (MASTER_ADDR, MASTER_PORT)"


_NOBODY_CAME = ("timed out", "timeout", "failed to connect", "connection refused", "cannot be retrieved")
"""What torch says where it has waited in vain, or found no such address."""
