"""What an answer rests on: Grad-CAM, the evidence of each branch, occlusion, and the filters of the first layer.

explanation = explain(googlenet.load("bvlc.safetensors"), "dog.jpg", at="inception_4e")
explanation.attribution.evidence           # {"1x1": 7.1, "3x3": 8.4, ...}, in units of the logit
explanation.save("explanation")            # pictures, a page that shows them, and the numbers as JSON
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from googlenet.errors import InputError
from googlenet.evaluation.attribution import Attribution, attribute, find_module
from googlenet.evaluation.first_layer import first_filters
from googlenet.evaluation.occlusion import Occlusion, occlude
from googlenet.images.finding import display_name
from googlenet.images.reading import Image, images_of, read_crops
from googlenet.prediction.ensemble import Ensemble
from googlenet.prediction.model import Model
from googlenet.prediction.results import Prediction, rank
from googlenet.weights.classes import find_class

__all__ = ["Explanation", "explain", "explain_members"]

TOP = 5


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network's logit of one class rests on in one picture."""

    file: str
    """As in `Answer`."""
    network: str
    target: Prediction
    """The class that is explained."""
    predictions: tuple[Prediction, ...]
    """The five most probable classes."""
    logit: float
    at: str
    """The Inception module that was asked for."""
    attributions: Mapping[str, Attribution]
    """Grad-CAM and the evidence of the branches at every Inception module, from below to above."""
    occlusion: Occlusion
    filters: NDArray[np.float32]
    """Of the first convolution, [filters, height, width, 3], RGB (`first_layer`)."""
    crop: NDArray[np.uint8]
    """What the network saw, [height, width, 3], RGB."""

    @property
    def attribution(self) -> Attribution:
        """That at the module that was asked for."""
        return self.attributions[self.at]

    def to_json(self) -> dict[str, Any]:
        """Return the object of `explain --json`, as docs/json.md describes it."""
        at, covered = self.attribution, self.occlusion
        return {
            "file": self.file,
            "network": self.network,
            "class": asdict(self.target),
            "predictions": [asdict(prediction) for prediction in self.predictions],
            "logit": self.logit,
            "modules": [
                {"name": one.module, "exact": one.is_exact, "evidence": one.evidence, "rest": one.rest}
                for one in self.attributions.values()
            ],
            "at": self.at,
            "grad_cam": _rounded(at.grad_cam),
            "evidence": {branch: _rounded(places) for branch, places in at.maps.items()},
            "occlusion": {"square": list(covered.square), "lost": _rounded(covered.lost)}
            | {"probability": _rounded(covered.probability)},
        }


def explain(
    model: Model,
    image: Image,
    *,
    class_: str | int | None = None,
    at: str | None = None,
    done: Callable[[int], object] = lambda images: None,
) -> Explanation:
    """Return what the logit of a class rests on in one image.

    `class_` is a class's id, name, or place among the outputs (by default the most probable one), `at` the Inception
    module to look at (by default the last). Everything is computed for the central crop that the network sees in
    prediction; `done` is told, batch by batch, how many places of the occlusion were tried. Raises `InputError` for an
    unreadable image, an unknown class, what is no Inception module of the network, an answer that is not finite, or an
    ensemble.
    """
    if isinstance(model, Ensemble):
        raise InputError("an ensemble has no one network that could be explained; explain its members one by one")
    module = find_module(model.specification, at)
    index = None if class_ is None else find_class(model.classes, str(class_))
    file, crop = _only(image, model)
    probabilities = torch.softmax(model.predictor(crop[None]), dim=1)[0].numpy()
    if not np.isfinite(probabilities).all():
        told = f"the answer of {model.specification.name} is not finite, which its weights may not be either"
        raise InputError(f"{display_name(file)}: {told}; give other weights")
    predictions = rank(probabilities, model.classes, TOP)
    index = predictions[0].index if index is None else index
    one = model.classes[index]
    attributions = attribute(model.predictor, crop, index)
    return Explanation(
        file=file,
        network=model.specification.name,
        target=Prediction(index, one.id, one.name, float(probabilities[index])),
        predictions=predictions,
        logit=attributions[module].logit,
        at=module,
        attributions=attributions,
        occlusion=occlude(model.predictor, crop, index, done),
        filters=first_filters(model.network),
        crop=crop,
    )


def explain_members(
    model: Model,
    image: Image,
    *,
    class_: str | int | None = None,
    at: str | None = None,
    done: Callable[[int], object] = lambda images: None,
) -> list[Explanation]:
    """Return the explanation of a model, or those of an ensemble's members: of its answer, or of one of its classes."""
    if not isinstance(model, Ensemble):
        return [explain(model, image, class_=class_, at=at, done=done)]
    for member in model.members:
        find_module(member.specification, at)
    if class_ is None:
        (answer,) = model.predict(image)
        identifier = answer.best.id
    else:
        identifier = model.classes[find_class(model.classes, str(class_))].id
    return [explain(member, image, class_=identifier, at=at, done=done) for member in model.members]


def _only(image: Image, model: Model) -> tuple[str, NDArray[np.uint8]]:
    """Return the one image's name and crop."""
    images = list(images_of(image))
    if len(images) != 1:
        raise InputError(f"one image is explained at a time, found {len(images)}")
    ((file, crop),) = read_crops(images, model.specification.pixels, model.specification.input[1:], workers=1)
    if isinstance(crop, InputError):
        raise crop
    return file, crop


def _rounded(values: NDArray[np.floating]) -> list[list[float]]:
    """Return rows of numbers with the six digits that float32 has to say."""
    return [[float(f"{value:.6g}") for value in row] for row in values.tolist()]
