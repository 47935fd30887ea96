"""Clusters whose arithmetic can be done by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from googlenet.distributed.simulation import downpour, in_step
from googlenet.distributed.simulation.cluster import Cluster

PLAIN: dict[str, Any] = {
    **{"step_seconds": 1.0, "step_spread": 0.0, "machine_spread": 0.0, "bandwidth": 8.0, "latency": 0.0, "shards": 1},
    **{"update_seconds": 0.0, "failures": 0.0, "batch_size": 1},
}
"""Equal machines with a step of a second, and a GB/s between them."""


def cluster(parameters: int = 0, **options: Any) -> Cluster:
    """A cluster whose network has so many parameters: 4 bytes each."""
    found = Cluster(**PLAIN | options)
    found.__dict__["parameters"] = parameters  # where the property keeps them
    return found


def script(monkeypatch: pytest.MonkeyPatch, *steps: list[float]) -> None:
    """Let the machines of all simulations take these seconds, step by step; those of the last one for ever."""

    class Scripted:
        def __init__(self, cluster: Cluster, count: int) -> None:
            self._taken = [0] * count

        def step(self, machine: int) -> float:
            self._taken[machine] += 1
            return steps[min(self._taken[machine], len(steps)) - 1][machine]

        def steps(self) -> NDArray[np.float64]:
            return np.array([self.step(machine) for machine in range(len(self._taken))])

        def failure(self, machine: int, since: float) -> float:
            return float("inf")

        def away(self, machine: int) -> float:
            return 0.0

    for module in (in_step, downpour):
        monkeypatch.setattr(module, "Machines", Scripted)
