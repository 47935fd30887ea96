"""How asynchronous training goes, as one frozen record; without torch, so that a command reads it at once."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from googlenet.errors import InputError

__all__ = ["Downpour", "Mitigation"]

Mitigation = Literal["none", "divide", "bounded", "delay-compensation", "synchronous"]


@dataclass(frozen=True)
class Downpour:
    """What is used with --exchange downpour alone. Creating one checks it."""

    replicas: int = 2
    """Replicas: copies of the network that train, each on batches of its own."""
    shards: int = 1
    """Parameter shards, each with its slice of weights, velocity and averages."""
    address: str | None = None
    """Ray cluster to train on (auto, or HOST:PORT); otherwise one is started here and ended."""
    fetch_every: int = 1
    """Steps of a replica between two fetches of the weights."""
    push_every: int = 1
    """Steps of a replica whose gradients are sent together."""
    warm_start: int = 0
    """Images that one replica trains on before the others begin."""
    mitigation: Mitigation = "none"
    """What is done about stale gradients: rate by staleness, bounded lead, compensated delay, or waiting for all."""
    bound: int = 4
    """Steps that a replica may be ahead of the slowest; with bounded."""
    compensation: float = 0.04
    """Weight of the compensating term; with delay-compensation."""
    backups: int = 0
    """Replicas that need not be waited for; with synchronous."""
    adagrad: bool = False
    """Divide gradients on the shards by the root of the sum of their squares, as Downpour did."""
    keep_every: int = 100
    """Updates between two copies of a shard, to the last of which it goes back when it is lost."""
    replicate: bool = False
    """Keep a second actor for each shard, so that nothing is lost with one."""

    def __post_init__(self) -> None:
        for name in ("replicas", "shards", "fetch_every", "push_every", "keep_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: give at least 1")
        for name in ("warm_start", "bound", "compensation", "backups"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} {getattr(self, name)}: give at least 0")
        if self.replicas > MOST or self.shards > MOST:
            raise InputError(f"replicas {self.replicas}, shards {self.shards}: give at most {MOST} of either")
        if self.backups >= self.replicas:
            raise InputError(f"backups {self.backups}: of {self.replicas} replicas at least one must be waited for")
        for mitigation, name in _PARAMETERS.items():
            if self.mitigation != mitigation and (given := getattr(self, name)) != _DEFAULTS[name]:
                raise InputError(f"{name} {given}: is of --mitigation {mitigation}; give that too, or leave it out")
        if self.mitigation == "synchronous":
            rare = [name for name in ("fetch_every", "push_every") if getattr(self, name) > 1]
            if rare:
                given = " and ".join(f"--{name.replace('_', '-')} {getattr(self, name)}" for name in rare)
                raise InputError(f"mitigation synchronous: fetches and pushes in each step; leave {given} out")

    def described(self, wire: str) -> dict[str, Any]:
        """Return what decides what is learnt, for the run's recipe.json; how many replicas and shards may change."""
        found: dict[str, Any] = {"name": "downpour", "wire": wire, "mitigation": self.mitigation}
        for name in ("fetch_every", "push_every", "warm_start", "adagrad"):
            found[name] = getattr(self, name)
        if detail := _PARAMETERS.get(self.mitigation):
            found[detail] = getattr(self, detail)
        return found


_PARAMETERS: dict[Mitigation, str] = {
    "bounded": "bound",
    "delay-compensation": "compensation",
    "synchronous": "backups",
}
"""The option of each mitigation that has one."""

_DEFAULTS = {one.name: one.default for one in fields(Downpour)}

MOST = 1000
"""Replicas or shards; more is a slip of the finger."""
