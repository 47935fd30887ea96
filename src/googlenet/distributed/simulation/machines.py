"""How long each machine computes, and when it fails: functions of (seed, machine, how often)."""

import math

import numpy as np
from numpy.typing import NDArray

from googlenet.distributed.simulation.cluster import Cluster
from googlenet.randomness import generator

__all__ = ["Machines"]

_BLOCK = 64
"""Steps of a machine that are drawn together."""


class Machines:
    """So many machines of a cluster, whose steps are as long, of the mean of all, in all simulations of one seed.

    Both spreads are log-normal: that of the steps leaves a machine's mean step, that of the machines their mean speed.
    """

    def __init__(self, cluster: Cluster, count: int) -> None:
        assert cluster.step_seconds is not None
        self._seed, self._spread = cluster.seed, cluster.step_spread
        self._rate = cluster.failures / 3600
        self._restart = cluster.restart_seconds
        self._seconds = (cluster.step_seconds / self._speeds(count, cluster.machine_spread)).tolist()
        self._drawn: list[list[float]] = [[] for _ in range(count)]
        self._taken = [0] * count
        self._failures = [generator(cluster.seed, "simulated failures", index=machine) for machine in range(count)]

    def step(self, machine: int) -> float:
        """Return the seconds of the machine's next step."""
        if not self._spread:
            return self._seconds[machine]
        block, place = divmod(self._taken[machine], _BLOCK)
        if place == 0:
            normal = generator(self._seed, "simulated steps", block, machine).standard_normal(_BLOCK)
            times = self._seconds[machine] * np.exp(self._spread * normal - self._spread**2 / 2)
            self._drawn[machine] = times.tolist()
        self._taken[machine] += 1
        return self._drawn[machine][place]

    def steps(self) -> NDArray[np.float64]:
        """Return the seconds of the next step of each machine, [machines]."""
        return np.array([self.step(machine) for machine in range(len(self._seconds))])

    def failure(self, machine: int, since: float) -> float:
        """Return when a machine that works since some moment fails: exponential, infinite where none does."""
        return since + self._failures[machine].exponential(1 / self._rate) if self._rate else math.inf

    def away(self, machine: int) -> float:
        """Return for how long a machine is away in the beginning: as long as one finds it at any moment, mostly 0."""
        if not self._rate:
            return 0.0
        share = self._rate * self._restart / (1 + self._rate * self._restart)
        away, left = self._failures[machine].random(2)
        return float(self._restart * left) if away < share else 0.0

    def _speeds(self, count: int, spread: float) -> NDArray[np.float64]:
        """Return the machines' speeds, whose mean is one."""
        purpose = "simulated machines"
        normal = [generator(self._seed, purpose, index=machine).standard_normal() for machine in range(count)]
        speeds = np.exp(spread * np.array(normal))
        return speeds / speeds.mean()
