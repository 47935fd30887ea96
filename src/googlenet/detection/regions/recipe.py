"""What the training of a region classifier does, as one frozen record: every option once, with type, default and help.

R-CNN's values where it has some (a tenth of the first rate, weight decay 0.0005, 128 windows a step), for networks with
pretrained weights and some hundred to some thousand pictures, in minutes to hours.
"""

from dataclasses import dataclass, field

from googlenet.errors import InputError
from googlenet.images.photometric import DistortionName
from googlenet.network.specification import Specification
from googlenet.network.zoo import resized
from googlenet.training.loop_recipe import CHANGES, GROWS, Averaging, LoopRecipe, Schedule, check_ranges

__all__ = ["RegionRecipe"]


@dataclass(frozen=True)
class RegionRecipe(LoopRecipe):
    """How to train a region classifier; creating a recipe checks it."""

    epochs: int | None = field(default=20, metadata=GROWS)
    """Epochs, in each of which eight windows are drawn for each picture."""
    size: int | None = None
    """Pixels of a side of the crops, by default as WEIGHTS have them; 128 for 224 takes a third of the time."""
    batch_size: int = 128
    """Windows a step, all machines together; a quarter of them show objects."""
    accumulate: int = 4
    """Parts into which a batch is cut, to need less memory; their gradients make one step."""
    rate: float | None = 0.001
    """Highest learning rate."""
    schedule: Schedule | None = "cosine"
    """x0.96 every 8 epochs, root of what is left, cosine, or up and down."""
    warm_up: float | None = 0.5
    """Epochs in which the rate rises from 0."""
    weight_decay: float = 5e-4
    """Pull of the weights towards 0; not on biases and batch normalisation."""
    classifier_rate: float | None = 10.0
    """Factor on the rate of the classifiers, which start fresh."""
    auxiliary_weight: float = 0.3
    """Weight of each auxiliary head's loss; 0 trains without the heads."""
    averaging: Averaging | None = "exponential"
    """Mean of the weights; polyak: all steps count the same."""
    distortion: DistortionName | None = "none"
    """Photometric distortion of the training windows."""
    evaluate_every: int = field(default=5, metadata=CHANGES)
    """Epochs between two evaluations on the validation images."""
    validation_boxes: int = 100
    """Proposals of each validation image that are classified for it, the best; the final figures take all."""
    patience: int = 0
    """Evaluations without a better mAP after which the run stops with its best weights; 0 never stops early."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, least={"size": 1, "auxiliary_weight": 0, "validation_boxes": 1}, positive=())
        if self.batch_size < _SMALLEST_BATCH:
            raise InputError(
                f"batch_size {self.batch_size}: give at least {_SMALLEST_BATCH}, so that some show objects"
            )
        for name in ("epochs", "rate", "schedule", "warm_up", "classifier_rate", "averaging"):
            if getattr(self, name) is None:
                raise InputError(f"{name}: give a value")

    def specification(self, pretrained: Specification) -> Specification:
        """Return what is trained of a pretrained network's: it, or the same for crops of another `size`.

        Raises `InputError` for a size at which a grid shrinks below 1.
        """
        if self.size is None:
            return pretrained
        try:
            return resized(pretrained, (self.size, self.size))
        except InputError as error:
            raise InputError(f"size {self.size}: {error}") from None


_SMALLEST_BATCH = 4
