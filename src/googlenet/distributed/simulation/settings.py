"""What is asked of a simulation beside its machines: which exchanges and numbers of workers, and what is learnt."""

from dataclasses import dataclass
from typing import Optional

from googlenet.distributed.simulation.cluster import Arm
from googlenet.errors import InputError, shown
from googlenet.network.zoo import NETWORKS
from googlenet.training.loop_recipe import check_ranges

__all__ = ["MOST_WORKERS", "Settings"]

MOST_WORKERS = 10_000

LARGEST_RATE = 1000
"""Beyond any that learns, and within the numbers of a float32."""


@dataclass(frozen=True)
class Settings:
    """What to compare. Creating one checks it."""

    exchanges: tuple[Arm, ...] = ("synchronous", "backup", "downpour", "downpour-corrected")
    """Ways in which gradients come together."""
    workers: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000)
    """Numbers of workers whose pace is simulated."""
    learning_workers: tuple[int, ...] = (1, 4, 16, 64)
    """Numbers of workers with which the small network learns; none leaves the learning out."""
    # `Optional`, since tyro imports typeguard for `str | None`, which takes long.
    learner: Optional[str] = None  # noqa: UP045
    """Network of the zoo that learns in the place of the large one (default: two modules for 16 x 16 pixels)."""
    learning_batch: int = 8
    """Images of one worker in a step of the small network."""
    rates: tuple[float, ...] = (0.125, 0.03, 0.008, 0.002, 0.0005)
    """Learning rates to try for each exchange and number of workers, of which the best counts."""
    momentum: float = 0.9
    """The paper's, of the small network's training."""
    epochs: int = 8
    """Passes over the images after which a run ends that has not met the target."""
    target: float = 0.9
    """Accuracy whose time is asked for."""

    def __post_init__(self) -> None:
        check_ranges(self, least=_LEAST, positive=("target",), shares=("momentum",))
        for name in ("exchanges", "workers", "rates"):
            if not getattr(self, name):
                raise InputError(f"{name}: give at least one")
        for name in ("workers", "learning_workers"):
            for count in getattr(self, name):
                if not 1 <= count <= MOST_WORKERS:
                    raise InputError(f"{name} {shown(str(count))}: give numbers from 1 to {MOST_WORKERS:,}")
        for rate in self.rates:
            if not 0 < rate <= LARGEST_RATE:
                raise InputError(f"rates {shown(str(rate))}: give numbers above 0, at most {LARGEST_RATE:,}")
        if self.target > 1:
            raise InputError(f"target {self.target}: give a share, at most 1")
        if self.learner is not None and self.learner not in NETWORKS:
            raise InputError(f"learner '{self.learner}' is not known; there are {', '.join(NETWORKS)}")


_LEAST = {"learning_batch": 1, "epochs": 1}
