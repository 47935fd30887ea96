"""What is fitted beside a region classifier, as one frozen record: all of it off by default, as in the paper."""

from dataclasses import dataclass
from typing import Literal

from googlenet.errors import whole

__all__ = ["RefinementRecipe", "ScoreName"]

ScoreName = Literal["softmax", "svm"]


@dataclass(frozen=True)
class RefinementRecipe:
    """How regions are scored and placed beside the softmax; creating a recipe checks it."""

    scores: ScoreName = "softmax"
    """What scores a region: the network's softmax, or a linear SVM for each class, with hard negatives."""
    box_regression: bool = False
    """Move each detected box by a regression on the features of what it shows."""
    context: bool = False
    """Rescore the regions of a picture by what the network says of the whole picture."""
    feature_windows: int = 128
    """Windows of a training picture on which these three are fitted; its objects are always among them."""

    def __post_init__(self) -> None:
        whole("feature_windows", self.feature_windows)

    def __bool__(self) -> bool:
        """Whether there is anything to fit."""
        return self.scores == "svm" or self.box_regression or self.context
