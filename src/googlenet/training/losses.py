"""The losses of section 5: the main one plus 0.3 times each auxiliary head's, every one known by its name;
and the ranks that are watched beside them."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["MAIN", "cross_entropies", "rank_of_label", "total"]

MAIN = "main"
"""What the network's own classifier is called beside the auxiliary heads."""


def cross_entropies(outputs: Mapping[str, Tensor], labels: Tensor, label_smoothing: float = 0.0) -> dict[str, Tensor]:
    """Return the mean cross entropy over the batch of each head, by name, in float32.

    `outputs` is what a network in training returns: logits [N, classes] as `logits` and by each auxiliary head's name.
    """
    return {
        MAIN if name == "logits" else name: functional.cross_entropy(
            logits.float(), labels, label_smoothing=label_smoothing
        )
        for name, logits in outputs.items()
    }


def total(losses: Mapping[str, Tensor], auxiliary_weight: float) -> Tensor:
    """Return the loss to be minimised: "the losses of the auxiliary classifiers were weighted by 0.3"."""
    heads = [loss for name, loss in losses.items() if name != MAIN]
    return losses[MAIN] + auxiliary_weight * sum(heads) if heads else losses[MAIN]


def rank_of_label(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes come before the true one, int64 [N]: `metrics.rank_of_truth` on the logits' device."""
    truth = logits.gather(1, labels[:, None])
    order = torch.arange(logits.shape[1], device=logits.device)[None, :]
    before = (logits > truth) | ((logits == truth) & (order < labels[:, None])) | truth.isnan()
    return before.sum(dim=1)
