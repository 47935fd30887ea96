"""What a region classifier learns, as the training loop has it: classes, of windows that may reach outside."""

from collections.abc import Mapping

import torch
from torch import Tensor

from googlenet.data.batch import Batch
from googlenet.detection.regions.crop import outside
from googlenet.training.task import Classification

__all__ = ["RegionTask", "mask_of"]


class RegionTask(Classification):
    """Classification of windows and background, the last class; batches are made by `DrawnWindows`."""

    def outputs(self, part: Batch) -> Mapping[str, Tensor]:
        self.draw_masks(part, part["draws"])  # several windows may be of one picture
        return self.execution.train(self.network, part["images"], mask_of(part))


def mask_of(batch: Batch) -> Tensor:
    """Return the mask of a batch's crops, bool [N, height, width]: true where they show nothing of their picture."""
    height, width = batch["images"].shape[1:3]
    return torch.from_numpy(outside(batch["inside"].numpy(), (height, width)))
