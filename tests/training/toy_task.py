"""A task that is not classification: two heads on one layer, the second of which knows the truth of some images."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from googlenet.data.batch import Batch
from googlenet.training.task import Figures, Sum, backward_in_parts


class TwoHeads:
    """Learns a class of each image, and a size of those whose size is not nan; exact enough to compare by digits."""

    def __init__(self, seed: int = 0, parts: int = 1) -> None:
        random = torch.Generator().manual_seed(seed)
        self.body, self.kind, self.size = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 1)
        self._parts = parts
        for parameter in self.parameters.values():
            parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) / 2

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        modules = {"body": self.body, "kind": self.kind, "size": self.size}
        return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.named_parameters()}

    def compute(self, batch: Batch) -> Figures:
        return backward_in_parts(batch, self._parts, self._learn)

    def _learn(self, part: Batch) -> tuple[Tensor, Figures]:
        hidden = self.body(part["inputs"]).tanh()
        kinds = functional.cross_entropy(self.kind(hidden), part["kinds"], reduction="sum")
        known = ~part["sizes"].isnan()
        errors = (self.size(hidden)[known, 0] - part["sizes"][known]).square().sum()
        loss, count = kinds + 0.5 * errors, len(part)
        figures = {
            "loss": Sum(loss.detach(), count),
            "losses/kind": Sum(kinds.detach(), count),
            "losses/size": Sum(errors.detach(), int(known.sum())),
        }
        return loss / count, figures


def batch(indices: list[int], step: int = 0) -> Batch:
    """A batch of images that are functions of their indices; every third has no size."""
    made = [torch.Generator().manual_seed(index) for index in indices]
    inputs = [torch.randn(6, generator=random, dtype=torch.float64) for random in made]
    arrays = {
        "inputs": torch.stack(inputs) if inputs else torch.empty(0, 6, dtype=torch.float64),
        "kinds": torch.tensor([index % 3 for index in indices], dtype=torch.int64),
        "sizes": torch.tensor([float("nan") if index % 3 == 0 else index / 7 for index in indices]).double(),
    }
    return Batch(0, step, arrays, torch.tensor(indices, dtype=torch.int64))
