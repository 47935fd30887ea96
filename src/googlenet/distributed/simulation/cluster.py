"""The machines that are simulated, as one frozen record: what they compute, their link, how their gradients meet."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import expm1
from typing import Literal

from googlenet.errors import InputError
from googlenet.network.cost import cost
from googlenet.network.zoo import NETWORKS, specification
from googlenet.training.loop_recipe import check_ranges

__all__ = ["ARMS", "FASTEST", "HARDLY", "Arm", "Cluster", "Meeting", "meeting_of"]

Meeting = Literal["in step", "backup", "downpour", "bounded"]
"""How gradients come together, as far as time is concerned."""

Arm = Literal[
    "synchronous",
    "backup",
    "downpour",
    "downpour-corrected",
    "downpour-divide",
    "downpour-delay-compensation",
    "downpour-bounded",
    "downpour-adagrad",
]

ARMS: dict[Arm, str] = {
    "synchronous": "all-reduce: every step waits for all workers",
    "backup": "shards wait for all workers but the slowest, whose gradients are dropped",
    "downpour": "shards move by each gradient as it comes, with the momentum of one machine",
    "downpour-corrected": "with the momentum that asynchrony leaves room for",
    "downpour-divide": "each gradient's rate divided by its staleness",
    "downpour-delay-compensation": "gradients corrected by how far the weights have moved since",
    "downpour-bounded": "nobody may run more than some exchanges ahead of the slowest",
    "downpour-adagrad": "Adagrad on the shards, without momentum",
}
"""What can be compared, and what it is."""


FASTEST = 1e6
"""Gbit/s of a link, at most."""

HARDLY = 1e-9
"""Share of the time below which nothing gets done."""

_PATIENCE = 5.0
"""Failures that may be expected in the time in which a worker must not fail: one of 150 attempts comes through."""


@dataclass(frozen=True)
class Cluster:
    """Equal machines with one worker each, shards on machines of their own, one switch between them.

    What is None is measured on this machine before anything is simulated. Creating one checks it.
    """

    network: str = "googlenet"
    """Network of the zoo whose gradients are exchanged."""
    batch_size: int = 32
    """Images of one worker in a step."""
    step_seconds: float | None = None
    """Seconds in which a worker computes the gradient of its batch (default: measured here)."""
    step_spread: float = 0.1
    """Spread of the steps of a worker, as a share of their length (log-normal)."""
    machine_spread: float = 0.05
    """Spread of the speeds of the machines, likewise."""
    bandwidth: float = 10.0
    """Gbit/s of each machine in each direction."""
    latency: float = 0.1
    """Milliseconds from one machine to another."""
    wire: Literal["float32", "bfloat16"] = "float32"
    """What gradients and weights are sent as."""
    all_reduce: Literal["ring", "tree"] = "ring"
    """How gradients are added up in step: around a ring, as gloo does, or along a tree."""
    shards: int = 16
    """Machines that hold the weights, for all but the synchronous exchange."""
    update_seconds: float | None = None
    """Seconds in which one machine would move all weights by a gradient (default: measured here)."""
    push_every: int = 1
    """Steps that an asynchronous worker takes between two exchanges."""
    backups: float = 0.05
    """Share of the workers that nobody waits for, with the exchange backup."""
    bound: int = 4
    """Exchanges that a worker may be ahead of the slowest, with downpour-bounded."""
    failures: float = 0.001
    """Failures of a machine in an hour."""
    restart_seconds: float = 120.0
    """Seconds until a machine that failed, or all that wait for it, work again."""
    checkpoint_minutes: float = 10.0
    """Minutes between two checkpoints, to which those go back who cannot do without the machine that failed."""
    seed: int = 0
    """Number on which everything random depends."""

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise InputError(f"network '{self.network}' is not known; there are {', '.join(NETWORKS)}")
        check_ranges(self, least=_LEAST, positive=(), shares=("backups",), most=_MOST)
        if self.productive("in step", 1) < HARDLY:
            raise InputError(
                f"failures {self.failures:g}: one machine alone gets nothing done between two failures, with"
                f" {self.checkpoint_minutes:g} minutes between checkpoints and {self.restart_seconds:g} s to restart;"
                " give fewer, or shorter times"
            )

    @cached_property
    def parameters(self) -> int:
        """What is trained, auxiliary heads included."""
        return cost(specification(self.network)).parameters_with_auxiliary

    @property
    def wire_bytes(self) -> int:
        """Bytes of a gradient, or of all weights, as they are sent."""
        return self.parameters * (2 if self.wire == "bfloat16" else 4)

    @property
    def bytes_per_second(self) -> float:
        """What a machine sends, or receives."""
        return self.bandwidth * 1e9 / 8

    @property
    def latency_seconds(self) -> float:
        return self.latency / 1e3

    def measured(self, step_seconds: float, update_seconds: float) -> "Cluster":
        """Return the cluster with what was measured in the place of what is None."""
        return replace(
            self,
            step_seconds=self.step_seconds if self.step_seconds is not None else step_seconds,
            update_seconds=self.update_seconds if self.update_seconds is not None else update_seconds,
        )

    def backups_of(self, workers: int) -> int:
        """How many of so many workers nobody waits for; not all."""
        return min(round(self.backups * workers), workers - 1)

    def productive(self, meeting: Meeting, workers: int) -> float:
        """Return the share of the time that machines which nobody can do without leave for work.

        In step these are all workers, otherwise the shards. Failures come at random; each costs a restart and what was
        done since the last checkpoint. Workers that fail beside shards are simulated one by one.
        """
        machines = workers if meeting == "in step" else self.shards
        failing = machines * self.failures / 3600
        between = failing * self.checkpoint_minutes * 60
        """Failures from one checkpoint to the next."""
        if not between:
            return 1.0
        if between > 700:  # beyond the numbers of a float, and of any use
            return 0.0
        return between / expm1(between) / (1 + failing * self.restart_seconds)

    def expect_exchanges(self) -> None:
        """Raise `InputError` where a worker beside shards hardly ever fetches and computes without failing meanwhile.

        To simulate what it does get done would take for ever.
        """
        assert self.step_seconds is not None
        fetching = self.wire_bytes / self.bytes_per_second + 2 * self.latency_seconds
        seconds = self.step_seconds * self.push_every + fetching
        if self.failures * seconds / 3600 > _PATIENCE:
            raise InputError(
                f"--failures {self.failures:g}: a worker hardly ever ends what it fetches and computes between two"
                f" exchanges, {seconds:,.3g} s; give fewer, or leave the downpour out of --exchanges"
            )


def meeting_of(arm: Arm) -> Meeting:
    """Return how gradients come together in time: the same for arms that differ in arithmetic alone."""
    if arm == "synchronous":
        return "in step"
    if arm == "backup":
        return "backup"
    return "bounded" if arm == "downpour-bounded" else "downpour"


_LEAST = {
    "batch_size": 1,
    "step_seconds": 1e-6,
    "step_spread": 0,
    "machine_spread": 0,
    "bandwidth": 1e-6,
    "latency": 0,
    "shards": 1,
    "update_seconds": 0,
    "push_every": 1,
    "bound": 0,
    "failures": 0,
    "restart_seconds": 0,
    "checkpoint_minutes": 1e-3,
    "seed": 0,
}

_MOST = {
    "batch_size": 1e6,
    "step_seconds": 1e6,
    "step_spread": 5,
    "machine_spread": 5,
    "bandwidth": FASTEST,
    "latency": 1e6,
    "shards": 1000,
    "update_seconds": 1e6,
    "push_every": 1000,
    "failures": 1e6,
    "restart_seconds": 1e6,
    "checkpoint_minutes": 1e6,
}
"""What no machine is beyond: figures stay finite, and a simulation ends."""
