"""Which of the network's boxes answers for which object: the assignment that the loss is least for (Erhan et al., 3.2).

Each object has one box, each box at most one object. Assigned so, boxes do not all run to the same place, as they would
if each went for its nearest object.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["Matching", "match"]

Matching = Literal["prediction", "prior"]
"""By what the network says, place and confidence, or by where its boxes start: each then keeps its own objects."""


def match(
    offsets: NDArray[np.floating],
    truths: NDArray[np.floating],
    logits: NDArray[np.floating] | None,
    weight: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of boxes and of the objects that they are matched to, both [min(K, M)].

    `offsets` are where the K boxes lie, `truths` where the M objects do, [K, 4] and [M, 4] in the units of the loss;
    `weight` is that of the distance. With `logits`, [K], a box that is sure of an object is cheaper; None leaves that
    out. Where there are more objects than boxes, those that fit worst are left over.
    """
    distances = np.square(offsets[:, None] - truths[None]).sum(2)
    costs = 0.5 * weight * distances
    if logits is not None:  # -log c + log(1 - c) of c, the logistic function of the logit
        costs = costs - logits[:, None]
    boxes, objects = linear_sum_assignment(costs)
    return boxes, objects
