"""`train_regions`: a whole run, from pictures with windows to a network that says what is in a box."""

import os

from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.setup import RegionData, prepare
from googlenet.training.exchange import Exchange
from googlenet.training.run import Run, carry_out
from googlenet.training.setup import Weights

__all__ = ["train_regions"]


def train_regions(
    data: RegionData,
    recipe: RegionRecipe = RegionRecipe(),  # noqa: B008  frozen
    *,
    validation: RegionData | None = None,
    pretrained: Weights,
    output: str | os.PathLike[str],
    sources: str = "windows",
    exchange: Exchange | None = None,
) -> Run:
    """Train a region classifier on the windows of `data` by `recipe`, and return the finished run.

    `pretrained` is the checkpoint of a classifier, whose last layers give way to the classes of the data and, as the
    last, background; or of a region classifier of the same classes. `sources` says what proposed the windows. Stopping,
    going on, errors and the folder `output` are as in `googlenet.train`; the images of `validation` are judged by mean
    average precision.
    """
    return carry_out(lambda: prepare(data, recipe, validation, pretrained, sources), output, exchange)
