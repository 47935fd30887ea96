"""Model parallelism: the rows of one network are shared out among processes, which pass activations and gradients on.

Consecutive ranks are the stages of one pipeline. Several pipelines, each a replica of the network, share every batch;
the same stages of all of them then move in step. Rank 0 is the first stage of the first replica.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from torch import Tensor, distributed, nn

from googlenet.data.batch import Batch
from googlenet.distributed.synchronous import InStep, Wire, together
from googlenet.errors import InputError, counted
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.network.stages import Cut, bubble, check_processes, check_trained, cut
from googlenet.reporting.console import percent, say
from googlenet.training.execution import Execution
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.row_costs import row_costs
from googlenet.training.task import Figures, NetworkTask, Task

__all__ = ["InStages"]

MEASURED_TOGETHER = 4
"""Images of a part, at the most, with which rows are timed."""


class InStages(InStep):
    """One of the processes of `torch.distributed`, whose group exists, that computes one of so many stages.

    A batch goes through the stages in `LoopRecipe.accumulate` parts, one behind the other. Weights, velocity and their
    mean are held by the stage that trains them; rank 0 has room for those of all, which come together when it evaluates
    and saves. `size` is a multiple of `stages`.
    """

    def __init__(
        self, rank: int, size: int, stages: int, wire: Wire = "float32", *, timeout: timedelta | None = None
    ) -> None:
        check_processes(stages, size)
        self.replica, self.stage = divmod(rank, stages)
        self.replicas = size // stages
        ranks = range(size)
        self._pipeline = _group_of(rank, [ranks[first : first + stages] for first in ranks[::stages]], timeout)
        same_stage = _group_of(rank, [ranks[stage::stages] for stage in range(stages)], timeout)
        super().__init__(rank, size, wire, same_stage)
        self._stages = stages
        self._cut: Cut | None = None
        self._asked, self._parts, self._part_size, self._most_parts = 1, 1, 1, 1

    @property
    def share(self) -> tuple[int, int]:
        return self.replica, self.replicas

    @property
    def evaluation_share(self) -> tuple[int, int] | None:
        return None if self.rank else (0, 1)

    @property
    def loads(self) -> bool:
        return self.stage == 0

    def take_part(self, network: Network, execution: Execution, recipe: LoopRecipe) -> tuple[str, ...]:
        self._most_parts = -(-recipe.batch_size // self.replicas)
        self._asked, self._parts = recipe.accumulate, min(recipe.accumulate, self._most_parts)
        self._part_size = -(-self._most_parts // self._parts)
        self._cut = self.lead(lambda: self._cut_of(network.specification, execution))
        _check_parts(network, self._cut)
        elsewhere = tuple(
            name
            for number, stage in enumerate(self._cut.stages)
            for name in (*stage.rows, *stage.heads)
            if number != self.stage
        )
        for name in elsewhere:
            network.get_submodule(name).requires_grad_(False)
            if self.rank:
                network.get_submodule(name).to("meta")
        return elsewhere

    def divide(self, task: Task, batches: Iterator[Batch]) -> tuple[Task, Iterator[Batch]]:
        from googlenet.distributed.pipeline import Pipelined  # torch's pipelines take seconds to import

        if not isinstance(task, NetworkTask) or type(task).outputs is not NetworkTask.outputs:
            raise InputError(
                f"stages {self._stages}: not for what is learnt here ({type(task).__name__}); leave it out"
            )
        assert self._cut is not None
        pipelined = Pipelined(task, self._cut, self.stage, self._pipeline, self._parts, self._part_size)
        return pipelined, self._told(batches)

    def summary(self) -> Mapping[str, Any]:
        return {**super().summary(), "stages": self._stages}

    def expect(self, parameters: Sequence[nn.Parameter], images: int, passes: int) -> None:
        if self.replicas > 1:
            super().expect(parameters, images, self._parts)

    def gather(self, parameters: Sequence[nn.Parameter], images: int) -> int:
        return super().gather(parameters, images) if self.replicas > 1 else images

    def norm(self, own: Tensor) -> Tensor:
        squares = own.square()
        with together():
            distributed.all_reduce(squares, group=self._pipeline)
        return squares.sqrt()

    def total(self, figures: Figures) -> Figures:
        return super().total(figures if self.stage == 0 else {})  # all stages of a pipeline have the same

    def whole(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if self.replica:
            return tensors
        assert self._cut is not None
        own = {*self._cut.stages[self.stage].rows, *self._cut.stages[self.stage].heads}
        given = {} if self.rank == 0 else {name: one.cpu() for name, one in tensors.items() if _row_of(name) in own}
        found: list[Any] | None = [None] * self._stages if self.rank == 0 else None
        with together():
            distributed.gather_object(given, found, dst=0, group=self._pipeline)
        return {name: tensor for part in (tensors, *(found or ())) for name, tensor in part.items()}

    def _told(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches, which the first stage loads; the others are told all but the images."""
        first = self.rank - self.stage
        while True:
            batch = next(batches, None) if self.loads else None
            told: list[Any] = [None]
            if batch is not None:
                others = {name: array for name, array in batch.arrays.items() if name != "images"}
                told = [replace(batch, arrays=others, bad=(), waited=0.0)]
            with together():
                distributed.broadcast_object_list(told, src=first, group=self._pipeline)
            batch = batch if self.loads else told[0]
            if batch is None:
                return
            yield batch

    def _cut_of(self, specification: Specification, execution: Execution) -> Cut:
        """Cut the network, on rank 0, by what its rows cost here, and say how."""
        check_trained(specification, self._stages)
        costs = row_costs(specification, execution, min(self._part_size, MEASURED_TOGETHER))
        found = cut(specification, self._stages, costs.seconds)
        say(
            f"{self._stages} stages, from {', '.join(stage.rows[0] for stage in found.stages)} on, balanced to"
            f" {percent(found.balance, 0)} by {costs}; {_waiting(self._stages, self._asked, self._most_parts)}"
        )
        return found


def _waiting(stages: int, asked: int, images: int) -> str:
    """Say how long a stage waits with as many parts of so many images as asked for, and what would shorten that."""
    parts, many = min(asked, images), 4 * stages
    share, better = (percent(bubble(stages, count), 0) for count in (parts, many))
    fewer = f" (not {asked}, as it has no more images)" if asked > parts else ""
    words = f"a batch in {counted(parts, 'parts')}{fewer}, with which a stage waits {share} of the time"
    if parts >= stages or images < many:
        return words
    return f"{words}; with --accumulate {many} it would be {better}"


def _check_parts(network: Network, found: Cut) -> None:
    """Raise `InputError` where a stage has nothing to train."""
    for number, stage in enumerate(found.stages, start=1):
        modules = [network.get_submodule(name) for name in (*stage.rows, *stage.heads)]
        if not any(parameter.requires_grad for module in modules for parameter in module.parameters()):
            raise InputError(
                f"stages {len(found.stages)}: nothing is trained in stage {number} ({', '.join(stage.rows)});"
                " give fewer stages, or freeze fewer rows"
            )


def _row_of(name: str) -> str:
    """Return the row or head of a parameter by its name in a state dict."""
    return name.partition(".")[0]


def _group_of(rank: int, groups: Sequence[Sequence[int]], timeout: timedelta | None) -> distributed.ProcessGroup:
    """Make all the groups, as every process has to, and return that of `rank`."""
    made = [distributed.new_group([*ranks], timeout=timeout) for ranks in groups]
    return next(group for group, ranks in zip(made, groups, strict=True) if rank in ranks)
