"""Workers that push and fetch each in its own time (Downpour SGD, Dean et al. 2012), event by event."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from googlenet.distributed.simulation.clock import Clock
from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.machines import Machines

__all__ = ["Counting", "Downpour", "Pushed", "Replicas"]


class Replicas(Protocol):
    """What workers and shards do at the moments that the clock gives, in its order."""

    def fetch(self, worker: int, shard: int) -> None:
        """Give a worker the weights of a shard as they are now."""
        ...

    def compute(self, worker: int) -> None:
        """Have a worker compute what it will push, at the weights that it has fetched."""
        ...

    def push(self, worker: int, shard: int) -> int:
        """Move a shard by a worker's gradient; return by how many updates that is late."""
        ...


class Counting:
    """Replicas that compute nothing: shards count their updates, so that staleness is known without a gradient."""

    def __init__(self, workers: int, shards: int) -> None:
        self.clocks = [0] * shards
        self._fetched = [[0] * shards for _ in range(workers)]

    def fetch(self, worker: int, shard: int) -> None:
        self._fetched[worker][shard] = self.clocks[shard]

    def compute(self, worker: int) -> None:
        pass

    def push(self, worker: int, shard: int) -> int:
        staleness = self.clocks[shard] - self._fetched[worker][shard]
        self.clocks[shard] += 1
        return staleness


@dataclass(frozen=True)
class Pushed:
    """A worker's gradient has reached all shards, and it has their weights: when, and what it had computed for."""

    seconds: float
    worker: int
    computing: float
    staleness: tuple[int, ...]
    """By shard."""


class Downpour:
    """So many workers and the shards of a cluster.

    A worker computes `push_every` steps, sends each shard its slice of the gradient, one after the other, and goes on
    once each has answered with its weights. Every machine sends one message at a time and receives one at a time; a
    shard takes them in the order in which they come. With a `bound` nobody begins who is more exchanges than that
    ahead of the slowest. A worker that fails loses what it was computing, and fetches anew when it is back.
    """

    def __init__(self, cluster: Cluster, workers: int, replicas: Replicas, bound: int | None = None) -> None:
        assert cluster.update_seconds is not None
        assert cluster.step_seconds is not None
        self._cluster, self._workers, self._replicas, self._bound = cluster, workers, replicas, bound
        self._machines, self._clock = Machines(cluster, workers), Clock[_Event]()
        shards = cluster.shards
        self._slice = cluster.wire_bytes / shards / cluster.bytes_per_second
        """Seconds in which the gradient for a shard, or its weights, are sent."""
        self._move = cluster.update_seconds / shards
        self._receiving, self._moving, self._sending = ([0.0] * shards for _ in range(3))
        """Until when a shard receives, moves and sends."""
        self.taken = [0] * shards
        """Gradients that a shard has taken."""
        self._has, self._missing = [0.0] * workers, [0] * workers
        """Until when a worker receives weights, and of how many shards it waits for them."""
        self._computed = [0.0] * workers
        self._staleness: list[list[int]] = [[0] * shards for _ in range(workers)]
        self._done = [0] * workers
        self._at = Counter({0: workers})
        """How many of the workers that are there have done so many exchanges."""
        self._held: dict[int, list[int]] = {}
        """Who waits for the slowest, by exchanges done."""

    def pushes(self) -> Iterator[Pushed]:
        """Yield each exchange of each worker, without end."""
        self._begin_all()
        while True:
            kind, worker, shard = self._clock.next()
            if kind == "compute":
                self._compute(worker)
            elif kind == "back":
                self._return(worker)
            elif kind == "arrive":
                self._arrive(worker, shard)
            else:
                yield Pushed(self._clock.now, worker, self._computed[worker], tuple(self._staleness[worker]))
                self._finish(worker)

    def _begin_all(self) -> None:
        """Have the workers begin one after the other, evenly over a step, lest they all come at once."""
        cluster, everybody = self._cluster, range(self._workers)
        assert cluster.step_seconds is not None
        away = [self._machines.away(worker) for worker in everybody]
        self._failures = [self._machines.failure(worker, away[worker]) for worker in everybody]
        for worker in everybody:
            for shard in range(cluster.shards):
                self._replicas.fetch(worker, shard)
            late = cluster.step_seconds * worker / self._workers
            self._at[0] -= away[worker] > 0
            self._clock.at(late + away[worker], ("back" if away[worker] else "compute", worker, 0))

    def _compute(self, worker: int) -> None:
        """Compute, and send to the shards, beginning with another one each; or fail meanwhile."""
        now = self._clock.now
        seconds = sum(self._machines.step(worker) for _ in range(self._cluster.push_every))
        if self._failures[worker] < now + seconds:
            back = max(self._failures[worker], now) + self._cluster.restart_seconds
            self._failures[worker] = self._machines.failure(worker, back)
            self._clock.at(back, ("back", worker, 0))
            self._at[self._done[worker]] -= 1
            self._release()
            return
        self._replicas.compute(worker)
        self._computed[worker], self._missing[worker] = seconds, self._cluster.shards
        for place in range(self._cluster.shards):
            arrived = now + seconds + (place + 1) * self._slice + self._cluster.latency_seconds
            self._clock.at(arrived, ("arrive", worker, (worker + place) % self._cluster.shards))

    def _arrive(self, worker: int, shard: int) -> None:
        """Take in a slice of a gradient, move, and send the weights back, each when the one before is done."""
        now = self._clock.now
        received = self._receiving[shard] = max(now, self._receiving[shard] + self._slice)
        moved = self._moving[shard] = max(received, self._moving[shard]) + self._move
        sent = self._sending[shard] = max(moved, self._sending[shard]) + self._slice
        self.taken[shard] += 1
        self._staleness[worker][shard] = self._replicas.push(worker, shard)
        self._replicas.fetch(worker, shard)
        self._has[worker] = max(sent + self._cluster.latency_seconds, self._has[worker] + self._slice)
        self._missing[worker] -= 1
        if not self._missing[worker]:
            self._clock.at(self._has[worker], ("fetched", worker, 0))

    def _finish(self, worker: int) -> None:
        """Begin anew, if the bound allows it; and so may others where this was the slowest."""
        self._at[self._done[worker]] -= 1
        self._done[worker] += 1
        self._at[self._done[worker]] += 1
        self._held.setdefault(self._done[worker], []).append(worker)
        self._release()

    def _return(self, worker: int) -> None:
        """Have a worker that was away fetch anew; it stands where the slowest of the others does."""
        self._done[worker] = self._least(self._done[worker])
        self._at[self._done[worker]] += 1
        for shard in range(self._cluster.shards):
            self._replicas.fetch(worker, shard)
        fetching = self._cluster.shards * self._slice + 2 * self._cluster.latency_seconds
        self._clock.at(self._clock.now + fetching, ("compute", worker, 0))

    def _release(self) -> None:
        """Let those begin who are not too far ahead of the slowest."""
        most = None if self._bound is None else self._least(0) + self._bound
        for done in sorted(self._held):
            if most is None or done <= most:
                for worker in self._held.pop(done):
                    self._clock.at(self._clock.now, ("compute", worker, 0))

    def _least(self, default: int) -> int:
        """How many exchanges the slowest worker has done, of those that are there."""
        self._at = +self._at  # without those that nobody has done
        return min(self._at, default=default)


_Event = tuple[Literal["compute", "arrive", "fetched", "back"], int, int]
"""What happens, to which worker, at which shard."""
