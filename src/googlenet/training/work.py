"""What a run has when its steps begin: what whoever takes them needs, and where what came of them is expected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from googlenet.network.module import Network
from googlenet.training.averaging import Average
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD
from googlenet.training.setup import Setup
from googlenet.training.step import Wish

__all__ = ["Work"]


@dataclass(frozen=True)
class Work:
    """The steps from `start` to `total_steps`. Where a step ends an epoch, or something was agreed after it, `network`,
    `optimizer` and `average` are what they are after it."""

    setup: Setup
    execution: Execution
    network: Network
    optimizer: SGD
    average: Average
    start: int
    steps_per_epoch: int
    total_steps: int
    wish: Callable[[], Wish]
    """What this process would have after the step at hand."""
    note_bad: Callable[[Mapping[str, str]], None]
    """Takes name and reason of images that could not be read."""
