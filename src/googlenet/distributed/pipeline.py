"""A task whose network is computed in stages, by torch's pipelines: parts of a batch follow one another through them.

The last stage knows all losses: the logits of heads before go along with the activations. Stages pass float32 on,
whatever they compute in, so that what they compute is what one process would.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

from googlenet.data.batch import Batch
from googlenet.distributed.synchronous import together
from googlenet.network.graph import expand
from googlenet.network.stages import Cut
from googlenet.training.execution import Execution
from googlenet.training.task import Figures, NetworkTask, Sum, added

__all__ = ["Pipelined"]


class Pipelined:
    """A `task` in one of the stages of a `cut`: leaves the gradients of that stage's rows in their parameters.

    A batch is cut into so many `parts`, of at most `size` images. With as many parts as stages or more, each stage
    computes one forward and one backward in turns, so that few parts are under way; else all forward, then all
    backward.
    """

    def __init__(
        self, task: NetworkTask, cut: Cut, stage: int, group: distributed.ProcessGroup, parts: int, size: int
    ) -> None:
        self._task, self._group, self._parts, self._size = task, group, parts, size
        self._stage, self._last = stage, len(cut.stages) - 1
        self._heads = ("logits", *(head for one in cut.stages for head in one.heads))
        self._at_hand: Sequence[Batch] = ()
        self._figures: list[Figures] = []
        device = torch.device(task.execution.device)
        given, made = _crossing(task, cut, stage, size), _crossing(task, cut, stage + 1, size)
        rows = _Rows(task, cut, stage, self._draw_masks)
        step = PipelineStage(rows, stage, len(cut.stages), device, input_args=given, output_args=made, group=group)
        kind = Schedule1F1B if parts > self._last else ScheduleGPipe
        self._schedule = kind(step, parts, self._loss, scale_grads=False)

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        return self._task.parameters

    def compute(self, batch: Batch) -> Figures:
        self._at_hand, self._figures = [*batch.split(self._parts)], []
        numbers = torch.cat([self._filled(part.indices) for part in self._at_hand])
        images = [torch.cat([self._filled(part["images"]) for part in self._at_hand])] if self._stage == 0 else []
        which = torch.arange(self._parts) if self._stage == self._last else None
        with together():
            self._schedule.step(*images, numbers=numbers, target=which, return_outputs=False)
            return self._told(added(*self._figures))

    def _loss(self, outputs: Sequence[Tensor], which: Tensor) -> Tensor:
        """Return what a part adds to the mean loss of the batch; images that only fill it up count nothing."""
        part = self._at_hand[int(which)]
        if not len(part):
            return 0.0 * torch.stack([one.sum() for one in outputs]).sum()
        named = {head: one[: len(part)] for head, one in zip(self._heads, outputs, strict=True)}
        loss, figures = self._task.judge(named, part)
        self._figures.append(figures)
        return loss * (len(part) / sum(map(len, self._at_hand)))

    def _told(self, figures: Figures) -> Figures:
        """Return the figures that the last stage knows."""
        numbers = {name: Sum(float(value.total), value.count) for name, value in figures.items()}
        told: list[Any] = [numbers]
        source = distributed.get_global_rank(self._group, self._last)
        distributed.broadcast_object_list(told, src=source, group=self._group)
        return told[0]

    def _draw_masks(self, numbers: Tensor) -> None:
        self._task.draw_masks(self._at_hand[0], numbers)

    def _filled(self, rows: Tensor) -> Tensor:
        """Fill a part up to the size that all have."""
        return torch.cat([rows, rows.new_zeros(self._size - len(rows), *rows.shape[1:])])


class _Rows(nn.Module):
    """What one stage computes of a part: from images, or what crosses, to what crosses, or the logits of all heads."""

    def __init__(self, task: NetworkTask, cut: Cut, stage: int, draw_masks: Callable[[Tensor], None]) -> None:
        super().__init__()
        network, own = task.network, cut.stages[stage]
        self._first, self._last = stage == 0, stage == len(cut.stages) - 1
        self._prepare: Callable[[Tensor], Tensor] = lambda images: task.execution.prepare(network, images)
        self._execution: Execution = task.execution
        self._draw_masks = draw_masks
        self.rows = nn.ModuleList(network.get_submodule(name) for name in own.rows)
        self.heads = nn.ModuleList(network.get_submodule(name) for name in own.heads)
        self._heads_after = [
            [place for place, head in enumerate(own.heads) if network.head_rows[head] == name] for name in own.rows
        ]

    def forward(self, x: Tensor, *carried: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        x = self._prepare(x) if self._first else self._execution.arrange(x.permute(0, 3, 1, 2))
        logits = [one.view_as(one) for one in carried]
        self._draw_masks(numbers)
        with self._execution.precise():
            for row, heads in zip(self.rows, self._heads_after, strict=True):
                x = row(x)
                logits += [self.heads[place](x) for place in heads]
        if not self._last:
            x = x.float().permute(0, 2, 3, 1).contiguous()
        return x, *(one.float() for one in logits)


def _crossing(task: NetworkTask, cut: Cut, stage: int, size: int) -> tuple[Tensor, ...]:
    """Return the likes of what crosses to `stage` for a part: activations [N, height, width, channels], logits.

    What the first one gets are images [N, height, width, 3]; what the last one gives are the logits of all heads.
    """
    specification = task.network.specification
    nodes = expand(specification)
    before = cut.stages[:stage]
    heads = [(size, specification.classifier.outputs) for one in before for _ in one.heads]
    with torch.device("meta"):
        if not before:
            return (torch.empty(size, *specification.input[1:], 3, dtype=torch.uint8),)
        if len(before) == len(cut.stages):
            shape: tuple[int, ...] = (size, specification.classifier.outputs)
        else:
            name = before[-1].rows[-1]
            channels, height, width = [node for node in nodes if node.row == name][-1].output
            shape = (size, height, width, channels)
        return tuple(torch.empty(one, requires_grad=True) for one in (shape, *heads))
