"""What a MultiBox learns, as the training loop has it."""

from collections.abc import Mapping

from torch import Tensor, nn

from googlenet.data.batch import Batch, counts_of
from googlenet.detection.multibox.loss import MultiBoxLoss
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.task import LOSS, Figures, Sum, backward_in_parts

__all__ = ["MultiBoxTask"]


class MultiBoxTask:
    """Squares and their objects: the loss of places and confidences.

    Figures are both losses of an image, and the mean intersection over union of each matched box and its object. A
    batch of step s is that of epoch s // `steps_per_epoch`; it is computed in `parts` parts.
    """

    def __init__(
        self,
        network: TrainingNetwork,
        execution: Execution,
        loss: MultiBoxLoss,
        *,
        seed: int,
        steps_per_epoch: int,
        parts: int = 1,
    ) -> None:
        self.network, self.execution, self.loss = network, execution, loss
        self._seed, self._steps_per_epoch, self._parts = seed, steps_per_epoch, parts

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        return {name: value for name, value in self.network.named_parameters() if value.requires_grad}

    def compute(self, batch: Batch) -> Figures:
        return backward_in_parts(batch, self._parts, self._learn)

    def _learn(self, part: Batch) -> tuple[Tensor, Figures]:
        step = part.epoch * self._steps_per_epoch + part.step
        self.network.draw_masks(self._seed, step, part.indices)
        outputs = self.execution.train(self.network, part["images"])["logits"].float()
        truths = part["boxes"].split(part[counts_of("boxes")].tolist())
        found = self.loss(outputs, [truth.numpy() for truth in truths])
        each, count = found.location + found.confidence, len(part)
        figures = {
            LOSS: Sum(each.detach().sum(), count),
            "losses/location": Sum(found.location.detach().sum(), count),
            "losses/confidence": Sum(found.confidence.detach().sum(), count),
            "overlap": Sum(found.overlaps.sum(), len(found.overlaps)),
        }
        return each.mean(), figures
