"""The machines that are simulated, as one frozen record: what they compute, their link, how their gradients meet."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import exp
from typing import Literal

from googlenet.errors import InputError
from googlenet.network.cost import cost
from googlenet.network.zoo import NETWORKS, specification
from googlenet.training.loop_recipe import check_ranges

__all__ = ["ARMS", "Arm", "Cluster", "Meeting", "meeting_of"]

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
        check_ranges(self, least=_LEAST, positive=_POSITIVE, shares=("backups",))

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
        failing, between = machines * self.failures / 3600, self.checkpoint_minutes * 60
        if not failing:
            return 1.0
        if failing * between > 700:  # beyond the numbers of a float, and of any use
            return 0.0
        kept = between / (exp(failing * between) - 1)
        return kept / (1 / failing + self.restart_seconds)


def meeting_of(arm: Arm) -> Meeting:
    """Return how gradients come together in time: the same for arms that differ in arithmetic alone."""
    if arm == "synchronous":
        return "in step"
    if arm == "backup":
        return "backup"
    return "bounded" if arm == "downpour-bounded" else "downpour"


_LEAST = {
    "batch_size": 1,
    "step_spread": 0,
    "machine_spread": 0,
    "latency": 0,
    "shards": 1,
    "update_seconds": 0,
    "push_every": 1,
    "bound": 0,
    "failures": 0,
    "restart_seconds": 0,
    "seed": 0,
}

_POSITIVE = ("step_seconds", "bandwidth", "checkpoint_minutes")
