"""A step of fine-tuning whose first rows are frozen: those by an engine of inference, against torch's modules alone.

    python benchmarks/frozen_rows.py [--batch 16] [--until inception_4e] [--rounds 5] [--json FILE]

GoogLeNet at 224 x 224 without auxiliary heads; the batch is cut into crops and in memory already.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from rounds import Result, measure, write

from googlenet import machine
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.training.execution import Execution, find_execution

MANY = 100_000
"""Images of a run that is worth measuring for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--until", default="inception_4e", help="the last row that is frozen")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every round")
    options = parser.parse_args()
    network = Network(replace(specification("googlenet"), auxiliary=()))
    initialise(network)
    names = network.row_names
    frozen = [row.name for row in network.specification.rows[: names.index(options.until) + 1]]
    for row in frozen:
        network.get_submodule(row).requires_grad_(False)
    sizes = {"batch_size": options.batch, "images": MANY, "frozen": frozen}
    execution, _ = find_execution(network, device="cpu", precision="float32", **sizes)
    print(f"{machine.processor()}: {execution}")
    forms = {
        "modules": step(network, replace(execution, front=""), frozen, options.batch),
        "engine": step(network, execution, frozen, options.batch),
    }
    result = Result(" ".join(["python", *sys.argv]), {"batch": options.batch, "until": options.until})
    measure(forms, options.rounds, result)
    for name in forms:
        print(f"{name:8} {options.batch / result.median(name):6.1f} images/s")
    least, ratio, most = result.ratios("modules", "engine")
    print(f"by {execution.front} {ratio:.2f} times as fast ({least:.2f} to {most:.2f})")
    if options.json:
        write(options.json, [result])


def step(network: Network, execution: Execution, frozen: list[str], batch: int) -> Callable[[], None]:
    """Return a function that leaves the gradient of a batch in the rows that are learnt."""
    training = execution.fuse(execution.place(network), frozen=frozen)
    _, height, width = network.specification.input
    images = torch.randint(256, (batch, height, width, 3), dtype=torch.uint8)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        training.draw_masks(0, 0, torch.arange(batch))
        with execution.computing():
            execution.train(training, images)["logits"].logsumexp(1).sum().backward()

    return step


if __name__ == "__main__":
    main()
