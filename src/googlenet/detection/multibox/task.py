"""What a MultiBox learns, as the training loop has it."""

from collections.abc import Mapping

from torch import Tensor

from googlenet.data.batch import Batch, counts_of
from googlenet.detection.multibox.loss import MultiBoxLoss
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.task import LOSS, Figures, NetworkTask, Sum

__all__ = ["MultiBoxTask"]


class MultiBoxTask(NetworkTask):
    """Squares and their objects: the loss of places and confidences.

    Figures are both losses of an image, and the mean intersection over union of each matched box and its object.
    """

    def __init__(self, network: TrainingNetwork, execution: Execution, loss: MultiBoxLoss, **options: int) -> None:
        super().__init__(network, execution, **options)
        self.loss = loss

    def judge(self, outputs: Mapping[str, Tensor], part: Batch) -> tuple[Tensor, Figures]:
        truths = part["boxes"].split(part[counts_of("boxes")].tolist())
        found = self.loss(outputs["logits"].float(), [truth.numpy() for truth in truths])
        each, count = found.location + found.confidence, len(part)
        figures = {
            LOSS: Sum(each.detach().sum(), count),
            "losses/location": Sum(found.location.detach().sum(), count),
            "losses/confidence": Sum(found.confidence.detach().sum(), count),
            "overlap": Sum(found.overlaps.sum(), len(found.overlaps)),
        }
        return each.mean(), figures
