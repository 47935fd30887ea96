"""Evaluation of a run on its way: both sets of weights, each with batch statistics of its own.

All processes of the run evaluate together, each its share of the images.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from torch import Tensor, nn

from googlenet.data.batch import Batch
from googlenet.data.dataset import Dataset
from googlenet.data.loader import Loader
from googlenet.data.sampler import InOrder, Plan, Turns
from googlenet.data.samples import Samples
from googlenet.training.averaging import Average, join_batch_statistics, recompute_batch_statistics
from googlenet.training.exchange import Exchange
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.setup import Outcome, Setup

__all__ = ["Validation"]

Watched = Callable[[Iterator[Batch]], Iterator[Batch]]


class Validation:
    """Evaluates what `network` trains, and its `average`, as `setup` says; `open_loader` makes the loaders.

    Every process of `exchange` calls every method, and gets the same outcome.
    """

    def __init__(
        self,
        network: TrainingNetwork,
        average: Average,
        execution: Execution,
        setup: Setup,
        exchange: Exchange,
        open_loader: Callable[[Dataset, Samples, Plan], Loader],
    ) -> None:
        self.network, self.average, self.execution = network, average, execution
        self._evaluating = execution.fuse(network).eval()
        self._setup, self._data, self._validation = setup, setup.data, setup.validation
        self._exchange, self._open_loader = exchange, open_loader
        self._share = exchange.evaluation_share

    @property
    def images(self) -> int:
        """How many images an evaluation takes of this process, those for batch statistics too."""
        if self._validation is None:
            return 0
        averaged = len(self._validation) + (self._statistics[2] if self._has_statistics else 0)
        whole = len(self._validation) + (averaged if self.average.ready else 0)
        return -(-whole // self._share[1]) if self._share else 0

    def evaluate(self, watched: Watched) -> dict[str, Outcome]:
        """Return what `raw` and, where there are any, `averaged` weights answer; `watched` may end it from within."""
        outcomes = {"raw": self._validate(watched)}
        if self.average.ready:
            with self.averaged(watched):
                outcomes["averaged"] = self._validate(watched)
        return outcomes

    @contextmanager
    def averaged(self, watched: Watched = iter) -> Iterator[None]:
        """Put the averaged weights, with batch statistics of their own, into the network for the length of a block."""
        if self._share is None:
            yield
            return
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        try:
            with self.average.swapped_in():
                if self._has_statistics:
                    inputs = self._clean_inputs(watched)
                    self._exchange.each(lambda: recompute_batch_statistics(self.network, inputs))
                    if self._share[1] > 1:
                        join_batch_statistics(self.network, self._exchange.all_gather)
                yield
        finally:
            for name, buffer in self.network.named_buffers():
                buffer.copy_(buffers[name])

    def _validate(self, watched: Watched) -> Outcome:
        answers = self._exchange.each(lambda: self._answers(watched) if self._share else None)
        return self._setup.judge([found for found in self._exchange.all_gather(answers) if found is not None])

    def _answers(self, watched: Watched) -> Any:
        batches = watched(self._loader.batches())
        return self._setup.validate(partial(self.execution.evaluate, self._evaluating), batches)

    @property
    def _has_statistics(self) -> bool:
        return any(isinstance(module, nn.BatchNorm2d) for module in self.network.modules())

    @cached_property
    def _loader(self) -> Loader:
        assert self._validation is not None
        assert self._share is not None
        rank, world = self._share
        plan = InOrder(len(self._validation), self._setup.evaluation_batch, rank=rank, world=world)
        return self._open_loader(self._validation, self._setup.evaluation_samples(), plan)

    @cached_property
    def _statistics(self) -> tuple[Samples, Plan, int]:
        return self._setup.statistics()

    @cached_property
    def _statistics_loader(self) -> Loader:
        samples, plan, _ = self._statistics
        assert self._share is not None
        return self._open_loader(self._data, samples, Turns(plan, *self._share))

    def _clean_inputs(self, watched: Watched) -> Iterator[Tensor]:
        """What the network takes of some training images, which are prepared for evaluation."""
        for batch in watched(self._statistics_loader.batches()):
            if len(batch):
                yield self.execution.input(self.network, *self._setup.pictures(batch))
