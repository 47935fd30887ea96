"""What is learnt. A task leaves the gradient of a batch in its parameters, and says in sums how the batch went.

Classification with auxiliary heads (section 5) is one; the training loop knows no more of a task than this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from googlenet.data.batch import Batch
from googlenet.evaluation.metrics import TOP
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.losses import MAIN, cross_entropies, rank_of_label, total

__all__ = ["LOSS", "Classification", "Figures", "NetworkTask", "Sum", "Task", "added", "backward_in_parts"]

LOSS = "loss"
"""The figure that every task has: what was minimised."""


@dataclass(frozen=True)
class Sum:
    """A sum over `count` images, boxes or whatever a figure is about; sums of parts and of machines can be added."""

    total: Tensor | float
    count: int

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float:
        """0 of nothing."""
        return float(self.total) / self.count if self.count else 0.0


Figures = Mapping[str, Sum]
"""Sums by name. One of a kind is called `losses/main`, and stands in metrics.jsonl as {"losses": {"main": ...}}."""


def added(*some: Figures) -> dict[str, Sum]:
    """Return the sums of figures by name; not all need have the same names."""
    found: dict[str, Sum] = {}
    for figures in some:
        for name, value in figures.items():
            found[name] = found[name] + value if name in found else value
    return found


class Task(Protocol):
    """What a run learns."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """What is learnt, by name."""
        ...

    def compute(self, batch: Batch) -> Figures:
        """Leave the mean gradient over the images of `batch`, at least one, in the parameters; return its figures.

        The parameters come without gradients. Figures may stay on the device; `loss` is among them.
        """
        ...


def backward_in_parts(batch: Batch, parts: int, learn: Callable[[Batch], tuple[Tensor, Figures]]) -> dict[str, Sum]:
    """Leave the gradient of the mean loss over `batch` in the parameters, part after part, to need less memory.

    `learn` returns the mean loss over the images of a part, to be differentiated, and the part's figures.
    """
    figures: dict[str, Sum] = {}
    for part in batch.split(min(parts, len(batch))):
        loss, found = learn(part)
        (loss * (len(part) / len(batch))).backward()
        figures = added(figures, found)
    return figures


class NetworkTask:
    """The base of tasks that one network learns from images: what they have in common but the loss, `judge`.

    A batch of step s is that of epoch s // `steps_per_epoch`; it is computed in `parts` parts.
    """

    def __init__(
        self, network: TrainingNetwork, execution: Execution, *, seed: int, steps_per_epoch: int, parts: int = 1
    ) -> None:
        self.network, self.execution = network, execution
        self._seed, self._steps_per_epoch, self._parts = seed, steps_per_epoch, parts

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        return {name: value for name, value in self.network.named_parameters() if value.requires_grad}

    def compute(self, batch: Batch) -> Figures:
        return backward_in_parts(batch, self._parts, self.learn)

    def learn(self, part: Batch) -> tuple[Tensor, Figures]:
        """Return the mean loss over the images of a part of a batch, to be differentiated, and its figures."""
        return self.judge(self.outputs(part), part)

    def judge(self, outputs: Mapping[str, Tensor], part: Batch) -> tuple[Tensor, Figures]:
        """Return the same from the outputs of each head, without a look at the images."""
        raise NotImplementedError

    def outputs(self, part: Batch) -> Mapping[str, Tensor]:
        """Return the outputs of each head for a part of a batch."""
        self.draw_masks(part, part.indices)
        return self.execution.train(self.network, part["images"])

    def draw_masks(self, part: Batch, numbers: Tensor) -> None:
        """Draw dropout masks for a part of a batch, whose samples `numbers`, int64 [N], tell apart."""
        self.network.draw_masks(self._seed, part.epoch * self._steps_per_epoch + part.step, numbers)


class Classification(NetworkTask):
    """Images and labels: the main loss, and `auxiliary_weight` times that of each auxiliary head.

    Figures are the loss of each head, and how often it had the truth first (`top1`) and among the first five (`top5`).
    """

    def __init__(
        self,
        network: TrainingNetwork,
        execution: Execution,
        *,
        auxiliary_weight: float = 0.3,
        label_smoothing: float = 0.0,
        **options: int,
    ) -> None:
        super().__init__(network, execution, **options)
        self._auxiliary_weight, self._label_smoothing = auxiliary_weight, label_smoothing

    def judge(self, outputs: Mapping[str, Tensor], part: Batch) -> tuple[Tensor, Figures]:
        labels = part["labels"].to(next(iter(outputs.values())).device)
        losses = cross_entropies(outputs, labels, self._label_smoothing)
        loss, count = total(losses, self._auxiliary_weight), len(part)
        figures = {LOSS: Sum(loss.detach() * count, count)}
        for output, logits in outputs.items():
            head = MAIN if output == "logits" else output
            rank = rank_of_label(logits.detach(), labels)
            figures[f"losses/{head}"] = Sum(losses[head].detach() * count, count)
            figures[f"top1/{head}"] = Sum((rank < 1).float().sum(), count)
            figures[f"top5/{head}"] = Sum((rank < TOP).float().sum(), count)
        return loss, figures
