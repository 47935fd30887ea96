"""The process that leads an asynchronous run: it deals the batches, and has weights to save and evaluate now and then.

A run goes in stretches: an epoch, or what was dealt of it when the run is to be saved or to stop. Between two of them
nothing is under way, so that a checkpoint is that of a run in one process: so many steps, none twice and none left out.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from googlenet.distributed.downpour.crew import Crew
from googlenet.distributed.downpour.dealing import Dealer
from googlenet.distributed.downpour.options import Downpour
from googlenet.distributed.downpour.replica import Report, mean_buffers
from googlenet.distributed.downpour.slices import Slices
from googlenet.distributed.downpour.tally import Tally
from googlenet.distributed.shard import Rule, ShardState
from googlenet.reporting.console import say
from googlenet.training.exchange import Alone
from googlenet.training.loop_recipe import LoopRecipe
from googlenet.training.schedule import rate_at
from googlenet.training.step import Step, Wish
from googlenet.training.work import Work

__all__ = ["Leader", "rule_of"]


class Leader(Alone):
    """The exchange of the process that leads; Ray is there. `cores` is how many the replicas here share, if they do."""

    def __init__(self, options: Downpour, wire: str = "float32", *, cores: int | None = None) -> None:
        self.options, self._wire, self._cores = options, wire, cores
        self._tally = Tally(options.shards)
        self._squares: dict[str, Tensor] = {}

    @property
    def dropped(self) -> int:
        """Pushes that came too late to count."""
        return self._tally.dropped

    def described(self) -> Mapping[str, Any]:
        return {"exchange": self.options.described(self._wire)}

    def summary(self) -> Mapping[str, Any]:
        counts = {"replicas": self.options.replicas, "shards": self.options.shards}
        return {**self.options.described(self._wire), **counts, **self._tally.summary()}

    def state(self) -> Mapping[str, Tensor]:
        return {**self._tally.state(), **{f"{_SQUARES}{name}": tensor for name, tensor in self._squares.items()}}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._tally.restore(state)
        squares = {name: tensor for name, tensor in state.items() if name.startswith(_SQUARES)}
        self._squares = {name.removeprefix(_SQUARES): tensor.clone() for name, tensor in squares.items()}

    def take_steps(self, work: Work, here: Callable[[], Iterator[Step]]) -> Iterator[Step]:
        """Yield the steps of the replicas in the order in which they are heard of."""
        slices = Slices.of(work.optimizer, self.options.shards)
        rule = rule_of(work.setup.recipe, self.options, work.average.begin)
        if self.options.adagrad and not self._squares:
            parameters = work.optimizer.parameters
            self._squares = {name: torch.zeros_like(one, device="cpu") for name, one in parameters.items()}
        execution, beside = work.execution, 1
        if self._cores is not None:
            beside = self.options.replicas
            if beside > 1:
                execution = replace(execution, threads=max(1, self._cores // beside))
        setup = replace(work.setup, validation=None, identities={}, origin={})
        states = self._states(work, slices)
        arguments = (setup, execution, slices, rule, states, self.options, self._wire, self._tally)
        with closing(Crew(*arguments, beside=beside)) as crew:
            done = work.start
            while done < work.total_steps:
                for step in self._stretch(work, crew, slices, done):
                    yield step
                    done = step.number

    def _stretch(self, work: Work, crew: Crew, slices: Slices, begin: int) -> Iterator[Step]:
        """Yield the steps from `begin` to the end of the epoch, or of what is dealt when someone wants something."""
        warm = -(-self.options.warm_start // work.setup.recipe.batch_size)
        end = min(work.total_steps, (begin // work.steps_per_epoch + 1) * work.steps_per_epoch)
        is_warm = begin < warm
        if is_warm:
            end = min(end, warm)
        dealer = Dealer(begin, end)
        crew.begin(dealer, 1 if is_warm else self.options.replicas, _buffers(work))
        wish, last, done = Wish.NOTHING, None, begin
        for place, report in crew.news():
            if last is not None:
                yield last
            done += 1
            last = self._step(work, done, place, report)
            wish |= work.wish()
            if wish:
                crew.cut()
        assert last is not None
        self._gather(work, crew, slices)
        if done % work.steps_per_epoch == 0:
            say(self._tally.told())
        yield replace(last, agreed=wish)

    def _step(self, work: Work, number: int, place: int, report: Report | None) -> Step:
        """Count a step among those of the whole run, in the order of its arrival."""
        epoch = number / work.steps_per_epoch
        if report is None:
            rate = rate_at(work.setup.recipe, (number - 1) / work.steps_per_epoch)
            return Step(number, epoch, rate, images=0, exchange=self._tally.record(place, ()))
        work.note_bad(dict(report.bad))
        share = 1 / self.options.replicas  # of the time of all
        return replace(
            report.step,
            number=number,
            epoch=epoch,
            exchange=self._tally.record(place, report.taken),
            waited=report.step.waited * share,
            seconds=report.step.seconds * share,
        )

    def _gather(self, work: Work, crew: Crew, slices: Slices) -> None:
        """Bring here what the shards and the replicas hold, for a checkpoint or an evaluation."""
        states = crew.settle()

        def join(name: str, into: Mapping[str, Tensor]) -> None:
            slices.join([state.tensors[name] for state in states], into)

        join("weights", work.optimizer.parameters)
        join("velocity", work.optimizer.velocity)
        if work.average.tensors:
            join("average", work.average.tensors)
            work.average.count = states[0].averaged
        if self._squares:
            join("squares", self._squares)
        buffers = dict(work.network.named_buffers())
        for name, mean in mean_buffers(crew.buffers()).items():
            buffers[name].copy_(mean)

    def _states(self, work: Work, slices: Slices) -> list[ShardState]:
        """What the shards begin with."""
        parts = {"weights": slices.cut(work.optimizer.parameters), "velocity": slices.cut(work.optimizer.velocity)}
        if work.average.tensors:
            parts["average"] = slices.cut(work.average.tensors)
        if self._squares:
            parts["squares"] = slices.cut(self._squares)
        clock, images = self._tally.clocks[0], work.start * work.setup.recipe.batch_size
        return [
            ShardState(clock, images, work.average.count, tensors={name: part[number] for name, part in parts.items()})
            for number in range(slices.count)
        ]


def rule_of(recipe: LoopRecipe, options: Downpour, average_begin: int = 0) -> Rule:
    """Return how the shards of a run move."""
    return Rule(
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        adagrad=options.adagrad,
        divide=options.mitigation == "divide",
        compensation=options.compensation if options.mitigation == "delay-compensation" else 0.0,
        together=options.replicas - options.backups if options.mitigation == "synchronous" else 0,
        averaging=recipe.averaging or "none",
        average_begin=average_begin,
        average_decay=recipe.average_decay,
    )


_SQUARES = "squares."
"""What the names of Adagrad's sums begin with in a checkpoint."""


def _buffers(work: Work) -> dict[str, Tensor]:
    return {name: buffer.detach().cpu().clone() for name, buffer in work.network.named_buffers()}
