"""Local response normalisation: torch's own operator against this package's two forms.

Both layers of GoogLeNet (64 and 192 channels of 56 x 56, size 5), batch 32, float32, forward and forward + backward,
interleaved. Torch's own stands there in both memory formats; ours is channels-last, as the package runs it.

    python benchmarks/local_response_norm.py [--rounds 7] [--threads 2] [--keep-memory] [--json FILE]
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from rounds import Result, measure, write
from torch import Tensor
from torch.nn import functional

from googlenet import machine, native
from googlenet.network.local_response_norm import local_response_norm

CONSTANTS = (5, 1e-4, 0.75, 1.0)
LAYERS = ((32, 64, 56, 56), (32, 192, 56, 56))
OWN = "torch, channels-last"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep-memory", action="store_true", help="the allocator setting of the package's commands")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.keep_memory and not machine.keep_freed_memory():
        sys.exit("this C library takes no allocator settings")
    settings = {"threads": options.threads, "keep_memory": options.keep_memory, "layers": LAYERS}
    result = Result(shlex.join(sys.argv), settings)
    measure(forms(), options.rounds, result)
    show(result)
    if options.json:
        write(options.json, [result])


def forms() -> dict[str, Callable[[], None]]:
    """Return the work of each form, by its name and direction."""
    plain = [torch.randn(shape) * 10 for shape in LAYERS]
    last = [x.contiguous(memory_format=torch.channels_last) for x in plain]
    found: dict[str, Callable[[], None]] = {}

    def add(name: str, inputs: list[Tensor], function: Callable[[Tensor], Tensor]) -> None:
        def forward() -> None:
            with torch.no_grad():
                for x in inputs:
                    function(x)

        def both() -> None:
            for x, gradient in zip(inputs, gradients, strict=True):
                torch.autograd.grad(function(x.requires_grad_()), x, gradient)

        gradients = [torch.randn_like(x) for x in inputs]
        found[f"{name}: forward"], found[f"{name}: forward + backward"] = forward, both

    add("torch, default layout", plain, lambda x: functional.local_response_norm(x, *CONSTANTS))
    add(OWN, last, lambda x: functional.local_response_norm(x, *CONSTANTS))
    add("blocks", last, lambda x: local_response_norm(x, *CONSTANTS))
    if native.library() is not None:
        add("fused", last, lambda x: local_response_norm(x, *CONSTANTS, form="fused"))
    return found


def show(result: Result) -> None:
    print(f"{machine.processor()}, {result.settings['threads']} threads, torch {torch.__version__}")
    print(f"{'form':28} {'direction':20} {'best ms':>8}   faster than {OWN} (least / median / most)")
    for name in result.seconds:
        form, _, direction = name.partition(": ")
        ratios = " / ".join(f"{ratio:.1f}" for ratio in result.ratios(f"{OWN}: {direction}", name))
        print(f"{form:28} {direction:20} {result.best(name) * 1e3:8.1f}   {ratios}")


if __name__ == "__main__":
    main()
