"""`train_multibox`: a whole run, from annotated pictures to a network that proposes boxes."""

import os

from googlenet.detection.annotations import AnnotatedImages
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.multibox.setup import prepare
from googlenet.training.exchange import Exchange
from googlenet.training.run import Run, carry_out
from googlenet.training.setup import Weights

__all__ = ["train_multibox"]


def train_multibox(
    data: AnnotatedImages,
    recipe: MultiBoxRecipe = MultiBoxRecipe(),  # noqa: B008  frozen
    *,
    validation: AnnotatedImages | None = None,
    pretrained: Weights,
    output: str | os.PathLike[str],
    exchange: Exchange | None = None,
) -> Run:
    """Train a MultiBox on the objects of `data` by `recipe`, whatever their classes, and return the finished run.

    `pretrained` is the checkpoint of a classifier, whose last layers give way to boxes, or of a MultiBox with as many.
    Stopping, going on, errors and the folder `output` are as in `googlenet.train`; the images of `validation` are
    judged by the recall of their objects at an intersection over union of 0.5.
    """
    return carry_out(
        lambda: prepare(("data", data), recipe, None if validation is None else ("validation", validation), pretrained),
        output,
        exchange,
    )
