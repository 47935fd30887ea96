"""How fast so many workers train, and where their time goes: no gradient is computed for that."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from googlenet.distributed.simulation.cluster import Arm, Cluster, meeting_of
from googlenet.distributed.simulation.downpour import Counting, Downpour
from googlenet.distributed.simulation.in_step import with_all, with_backups
from googlenet.distributed.simulation.link import occupied_seconds

__all__ = ["Throughput", "throughput"]

WARM_UP, LEAST_ROUNDS, LEAST_EXCHANGES = 5, 15, 1500
"""Exchanges of each worker before anything is counted; those that are, of each; and of all together."""


@dataclass(frozen=True)
class Throughput:
    """What so many workers do with one of the exchanges. Shares are of the workers' time, and add up to one."""

    arm: Arm
    workers: int
    images_per_second: float
    """That count, failures included."""
    computing: float
    """Share in which a worker computes."""
    waiting: float
    """Share in which it waits for others and for the link."""
    failing: float
    """Share that failures of machines cost which all wait for, with what must be done again."""
    dropped: float = 0.0
    """Share of the computed gradients that nobody waited for."""
    staleness: Mapping[int, int] = field(default_factory=dict)
    """How many gradients came so many updates late, over all shards."""
    shard_load: tuple[float, ...] = ()
    """Share of the time in which each shard is occupied."""

    @property
    def mean_staleness(self) -> float:
        """0 where gradients come together."""
        count = sum(self.staleness.values())
        return sum(late * times for late, times in self.staleness.items()) / count if count else 0.0


def throughput(cluster: Cluster, arm: Arm, workers: int) -> Throughput:
    """Simulate so many workers of a cluster, whose times are known, until their pace is."""
    rounds = max(LEAST_ROUNDS, -(-LEAST_EXCHANGES // workers))
    return (_asynchronous if arm.startswith("downpour") else _in_step)(cluster, arm, workers, rounds)


def _in_step(cluster: Cluster, arm: Arm, workers: int, rounds: int) -> Throughput:
    meeting = meeting_of(arm)
    updates = list(islice((with_backups if meeting == "backup" else with_all)(cluster, workers), WARM_UP + rounds))
    counted = updates[WARM_UP:]
    seconds = counted[-1].seconds - updates[WARM_UP - 1].seconds
    gradients = sum(len(update.counted) for update in counted)
    kept = cluster.productive(meeting, workers)
    computing = kept * sum(update.computing for update in counted) / (workers * seconds)
    load: tuple[float, ...] = ()
    if meeting == "backup":
        load = (kept * rounds * workers * occupied_seconds(cluster, 1 / workers) / seconds,) * cluster.shards
    return Throughput(
        arm,
        workers,
        images_per_second=kept * gradients * cluster.batch_size / seconds,
        computing=computing,
        waiting=max(0.0, kept - computing),
        failing=1 - kept,
        dropped=1 - gradients / (rounds * workers),
        staleness={0: gradients},
        shard_load=load,
    )


def _asynchronous(cluster: Cluster, arm: Arm, workers: int, rounds: int) -> Throughput:
    meeting = meeting_of(arm)
    bound = cluster.bound if meeting == "bounded" else None
    downpour = Downpour(cluster, workers, Counting(workers, cluster.shards), bound)
    pushes = downpour.pushes()
    begun = list(islice(pushes, WARM_UP * workers))[-1].seconds
    taken = tuple(downpour.taken)
    staleness: Counter[int] = Counter()
    computing, ended = 0.0, begun
    for pushed in islice(pushes, rounds * workers):
        staleness.update(pushed.staleness)
        computing, ended = computing + pushed.computing, pushed.seconds
    seconds, kept = ended - begun, cluster.productive(meeting, workers)
    computing = min(kept, kept * computing / (workers * seconds))
    return Throughput(
        arm,
        workers,
        images_per_second=kept * rounds * workers * cluster.push_every * cluster.batch_size / seconds,
        computing=computing,
        waiting=kept - computing,
        failing=1 - kept,
        staleness=dict(sorted(staleness.items())),
        shard_load=tuple(
            min(1.0, kept * (now - before) * occupied_seconds(cluster) / seconds)
            for now, before in zip(downpour.taken, taken, strict=True)
        ),
    )
