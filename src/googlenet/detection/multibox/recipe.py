"""What a training run of a MultiBox does, as one frozen record: every option once, with type, default and help.

Erhan et al. trained on ten million crops with Adagrad; these values are for networks with pretrained weights and some
hundred to some thousand pictures, in minutes to hours.
"""

from dataclasses import dataclass, field

from googlenet.detection.multibox.matching import Matching
from googlenet.errors import InputError
from googlenet.images.photometric import DistortionName
from googlenet.training.loop_recipe import GROWS, Averaging, LoopRecipe, Schedule, check_ranges

__all__ = ["MultiBoxRecipe"]


MOST_BOXES = 2000
"""More than the 1420 of the second MultiBox (Szegedy et al., 2014), the most that was published."""


@dataclass(frozen=True)
class MultiBoxRecipe(LoopRecipe):
    """How to train a MultiBox; creating a recipe checks it."""

    boxes: int = 200
    """Boxes that the network says of each square: at most so many objects of a square are found."""
    matching: Matching = "prediction"
    """Which box answers for an object: the one that says so best, or the one that starts nearest (prior)."""
    location_weight: float = 0.3
    """Weight of the boxes' places beside their confidences; alpha of Erhan et al."""
    epochs: int | None = field(default=30, metadata=GROWS)
    """Passes over the training images, a square of each."""
    rate: float | None = 0.001
    """Highest learning rate."""
    schedule: Schedule | None = "cosine"
    """x0.96 every 8 epochs, root of what is left, cosine, or up and down."""
    warm_up: float | None = 1.0
    """Epochs in which the rate rises from 0."""
    clip: float = 0.0
    """Longest gradient (Euclidean norm of all of it); 0 is no limit."""
    classifier_rate: float | None = 1.0
    """Factor on the rate of the layers of the boxes, which start fresh."""
    averaging: Averaging | None = "exponential"
    """Mean of the weights; polyak: all steps count the same."""
    distortion: DistortionName | None = "none"
    """Photometric distortion of the training images."""
    patience: int = 0
    """Evaluations without a better recall after which the run stops with its best weights; 0 never stops early."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, least={"boxes": 1}, positive=("location_weight",))
        if self.boxes > MOST_BOXES:
            raise InputError(f"boxes {self.boxes}: give at most {MOST_BOXES}")
        missing = [
            name
            for name in ("epochs", "rate", "schedule", "warm_up", "classifier_rate", "averaging")
            if getattr(self, name) is None
        ]
        if missing:
            raise InputError(f"{missing[0]}: give a value")
