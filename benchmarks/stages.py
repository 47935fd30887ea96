"""Peak memory and speed of a network's training in stages, beside one process.

    python benchmarks/stages.py [--network googlenet] [--batch-size 32] [--parts 16] [--stages 2 4] [--rounds 5]
                                [--json F]

    one process            the whole network: the batch at once, and in as many parts as the stages get (--accumulate),
                           with one thread, and at once with a thread for each core
    K stages               K processes of one thread, each with its rows and heads, the parts one behind the other

In each round every form runs once, in fresh processes that take two steps, of which the second counts; all compute in
the form of long runs. Memory is the peak of a process (its resident set) in its steps, less what it held before it
built a network, torch and the package alone; as in `googlenet train`, freed memory is kept. Beside it stands what
`googlenet summary --stages` estimates.
"""

import argparse
import os
import shlex
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rounds import Result, write

from googlenet import machine
from googlenet.data.batch import Batch
from googlenet.distributed import pipeline  # noqa: F401  what it imports counts as the package's
from googlenet.distributed.meeting import all_processes
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.stages import bubble, cut
from googlenet.network.zoo import specification
from googlenet.reporting.console import table
from googlenet.training.averaging import Average
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD, parameter_groups
from googlenet.training.recipe import Recipe, complete
from googlenet.training.row_costs import row_costs
from googlenet.training.task import Classification
from googlenet.training.trainer import steps

EXECUTION = Execution(normalisation="fused", joined=True, own_pools=True, threads=1)
CLASSES = 1000
MEASURED_TOGETHER = 4
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Form:
    name: str
    stages: int = 1
    parts: int = 1
    threads: int = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="googlenet")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--stages", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        measure(options)
        return
    parts, cores = options.parts, machine.processor().cores
    forms = [Form("one process"), Form(f"one process, {parts} parts", parts=parts)]
    forms += [Form(f"one process, {cores} threads", threads=cores)]
    forms += [Form(f"{stages} stages, {parts} parts", stages, parts) for stages in options.stages]
    settings = {"network": options.network, "batch_size": options.batch_size, "parts": parts}
    result = Result(shlex.join(sys.argv), {**settings, "peak_bytes": {form.name: [] for form in forms}})
    result.seconds = {form.name: [] for form in forms}
    size = -(-options.batch_size // parts)
    costs = row_costs(specification(options.network, classes=CLASSES), EXECUTION, min(size, MEASURED_TOGETHER))
    for _ in range(options.rounds):
        for form in forms:
            peaks, seconds = run(form, options)
            result.settings["peak_bytes"][form.name].append(peaks)
            result.seconds[form.name].append(seconds)
    show(result, forms, options, costs.seconds)
    if options.json:
        write(options.json, [result])


def run(form: Form, options: argparse.Namespace) -> tuple[list[int], float]:
    """Start the processes of a form; return the peak of each in bytes, and the seconds of a step."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(form.stages)}
    environment = {**os.environ, **place, "OMP_NUM_THREADS": str(form.threads)}
    command = [sys.executable, __file__, "--network", options.network, "--batch-size", str(options.batch_size)]
    command += ["--parts", str(form.parts), "--stages", str(form.stages), "--threads", str(form.threads)]
    processes = [
        subprocess.Popen(command, env={**environment, "RANK": str(rank)}, stdout=subprocess.PIPE)
        for rank in range(form.stages)
    ]
    answers = [process.communicate()[0].decode().splitlines()[-1].split() for process in processes]
    return [int(peak) for peak, _ in answers], float(answers[0][1])


def measure(options: argparse.Namespace) -> None:
    """Train for two steps in this process; print the peak of its memory, and the seconds of the second step."""
    machine.keep_freed_memory()
    execution = replace(EXECUTION, threads=options.threads)
    size = options.batch_size
    recipe = complete(Recipe(epochs=1, batch_size=size, accumulate=options.parts), fresh_classifiers=False)

    def batches() -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(0)
        for step in range(2):
            images = torch.randint(256, (size, *network.specification.input[1:], 3), generator=generator).byte()
            labels = torch.randint(CLASSES, (size,), generator=generator)
            yield Batch(0, step, {"images": images, "labels": labels}, torch.arange(size))

    with all_processes(stages=options.stages[0]) as exchange, execution.computing():
        before = status("VmRSS")
        network = Network(specification(options.network, classes=CLASSES))
        initialise(network)
        elsewhere = exchange.take_part(execution.place(network), execution, recipe)
        fused = execution.fuse(network, frozen=elsewhere)
        classification = Classification(fused, execution, seed=0, steps_per_epoch=2, parts=options.parts)
        task, own = exchange.divide(classification, batches())
        optimizer, average = SGD(parameter_groups(network)), Average(network, "none")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        arguments = (task, optimizer, average, own, recipe, exchange)
        *_, last = steps(*arguments, start=0, steps_per_epoch=2, name=str)
        peak = status("VmHWM") - before
    print(peak, f"{last.seconds:.4f}")


def status(field: str) -> int:
    """Return a field of this process's status, in bytes (Linux)."""
    lines = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(value.split()[0]) * 1024 for name, _, value in lines if name == field)


def show(result: Result, forms: list[Form], options: argparse.Namespace, costs: Mapping[str, float] | None) -> None:
    network = specification(options.network, classes=CLASSES)
    peaks = {name: [*zip(*rounds, strict=True)] for name, rounds in result.settings["peak_bytes"].items()}
    whole = statistics.median(map(max, result.settings["peak_bytes"][forms[1].name]))
    rows = []
    for form in forms:
        found = cut(network, form.stages, costs)
        estimates = [found.memory_bytes(stage, options.batch_size, form.parts) for stage in range(form.stages)]
        medians = [statistics.median(one) for one in peaks[form.name]]
        spread = max(max(one) / min(one) - 1 for one in peaks[form.name])
        least, ratio, greatest = result.ratios(forms[0].name, form.name)
        rows.append(
            (
                form.name,
                " ".join(f"{peak / MEBIBYTE:.0f}" for peak in medians),
                f"{spread:.0%}",
                " ".join(f"{estimate / MEBIBYTE:.0f}" for estimate in estimates),
                f"{max(medians) / whole:.2f}",
                f"{result.median(form.name):.2f}",
                f"{ratio:.2f} ({least:.2f} to {greatest:.2f})",
                f"{bubble(form.stages, form.parts):.0%}",
            )
        )
    print(f"{options.network}, batches of {options.batch_size}, {machine.processor()}")
    headers = [
        "form",
        "peak MiB of each",
        "spread",
        "estimated",
        "of one in parts",
        "seconds a step",
        "faster",
        "bubble",
    ]
    print(table(headers, rows))


if __name__ == "__main__":
    main()
