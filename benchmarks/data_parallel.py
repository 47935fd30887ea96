"""Training in step: several processes of one thread each against one process with as many threads, on the same batches.

    python benchmarks/data_parallel.py [--network googlenet] [--batch-size 32] [--processes 2] [--rounds 5] [--steps 2]
                                       [--json FILE]

Each form takes the package's own steps on the same synthetic images (gradients of both auxiliary heads, momentum, mean
of the weights), computed in the form that was measured for this machine. The forms take turns; in each round a form
takes `--steps` steps. Their losses are compared after the last round: they are those of the same run but for rounding
(and, with bfloat16 on the wire, for that). `nothing sent` is a form whose processes do not exchange gradients, so that
each goes its own way: what is left to gain by sending less, or sooner.
"""

import argparse
import multiprocessing
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from rounds import PAUSE, Result, write

from googlenet.data.batch import Batch
from googlenet.distributed.meeting import all_processes
from googlenet.distributed.synchronous import Wire
from googlenet.machine import keep_freed_memory
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.reporting.console import table
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone, Exchange
from googlenet.training.execution import Execution, find_execution
from googlenet.training.optimizer import SGD, parameter_groups
from googlenet.training.recipe import Recipe, complete
from googlenet.training.task import Classification
from googlenet.training.trainer import Step, steps

MANY = 10**9
"""Images of a run that is worth measuring forms for."""
CLASSES = 1000
RATE = 1e-5
"""So low that what rounding changes is not magnified from step to step, as it is where noise is learnt at 0.01."""
DIFFERENT = 8
"""Batches before the first comes again."""


@dataclass(frozen=True)
class Settings:
    network: str
    batch_size: int
    steps: int
    execution: Execution


@dataclass(frozen=True)
class Form:
    """How many processes there are, with how many threads each; what they send, None for nothing."""

    processes: int
    threads: int
    wire: Wire | None = "float32"

    def __str__(self) -> str:
        said = f"{self.processes} process{'es' * (self.processes > 1)}, {self.threads} thread{'s' * (self.threads > 1)}"
        return said if self.processes == 1 else f"{said}, {self.wire or 'nothing'} sent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="googlenet")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    count = options.processes
    torch.set_num_threads(count)
    network = Network(specification(options.network))
    execution, _ = find_execution(network, device="cpu", precision="auto", batch_size=options.batch_size, images=MANY)
    settings = Settings(options.network, options.batch_size, options.steps, execution)
    forms = [Form(1, count), *(Form(count, 1, wire) for wire in ("float32", "bfloat16", None))]
    companies = [Company(form, settings) for form in forms]
    result = Result(shlex.join(sys.argv), {**asdict(settings), "execution": str(execution)})
    result.seconds = {str(form): [] for form in forms}
    for _ in range(options.rounds):
        for company in companies:
            result.seconds[str(company.form)].append(company.round())
    result.settings["losses"] = {str(company.form): company.losses() for company in companies}
    show(result, options.batch_size * options.steps, [str(form) for form in forms])
    if options.json:
        write(options.json, [result])


class Company:
    """The processes of one form, which take steps when they are told to."""

    def __init__(self, form: Form, settings: Settings) -> None:
        self.form = form
        context = multiprocessing.get_context("spawn")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._connections: list[Connection] = []
        for rank in range(form.processes):
            here, there = context.Pipe()
            place = {"RANK": str(rank), "WORLD_SIZE": str(form.processes)}
            place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            context.Process(target=serve, args=(there, place, form, settings), daemon=True).start()
            self._connections.append(here)
        for connection in self._connections:
            connection.recv()

    def round(self) -> float:
        """Return the seconds of a round."""
        time.sleep(PAUSE)
        begun = time.perf_counter()
        for connection in self._connections:
            connection.send("go")
        for connection in self._connections:
            connection.recv()
        return time.perf_counter() - begun

    def losses(self) -> list[float]:
        """Return the loss of each step so far, of the whole batch; ends the processes."""
        for connection in self._connections:
            connection.send("end")
        return self._connections[0].recv()


class Apart(Alone):
    """A process that has its share of each batch and moves by its own gradient."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def serve(connection: Connection, place: dict[str, str], form: Form, settings: Settings) -> None:
    os.environ |= place
    keep_freed_memory()
    torch.set_num_threads(form.threads)
    with all_processes(form.wire or "float32") as connected:
        exchange: Exchange = connected if form.wire else Apart(connected.rank, connected.size)
        taken = training(exchange, replace(settings, execution=replace(settings.execution, threads=form.threads)))
        losses = [next(taken).loss for _ in range(2)]  # the second finds caches and memory as later ones do
        connection.send("ready")
        while connection.recv() == "go":
            losses += [next(taken).loss for _ in range(settings.steps)]
            connection.send("done")
    connection.send(losses)


def training(exchange: Exchange, settings: Settings) -> Iterator[Step]:
    """The package's own loop."""
    recipe = complete(Recipe(rate=RATE, burn_in=0.0), fresh_classifiers=False)
    network = Network(specification(settings.network))
    initialise(network)
    training_network = settings.execution.fuse(settings.execution.place(network))
    exchange.join(training_network)
    return steps(
        Classification(training_network, settings.execution, seed=recipe.seed, steps_per_epoch=40_000),
        SGD(parameter_groups(network, weight_decay=recipe.weight_decay)),
        Average(network, "polyak"),
        batches(network, settings.batch_size, exchange.rank, exchange.size),
        recipe,
        exchange,
        start=0,
        steps_per_epoch=40_000,
        name=str,
    )


def batches(network: Network, size: int, rank: int, world: int) -> Iterator[Batch]:
    """This process's share of each batch."""
    shape = (size, *network.specification.input[1:], 3)
    random = torch.Generator().manual_seed(0)
    images = [torch.randint(256, shape, dtype=torch.uint8, generator=random) for _ in range(DIFFERENT)]
    labels = [torch.randint(CLASSES, (size,), generator=random) for _ in range(DIFFERENT)]
    step = 0
    while True:
        place, indices = step % DIFFERENT, torch.arange(size)[rank::world]
        arrays = {"images": images[place][indices], "labels": labels[place][indices]}
        yield Batch(0, step, arrays, indices)
        step += 1


def show(result: Result, images: int, forms: Sequence[str]) -> None:
    losses: dict[str, list[float]] = result.settings["losses"]
    first = forms[0]
    rows: list[Sequence[Any]] = []
    for form in forms:
        least, middle, most = result.ratios(first, form)
        apart = max(abs(one / other - 1) for one, other in zip(losses[form], losses[first], strict=True))
        rate = f"{images / result.median(form):.1f}"
        differs = f"{apart:.0e}" if "nothing" not in form else ""
        rows.append((form, rate, f"{least:.2f} to {most:.2f}, {middle:.2f}", differs))
    print(table(("form", "images/s", f"as fast as {first}", "losses differ by"), rows))
    print(f"computed in {result.settings['execution']}; {len(losses[first])} steps compared")


if __name__ == "__main__":
    main()
