"""How a network is trained on this machine: device, precision, memory layout, normalisation, threads.

What is fastest is measured, not believed (`googlenet.machine`); what was measured is recorded in the run, and a
continued run computes in the same way, since others round otherwise; where the machine cannot, as near to it as it can.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from googlenet import machine, native
from googlenet.images.preprocessing import normalise
from googlenet.inference.device import find_device, is_available
from googlenet.network import local_response_norm, pooling
from googlenet.network.cost import multiply_adds
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.training.front import Front, find_engine, is_there, last_row
from googlenet.training.fused import TrainingNetwork

__all__ = ["Execution", "continued", "find_execution", "has_bfloat16"]

Precision = Literal["float32", "bfloat16"]

WORTH_MEASURING = 2e13
"""Floating point operations of a run (some minutes of two cores) from which on half a minute of measuring pays."""

WORTH_SPLITTING = 1e10
"""Multiply-adds of a batch from which on more threads are always faster; below, they may only wait for each other."""


@dataclass(frozen=True)
class Execution:
    """How each batch is computed. Weights, averages and velocity are float32 whatever `precision` says."""

    device: str = "cpu"
    precision: Precision = "float32"
    channels_last: bool = True
    normalisation: local_response_norm.Form = "blocks"
    joined: bool = False
    """The 1x1 convolutions of a module are computed as one."""
    own_pools: bool = False
    """Max pooling as this package compiles it."""
    threads: int = 0
    """Of torch's operations; 0 leaves torch its own number. Sums are rounded otherwise by another number."""
    front: str = ""
    """The engine that computes the frozen rows at the beginning; empty where they are computed as all others are."""

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "channels first"
        parts = [self.device, self.precision, layout, f"{self.normalisation} normalisation"]
        parts += ["joined convolutions"] * self.joined + ["own pools"] * self.own_pools
        parts += [f"frozen rows by {self.front}"] * bool(self.front)
        return ", ".join(parts + [f"{self.threads} thread{'s' * (self.threads > 1)}"] * (self.threads > 0))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute with the recorded number of threads, exact and reproducible where torch can, in a block.

        On CUDA cuDNN takes TF32 for float32 if it is left to itself (errors of 1e-3), and kernels that it picks anew
        in each process.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield
        finally:
            torch.set_num_threads(before)

    def bring(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device.

        On CUDA it goes through pinned memory, which torch keeps for the next one, and the host does not wait. On MPS
        the host waits: nothing there keeps it from using the memory again too early.
        """
        if self.device == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def place(self, network: Network) -> Network:
        """Bring a network to the device and into the layout."""
        local_response_norm.set_form(network, self.normalisation)
        return network.to(device=self.device, memory_format=self._layout)  # type: ignore[call-overload]

    def fuse(self, network: Network, *, frozen: Iterable[str] = ()) -> TrainingNetwork:
        """Return what computes a network that was placed, in training, with its parameters; see `TrainingNetwork`."""
        row = last_row(network, frozen) if self.front else None
        front = None if row is None else Front(network, row, self.front, self.device)
        fused = TrainingNetwork(network, joined=self.joined, pools=self.own_pools, frozen=frozen, front=front)
        local_response_norm.set_form(fused, self.normalisation)
        return fused

    def prepare(self, network: Network, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the network's input for uint8 [N, height, width, 3]: normalised once a batch, on the device.

        `mask`, bool [N, height, width], is true where a crop reaches over its picture's border: there it is 0.
        """
        values = normalise(self.bring(images), network.specification.pixels)
        if mask is not None:
            values.masked_fill_(self.bring(mask)[:, None], 0.0)
        return self.arrange(values)

    def arrange(self, maps: Tensor) -> Tensor:
        """Bring [N, C, H, W] into the layout."""
        return maps.contiguous(memory_format=self._layout)

    def train(self, network: TrainingNetwork, images: Tensor, mask: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return the logits by head; `network` is in training."""
        with self.precise():
            return network(self.input(network, images, mask))

    def input(self, network: TrainingNetwork, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what `network` takes in training: the maps of its front, where it has one, or prepared images."""
        if network.front is not None:
            return self.arrange(network.front(images, mask))
        return self.prepare(network, images, mask)

    def precise(self) -> AbstractContextManager[object]:
        """Compute what a network does in training in the precision, in a block."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def wait(self) -> None:
        """Wait for what the device was given to do."""
        _WAITS.get(self.device, bool)()

    def evaluate(self, network: Network, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the logits [N, classes] in float32; `network` is in evaluation."""
        return network(self.prepare(network, images, mask))

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def find_execution(
    network: Network, *, device: str, precision: str, batch_size: int, images: int, frozen: Iterable[str] = ()
) -> tuple[Execution, str]:
    """Return how to compute a run of so many images all together, and in words why where it was measured.

    Short runs are computed in float32, channels last; for long ones what this machine can do is measured. A
    `precision` other than auto is obeyed. `network` itself is left alone; its rows `frozen` are not learnt.
    """
    execution, why = _trained(network, device, precision, batch_size, images)
    row = last_row(network, frozen)
    if row is not None and (device, execution.precision) == ("cpu", "float32"):
        with execution.computing():
            execution = replace(execution, front=find_engine(network, row, device, images))
    return execution, why


def _trained(network: Network, device: str, precision: str, batch_size: int, images: int) -> tuple[Execution, str]:
    """How rows that are learnt are computed, as `find_execution`."""
    wanted: tuple[Precision, ...] = ("float32", "bfloat16") if precision == "auto" else (precision,)  # type: ignore[assignment]
    specification = network.specification
    threads = _threads(specification, device, batch_size)
    if 6.0 * multiply_adds(specification) * images < WORTH_MEASURING:
        return Execution(device, wanted[0], threads=threads), ""
    base = Execution(device, normalisation=_normalisation(network, device), threads=threads)
    executions = _executions(base, [kind for kind in wanted if kind == "float32" or has_bfloat16(device)])
    if not executions:  # told to use bfloat16 on a processor without units for it
        return replace(base, precision="bfloat16"), "as told"
    key = f"{specification.name} {specification.input}, {device}, torch {torch.__version__}, {torch.get_num_threads()}"
    steps = {name: _step(specification, execution, min(batch_size, 8)) for name, execution in executions.items()}
    choice = machine.choose("training-step", steps, key=key, rounds=2)
    return executions[choice.form], str(choice)


def continued(
    recorded: Execution,
    network: Network,
    *,
    device: str,
    precision: str,
    batch_size: int,
    images: int,
    frozen: Iterable[str] = (),
) -> tuple[Execution, str]:
    """Return how a run that was computed as `recorded` goes on here, and in words what was changed; empty for nothing.

    `device` and `precision` are what was asked for: auto goes on as recorded where this machine can. On another device
    the way is found as for a new run of the `images` that are left.
    """
    chosen = recorded.device if device == "auto" and is_available(recorded.device) else find_device(device)
    if chosen != recorded.device:
        told = precision if precision != "auto" or has_bfloat16(chosen) else "float32"
        sizes = {"batch_size": batch_size, "images": images}
        execution, _ = find_execution(network, device=chosen, precision=told, frozen=frozen, **sizes)
        return execution, "as told" if device != "auto" else f"there is no {recorded.device} here"
    execution, why = recorded, []
    if precision not in ("auto", recorded.precision):
        front = recorded.front if precision == "float32" else ""
        execution = replace(execution, precision=precision, front=front)  # type: ignore[arg-type]
        why.append("as told")
    elif precision == "auto" and recorded.precision == "bfloat16" and not has_bfloat16(chosen):
        execution = replace(execution, precision="float32")
        why.append("there are no units for bfloat16 here")
    if native.library() is None and (execution.own_pools or execution.normalisation == "fused"):
        execution = replace(execution, own_pools=False, normalisation="blocks")
        why.append("there are no compiled kernels here")
    if execution.front and not is_there(execution.front, network, chosen):
        why.append(f"there is no engine {execution.front} here")
        execution = replace(execution, front="torch")
    cores = machine.processor().cores
    if chosen == "cpu" and execution.threads > cores:  # more threads than cores wait for each other
        execution = replace(execution, threads=min(torch.get_num_threads(), cores))
        why.append(f"there are {cores} core{'s' * (cores > 1)} here")
    return execution, ", ".join(why)


def _executions(base: Execution, precisions: list[Precision]) -> dict[str, Execution]:
    """What is worth comparing, by name."""
    own_pools = base.device == "cpu" and pooling.can_pool()
    executions = {}
    for precision in precisions:
        plain = replace(base, precision=precision)
        executions[f"{precision}-channels-last-joined"] = replace(plain, joined=True, own_pools=own_pools)
        executions[f"{precision}-channels-last"] = plain
        if precision == "float32":
            executions[precision] = replace(plain, channels_last=False)
    return executions


def _threads(specification: Specification, device: str, batch_size: int) -> int:
    available = torch.get_num_threads()
    if device != "cpu" or available == 1 or multiply_adds(specification) * batch_size >= WORTH_SPLITTING:
        return available
    steps = {
        f"{threads}": _step(specification, Execution(device, threads=threads), batch_size) for threads in (1, available)
    }
    key = f"{specification.name} {specification.input}, batch {batch_size}, torch {torch.__version__}, of {available}"
    return int(machine.choose("training-threads", steps, key=key, rounds=3).form)


def _normalisation(network: Network, device: str) -> local_response_norm.Form:
    has_any = any(isinstance(module, local_response_norm.LocalResponseNorm) for module in network.modules())
    if not has_any or device != "cpu":
        return "blocks"
    return local_response_norm.fastest_form().form  # type: ignore[return-value]


def has_bfloat16(device: str) -> bool:
    """Whether there are units for it: without, it is several times slower than float32."""
    if device == "cpu":
        return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


_WAITS: dict[str, Callable[[], Any]] = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}
"""How to wait for what a device was given to do."""


def _step(specification: Specification, execution: Execution, batch_size: int) -> Callable[[], Any]:
    """Return a function that takes one training step of a network like the one to be trained."""
    made: list[TrainingNetwork] = []

    def step() -> None:
        if not made:  # when it is first measured, if it is
            network = Network(specification)
            initialise(network)
            made.append(execution.fuse(execution.place(network)))
        (network,) = made
        images = torch.randint(256, (batch_size, *specification.input[1:], 3), dtype=torch.uint8)
        network.zero_grad(set_to_none=True)
        network.draw_masks(0, 0, torch.arange(batch_size))
        with execution.computing():
            sum(logits.float().logsumexp(1).sum() for logits in execution.train(network, images).values()).backward()  # type: ignore[union-attr]
        execution.wait()

    return step
