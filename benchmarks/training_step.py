"""One training step of the paper's network with both auxiliary heads: ours, its plain form, and torchvision's network.

    python benchmarks/training_step.py [--rounds 7] [--batch-size 32] [--threads 2] [--device cpu]
                                       [--compiled] [--json F]

    ours          as `googlenet train` runs it: the form that was measured for this machine, its loop, momentum, mean of
                  the weights; freed memory is kept
    plain         the same network in eager float32, torch's own normalisation and optimiser
    torchvision   its GoogLeNet (3x3 for 5x5, batch normalisation, no LRN: 5 % less work), in float32 and bfloat16,
                  channels last, eager (with --compiled also compiled, which takes minutes and is slower on CPUs); under
                  the default allocator, and with ours

Two processes, one for each setting of the allocator, take turns; in each round every form takes two steps in a row, of
which the second counts, since the first finds caches and memory as another form left them. The limit is the rate at
which every multiply-add would run in a product of two 2048 x 2048 matrices in the same precision, in the same rounds.
bfloat16 is left out on processors without units for it.
torchvision is taken where it can be imported; `torchvision_without_operators` is imported before it where it is on the
path, for wheels that belong to another build of torch.
"""

import argparse
import importlib
import importlib.util
import itertools
import multiprocessing
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from rounds import PAUSE, Result, product_rate, write
from torch import Tensor
from torch.nn import functional

from googlenet import machine
from googlenet.data.batch import Batch
from googlenet.network.cost import node_multiply_adds
from googlenet.network.graph import expand
from googlenet.network.initialization import initialise
from googlenet.network.local_response_norm import LocalResponseNorm
from googlenet.network.module import Network
from googlenet.network.zoo import specification
from googlenet.reporting.console import table
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone
from googlenet.training.execution import find_execution, has_bfloat16
from googlenet.training.optimizer import SGD, parameter_groups
from googlenet.training.recipe import Recipe, complete
from googlenet.training.task import Classification
from googlenet.training.trainer import steps

Work = Callable[[], Any]
CLASSES = 1000
MANY = 10**9
"""Images of a run that is worth measuring forms for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compiled", action="store_true", help="torchvision's network compiled too (minutes)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = ("float32", "bfloat16") if has_bfloat16(options.device) else ("float32",)
    rival = torchvision_forms(kinds, options.compiled)
    settings: dict[str, Any] = {"batch_size": options.batch_size, "threads": options.threads, "device": options.device}
    kept = Side(options, ["ours", *rival], keep_memory=True)
    settings["ours"] = kept.ready()  # before the other process starts, since ours measures its form
    default = Side(options, ["plain", *rival, *(f"product {kind}" for kind in kinds)])
    default.ready()
    sides = (default, kept)
    result = Result(shlex.join(sys.argv), settings)
    turns = [(side, form) for side in sides for form in side.forms]
    for side, form in turns:
        result.seconds[side.named(form)] = []
    for _ in range(options.rounds):
        for side, form in turns:
            result.seconds[side.named(form)].append(side.run(form))
    for side in sides:
        side.close()
    show(result)
    if options.json:
        write(options.json, [result])


class Side:
    """A process with one setting of the allocator, which runs forms when it is told to."""

    def __init__(self, options: argparse.Namespace, forms: list[str], keep_memory: bool = False) -> None:
        self.forms, self.keep_memory = forms, keep_memory
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there, vars(options), forms, keep_memory), daemon=True)
        self._process.start()

    def named(self, form: str) -> str:
        alone = form in ("ours", "plain") or form.startswith("product")
        return form if alone else f"{form}, {'memory kept' if self.keep_memory else 'default allocator'}"

    def ready(self) -> str:
        """Wait until every form has run once; return in which form ours computes."""
        return self._here.recv()

    def run(self, form: str) -> float:
        time.sleep(PAUSE)
        self._here.send(form)
        return self._here.recv()

    def close(self) -> None:
        self._here.send(None)
        self._process.join()


def serve(connection: Connection, options: dict[str, Any], forms: list[str], keep_memory: bool) -> None:
    if keep_memory:
        machine.keep_freed_memory()
    torch.set_num_threads(options["threads"])
    device, size = options["device"], options["batch_size"]
    torch.manual_seed(0)
    images = torch.randint(256, (size, 224, 224, 3), dtype=torch.uint8)
    labels = torch.randint(CLASSES, (size,))
    said = ""
    works: dict[str, Work] = {}
    for form in forms:
        if form == "ours":
            works[form], said = ours(images, labels, device)
        elif form == "plain":
            works[form] = plain(images, labels, device)
        elif form.startswith("product"):
            works[form] = product_rate(getattr(torch, form.split()[1]))
        else:
            works[form] = torchvision(form, images, labels, device)
        for _ in range(2):  # the second run finds caches and memory as later ones do
            works[form]()
    connection.send(said)
    while (form := connection.recv()) is not None:
        works[form]()
        synchronise(device)
        start = time.perf_counter()
        works[form]()
        synchronise(device)
        connection.send(time.perf_counter() - start)


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def ours(images: Tensor, labels: Tensor, device: str) -> tuple[Work, str]:
    """The package's own loop on one batch, again and again."""
    recipe = complete(Recipe(burn_in=0.0), fresh_classifiers=False)
    network = Network(specification("googlenet"))
    initialise(network)
    form, _ = find_execution(network, device=device, precision="auto", batch_size=len(labels), images=MANY)
    training_network = form.fuse(form.place(network))
    optimizer = SGD(parameter_groups(network, weight_decay=recipe.weight_decay))
    batch = Batch(0, 0, {"images": images, "labels": labels}, torch.arange(len(labels)))
    taken = steps(
        Classification(training_network, form, seed=recipe.seed, steps_per_epoch=40_000),
        optimizer,
        Average(network, "polyak"),
        itertools.repeat(batch),
        recipe,
        Alone(),
        start=0,
        steps_per_epoch=40_000,
        name=str,
    )
    return lambda: next(taken), str(form)


def plain(images: Tensor, labels: Tensor, device: str) -> Work:
    """The same network as torch alone would run it."""
    network = Network(specification("googlenet")).to(device)
    initialise(network)
    for module in network.modules():
        if isinstance(module, LocalResponseNorm):
            constants = (module.size, module.alpha, module.beta, module.k)
            module.forward = partial(_torchs_own, constants)  # type: ignore[method-assign]
    return usual(network.train(), lambda outputs: list(outputs.values()), images, labels, device)


def _torchs_own(constants: tuple[int, float, float, float], x: Tensor) -> Tensor:
    return functional.local_response_norm(x, *constants)


def torchvision_forms(kinds: tuple[str, ...], compiled: bool) -> list[str]:
    """Names of its forms, where it can be imported."""
    if importlib.util.find_spec("torchvision_without_operators"):
        importlib.import_module("torchvision_without_operators")
    try:
        importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:
        print(f"torchvision cannot be imported ({error}): its network is left out")
        return []
    ways = ("", " compiled") if compiled else ("",)
    return [f"torchvision {kind}{way}" for kind in kinds for way in ways]


def torchvision(form: str, images: Tensor, labels: Tensor, device: str) -> Work:
    torchvision_forms((), compiled=False)  # makes it importable
    models: Any = importlib.import_module("torchvision.models")
    network = models.googlenet(weights=None, init_weights=False, aux_logits=True, num_classes=CLASSES)
    network = network.to(device, memory_format=torch.channels_last).train()
    if form.endswith("compiled"):
        network = torch.compile(network)
    return usual(network, list, images, labels, device, channels_last=True, short="bfloat16" in form)


def usual(
    network: Any,
    heads: Callable[[Any], list[Tensor]],
    images: Tensor,
    labels: Tensor,
    device: str,
    *,
    channels_last: bool = False,
    short: bool = False,
) -> Work:
    """A step as it is usually written; the first of the heads is the main one."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=2e-4)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def step() -> None:
        x = images.to(device).permute(0, 3, 1, 2).float().sub_(117).contiguous(memory_format=layout)
        y = labels.to(device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16) if short else nullcontext():
            main, *others = heads(network(x))
        loss = functional.cross_entropy(main.float(), y)
        loss = loss + 0.3 * sum(functional.cross_entropy(other.float(), y) for other in others)
        loss.backward()
        optimizer.step()

    return step


def show(result: Result) -> None:
    settings = result.settings
    described = specification("googlenet")
    work = 6 * sum(map(node_multiply_adds, expand(described))) * settings["batch_size"]
    print(f"{machine.processor()}, {settings['threads']} threads, torch {torch.__version__}")
    print(f"{described.name}, batch {settings['batch_size']}, {len(result.seconds['plain'])} rounds;", end=" ")
    print(f"ours is {settings['ours']}")
    products = [name for name in result.seconds if name.startswith("product")]
    limits = {name.split()[1]: 2 * 2048**3 / result.best(name) / work for name in products}
    print(
        "limits:", ", ".join(f"{settings['batch_size'] * limit:.1f} images/s {kind}" for kind, limit in limits.items())
    )
    rows = []
    for name, seconds in result.seconds.items():
        if name in products:
            continue
        short = "bfloat16" in (settings["ours"] if name == "ours" else name)
        limit = limits["bfloat16" if short else "float32"]
        least, median, most = result.ratios("plain", name)
        rows.append(
            [
                name,
                f"{settings['batch_size'] / min(seconds):.1f}",
                f"{1 / min(seconds) / limit:.2f}",
                f"{least:.2f} / {median:.2f} / {most:.2f}",
            ]
        )
    print(table(["form", "images/s, best", "of the limit", "faster than plain (least / median / most)"], rows))


if __name__ == "__main__":
    main()
