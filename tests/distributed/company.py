"""Work done by several processes that are connected, as torchrun connects them; each is forked off a warm server."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from queue import Empty
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "__main__",
        "googlenet.training.session",
        "googlenet.distributed.meeting",
        "googlenet.distributed.pipeline",
        "company",
    ]
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def in_processes(
    size: int, work: Callable[..., Any], *arguments: Any, stages: int = 1, seconds: float = 120
) -> list[Any]:
    """Call `work(exchange, *arguments)` in each; return what each returned or raised, or its exit status."""
    port, answers = free_port(), context.Queue()
    processes = [
        context.Process(target=_one, args=(rank, size, port, answers, work, arguments, stages), daemon=True)
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    found: dict[int, Any] = {}
    waited = 0.0
    while len(found) < size and waited < seconds:
        try:
            rank, answer = answers.get(timeout=0.2)
            found[rank] = pickle.loads(answer)
        except Empty:
            waited += 0.2
            gone = [rank for rank, process in enumerate(processes) if process.exitcode is not None]
            if len({*gone, *found}) == size:
                break
    for process in processes:
        process.join(10)
    assert not any(process.is_alive() for process in processes)
    return [found.get(rank, process.exitcode) for rank, process in enumerate(processes)]


def _one(rank: int, size: int, port: int, answers: Any, work: Callable[..., Any], arguments: Any, stages: int) -> None:
    import torch

    from googlenet.distributed.meeting import all_processes

    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        with all_processes(stages=stages) as exchange:
            answer = work(exchange, *arguments)
    except BaseException as error:
        answer = error
    answers.put((rank, pickle.dumps(answer)))  # as bytes: tensors in shared memory would go with this process
