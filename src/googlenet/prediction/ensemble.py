"""Several networks that answer together (section 7): the mean of their probabilities, for the classes that all know."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import length_hint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import InputError, counted, whole
from googlenet.images.preprocessing import prepare
from googlenet.images.reading import Image, images_of, read_images
from googlenet.inference.predictor import BATCH
from googlenet.prediction.model import Images, Model
from googlenet.prediction.results import Answer, rank
from googlenet.weights.class_sets import common

__all__ = ["Ensemble"]


class Ensemble(Model):
    """Models that answer together; made by `load`. Each member prepares a picture in its own way; it is decoded once.

    `classes` are those that every member knows, in the first one's order. What belongs to one network (features,
    crops of one size) is the members' own: `members[0].features(...)`.
    """

    def __init__(self, members: Sequence[Model]) -> None:
        self.members = tuple(members)
        chosen = common([member.classes for member in members], members[0].classes)
        self.classes = tuple(members[0].classes[place] for place in chosen.places.tolist())
        self.provenance = {"members": [dict(member.provenance) for member in members]}
        self._outputs_of = chosen.outputs

    def predict(self, images: Images, *, top: int = 5, batch_size: int = BATCH) -> Iterator[Answer]:
        """Yield an answer for each image, as a model does."""
        return self._together(images_of(images), whole("top", top), whole("batch_size", batch_size))

    def __getattr__(self, name: str) -> Any:
        if name in ("network", "specification", "predictor"):
            raise InputError(f"an ensemble has no {name} of its own; ask one of its members")
        raise AttributeError(name)

    def __repr__(self) -> str:
        names = " + ".join(member.specification.name for member in self.members)
        return f"<Ensemble {names}: {counted(len(self.classes), 'classes')}>"

    def _together(self, images: Iterable[Image], top: int, size: int) -> Iterator[Answer]:
        for member in self.members:
            member.predictor.expect(length_hint(images))
        crops = read_images(images, self._prepare)
        while batch := list(islice(crops, size)):
            good = [found for _, found in batch if not isinstance(found, InputError)]
            probabilities = iter(self._probabilities(good)) if good else iter(())
            for name, found in batch:
                if isinstance(found, InputError):
                    yield Answer(name, error=str(found))
                else:
                    yield Answer(name, rank(next(probabilities), self.classes, top))

    def _prepare(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
        wanted = [(member.specification.pixels, member.specification.input[1:]) for member in self.members]
        made = {key: prepare(image, *key) for key in dict.fromkeys(wanted)}
        return tuple(made[key] for key in wanted)

    def _probabilities(self, crops: Sequence[tuple[NDArray[np.uint8], ...]]) -> NDArray[np.float32]:
        """Return the mean over the members, float32 [N, classes]."""
        found = []
        for number, (member, outputs) in enumerate(zip(self.members, self._outputs_of, strict=True)):
            logits = member.predictor(np.stack([of_members[number] for of_members in crops]))[:, outputs]
            found.append(logits.softmax(dim=1).numpy())
        return np.asarray(np.mean(found, axis=0, dtype=np.float64), np.float32)
