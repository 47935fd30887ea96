"""Data parallelism in step: each process has its share of each batch, and all move by the same mean gradient.

Gradients are summed in buckets, each as soon as all of its layers are computed, while the network goes on with the
layers below. So nothing but the last bucket is waited for where the link keeps up.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn

from googlenet.distributed import joint_norm, lost_machines
from googlenet.distributed.rank_log import RankLog
from googlenet.errors import BrokenOff
from googlenet.network.module import Network
from googlenet.processes import will_be_started_again
from googlenet.training.exchange import Exchange, Wish
from googlenet.training.optimizer import SGD

__all__ = ["InStep", "Wire", "together"]

Wire = Literal["float32", "bfloat16"]
"""What gradients are sent as."""

BUCKET = 4 * 2**20
"""Bytes of gradients, in float32, that are sent together: a fifth to a tenth of GoogLeNet's."""


class InStep(Exchange):
    """One of the processes of `torch.distributed`, whose group exists.

    With a `wire` of bfloat16 half as much is sent; sums are then rounded to 8 bits. `group` are the processes that have
    gradients of the same parameters, by default all.
    """

    def __init__(
        self, rank: int, size: int, wire: Wire = "float32", group: distributed.ProcessGroup | None = None
    ) -> None:
        self.rank, self.size = rank, size
        self._group = group
        self._wire = torch.bfloat16 if wire == "bfloat16" else None
        self._buckets: list[_Bucket] = []
        self._bucket_of: dict[nn.Parameter, _Bucket] = {}
        self._hooks: list[Any] = []
        self._closing = ExitStack()
        self._norms: list[joint_norm.JointNorm] = []
        self._passes = 0
        self._sent = 0
        """Buckets of this step that are on their way."""

    def join(self, network: Network) -> None:
        self._norms = joint_norm.join(network, self._add, self.rank, self.size)
        if self._norms:
            self._norm_group = distributed.new_group()  # their sums come between those of the gradients, in any order
            lost_machines.notice()

    def expect(self, parameters: Sequence[nn.Parameter], images: int, passes: int) -> None:
        if [*map(id, self._bucket_of)] != [*map(id, reversed(parameters))]:
            self._bundle(parameters)
        self._passes, self._sent = passes, 0
        for bucket in self._buckets:
            bucket.begin(images)
        self._counts = torch.zeros(self.size, 2, dtype=torch.int64, device=parameters[0].device)
        self._counts[self.rank] = torch.tensor([images, passes])
        with together():
            self._counting = distributed.all_reduce(self._counts, group=self._group, async_op=True)
            if self._norms:
                self._open_norms(images)

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        with together():
            self._close_norms()
            self._send(len(self._buckets))
            self._counting.wait()
            total = int(self._counts[:, 0].sum())
            for bucket in self._buckets:
                bucket.receive(total)
        return total

    def apply(self, optimizer: SGD, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()

    def summary(self) -> Mapping[str, Any]:
        return {"name": "step", "processes": self.size, "wire": "bfloat16" if self._wire else "float32"}

    def keep_log(self, folder: Path) -> None:
        if self.rank:
            self._closing.enter_context(redirect_stderr(RankLog(folder, self.rank)))

    def close(self) -> None:
        """End what was begun for the run; the group of processes is its owner's."""
        self._closing.close()
        for hook in self._hooks:
            hook.remove()

    def all_gather(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.size
        with together():
            distributed.all_gather_object(found, value)
        return found

    def agree(self, wish: Wish) -> Wish:
        wishes = torch.tensor(int(wish), dtype=torch.int64)
        with together():
            distributed.all_reduce(wishes, distributed.ReduceOp.BOR)
        return Wish(int(wishes))

    def _add(self, values: Tensor) -> Tensor:
        """Add up over all processes what batch normalisation needs, in its own order."""
        with together():
            distributed.all_reduce(values, group=self._norm_group)
        return values

    def _open_norms(self, images: int) -> None:
        """Have batch normalisation see the images of all processes in the passes to come."""
        self._counting.wait()
        share = images / max(int(self._counts[:, 0].sum()), 1)
        for norm in self._norms:
            norm.is_open, norm.share = True, share

    def _close_norms(self) -> None:
        """Take part in the passes that others still have to make."""
        if self._norms:
            for _ in range(int(self._counts[:, 1].max()) - self._passes):
                joint_norm.stand_by(self._norms)
        for norm in self._norms:
            norm.is_open = False

    def _bundle(self, parameters: Sequence[nn.Parameter]) -> None:
        """Put the parameters into buckets, the last layer first, as their gradients come."""
        for hook in self._hooks:
            hook.remove()
        self._buckets = []
        bundle: list[nn.Parameter] = []
        for parameter in reversed(parameters):
            bundle.append(parameter)
            if sum(4 * one.numel() for one in bundle) >= BUCKET:
                self._buckets.append(_Bucket(bundle, self._wire, self._group))
                bundle = []
        if bundle:
            self._buckets.append(_Bucket(bundle, self._wire, self._group))
        self._bucket_of = {parameter: bucket for bucket in self._buckets for parameter in bucket.parameters}
        self._hooks = [one.register_post_accumulate_grad_hook(self._computed) for one in parameters]

    def _computed(self, parameter: nn.Parameter) -> None:
        """Note a gradient of one of the passes; send the buckets that are complete, in their order."""
        self._bucket_of[parameter].passes[parameter] += 1
        with together():
            while self._sent < len(self._buckets) and self._buckets[self._sent].is_complete(self._passes):
                self._send(self._sent + 1)

    def _send(self, upto: int) -> None:
        """Send what is not sent yet of so many buckets; the order is the same in all processes."""
        for bucket in self._buckets[self._sent : upto]:
            bucket.send()
        self._sent = max(self._sent, upto)


@dataclass
class _Bucket:
    """Gradients that are sent together."""

    parameters: Sequence[nn.Parameter]
    wire: torch.dtype | None
    """None: as they are"""
    group: distributed.ProcessGroup | None
    passes: dict[nn.Parameter, int] = field(default_factory=dict)
    """How often each parameter's gradient was added to in this step."""

    def begin(self, images: int) -> None:
        self._own_images = images
        self.passes = dict.fromkeys(self.parameters, 0)

    def is_complete(self, passes: int) -> bool:
        return all(count >= passes for count in self.passes.values())

    def send(self) -> None:
        """Send the sum over this process's images: nothing counts where it has none."""
        parts = [_gradient(parameter) for parameter in self.parameters]
        self._sum = torch.cat(parts).mul_(self._own_images).to(self.wire or parts[0].dtype)
        self._sending = distributed.all_reduce(self._sum, group=self.group, async_op=True)

    def receive(self, images: int) -> None:
        """Wait, and make the mean over all images the gradient of each parameter; none where there are no images."""
        self._sending.wait()
        if not images:
            for parameter in self.parameters:
                parameter.grad = None
            return
        mean = self._sum.to(self.parameters[0].dtype).div_(images)
        sizes = [parameter.numel() for parameter in self.parameters]
        for parameter, part in zip(self.parameters, mean.split(sizes), strict=True):
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(part.view_as(parameter))


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros(parameter.numel(), dtype=parameter.dtype, device=parameter.device)
    return parameter.grad.detach().reshape(-1)


@contextmanager
def together() -> Iterator[None]:
    """Where another process is gone, say so: it is no fault of this one."""
    try:
        yield
    except RuntimeError as error:
        said = str(error)
        if not any(sign in said.lower() for sign in _GONE):
            raise
        again = "" if will_be_started_again() else ", and give the same command again to go on"
        raise BrokenOff(f"another process of this run has ended; see what it said{again}") from None


_GONE = ("connection closed by peer", "connection reset", "broken pipe", "timed out", "socket", "nccl")
"""What gloo, nccl and their sockets say when a process is gone."""
