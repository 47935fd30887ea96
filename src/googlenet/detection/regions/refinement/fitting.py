"""`fit_refinement`: from windows of annotated pictures and a region classifier to what refines its answers."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from googlenet.data.labels import some
from googlenet.detection.regions.crop import CONTEXT
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.description import width
from googlenet.detection.regions.refinement.context import fit_context
from googlenet.detection.regions.refinement.examples import Examples
from googlenet.detection.regions.refinement.features import FeaturePlan, write_features
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.detection.regions.refinement.refinement import Refinement
from googlenet.detection.regions.refinement.regression import NEAR, fit_regression
from googlenet.detection.regions.refinement.svm import fit_svms
from googlenet.errors import InputError
from googlenet.files import atomic_write, sha256
from googlenet.inference.device import find_device
from googlenet.inference.engine import find_engines
from googlenet.inference.predictor import Predictor
from googlenet.network.graph import expand, logits_of
from googlenet.reporting.console import warn
from googlenet.weights.checkpoint import Checkpoint, read
from googlenet.weights.creation import build
from googlenet.weights.tensor_file import open_tensors, write_tensors

__all__ = ["FITTED", "fit_refinement"]

FITTED = "refinement.safetensors"
"""The file in which what was fitted is kept."""


def fit_refinement(
    recipe: RefinementRecipe,
    images: RegionImages,
    weights: Path,
    folder: Path,
    *,
    seed: int = 0,
    context: float = CONTEXT,
    device: str = "auto",
) -> Refinement:
    """Fit what `recipe` asks for to the windows of `images`, for the region classifier in the file `weights`.

    Features and what is fitted are kept in `folder`, whole or not at all, and taken from there where they are of the
    same: whatever ended a call, the next goes on. `context` is that of the crops. A class without objects is named, and
    ends nothing.
    """
    if not recipe:
        return Refinement()
    windows = images.all_windows
    key = f"{sha256(weights)} {windows.identity} {hashlib.sha256(windows.key.encode()).hexdigest()}"
    plan = FeaturePlan(recipe.feature_windows, seed, context, key)
    classifier = read(weights)
    kept, told = folder / FITTED, f"{recipe} {plan.identity}"
    if (found := _kept(kept, told, classifier)) is not None:
        return found
    features = write_features(folder / "features", images, _predictor(classifier, device), plan)
    fitted = _fitted(recipe, Examples(images, features), _Softmax.of(classifier), [one.name for one in images.classes])
    _keep(kept, told, fitted)
    return fitted


@dataclass(frozen=True)
class _Softmax:
    """The last layer of a network: probabilities without background's, from the first of a region's features."""

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    @classmethod
    def of(cls, classifier: Checkpoint) -> "_Softmax":
        layer = logits_of(expand(classifier.specification, auxiliary=False)).replace("/", ".")
        found = (classifier.weights[f"{layer}.{name}"].double().numpy() for name in ("weight", "bias"))
        return cls(*found)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return softmax(features[:, : self.weights.shape[1]] @ self.weights.T + self.biases, axis=1)[:, :-1]


def _fitted(recipe: RefinementRecipe, examples: Examples, network: _Softmax, names: list[str]) -> Refinement:
    if lacking := [name for name, own in zip(names, examples.own, strict=True) if not len(own)]:
        warn(f"no object of {some(lacking, 5)} to fit to; what is never seen is never found")
    svms = fit_svms(examples) if recipe.scores == "svm" else None
    regression = None
    if recipe.box_regression:
        regression, unseen = fit_regression(examples)
        if alone := [names[label] for label in unseen if names[label] not in lacking]:
            warn(f"box regression: no proposal overlaps {some(alone, 5)} by {NEAR}; their boxes stay as proposed")
    scores = (svms or network).scores
    scale = np.float32(1 / examples.scale)
    context = fit_context(examples, lambda values: scores(values * scale)) if recipe.context else None
    return Refinement(svms, regression, context)


def _predictor(classifier: Checkpoint, device: str) -> Predictor:
    """Make one whose engine is not chosen by the clock, so that features are the same after a kill."""
    network, place = build(classifier, auxiliary=False).eval(), find_device(device)
    engines: Iterable[str] = find_engines(network, place, "float32")
    return Predictor(network, None, place, engine="native" if "native" in engines else "torch")


def _keep(path: Path, told: str, fitted: Refinement) -> None:
    import torch

    with atomic_write(path) as file:
        arrays = {name: torch.from_numpy(array) for name, array in fitted.arrays().items()}
        write_tensors(file, arrays, {"of": told})


def _kept(path: Path, told: str, classifier: Checkpoint) -> Refinement | None:
    """Return what was fitted of the same, or None."""
    if not path.exists():
        return None
    try:
        with open_tensors(path) as file:
            if file.metadata.get("of") != told:
                return None
            arrays = {name: file.read(name).numpy() for name in file.shapes}
    except (InputError, TypeError) as error:
        warn(f"{error}: fitted anew")
        return None
    outputs = len(_Softmax.of(classifier).biases)
    return Refinement.of(arrays, outputs - 1, width(classifier.specification), str(path))
