"""What a detector is made of: the pictures, the recipes, and what proposes boxes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import file_size
from googlenet.data.identity import Identity, identity
from googlenet.detection.annotations import AnnotatedImages, keys_of
from googlenet.detection.detector.settings import Choice, DetectorSettings, chosen, proposed_by
from googlenet.detection.multibox.recipe import MultiBoxRecipe
from googlenet.detection.proposals.cache import ProposalCache
from googlenet.detection.proposals.sources import Source, file_and_boxes, open_source
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.refinement.recipe import RefinementRecipe
from googlenet.files import recorded_name
from googlenet.weights.classes import Class

__all__ = ["MULTIBOX_RECIPE", "DetectorData", "DetectorWork", "StageName", "own_boxes"]

StageName = Literal["multibox", "proposals", "regions", "refinement", "detector", "evaluation"]

MULTIBOX_RECIPE = MultiBoxRecipe(evaluate_every=30)
"""Judged at its end alone: the squares of all validation pictures take longer than an epoch of some hundred others."""

MULTIBOX_WEIGHTS = "multibox/final.safetensors"
"""The weights of the MultiBox that a run trains itself, in its folder."""

SHARED = ("skip_bad_images", "workers", "device", "precision")
"""Options of the region classifier's training that the MultiBox's follows, unless it has its own."""


@dataclass(frozen=True)
class DetectorData:
    """Annotated pictures, and what they are called in records and reports."""

    source: str
    images: AnnotatedImages

    @cached_property
    def identity(self) -> Identity:
        """Which pictures and objects these are."""
        return identity(_Listed(self.images))

    def to_json(self) -> dict[str, Any]:
        """Return what a record says of them."""
        found = self.identity
        return {"source": recorded_name(self.source), "images": found.images, "sha256": found.sha256}


@dataclass(frozen=True)
class DetectorWork:
    """What all stages of a detector's training know."""

    folder: Path
    data: DetectorData
    validation: DetectorData | None
    recipe: RegionRecipe
    multibox: MultiBoxRecipe
    pretrained: str | os.PathLike[str]
    texts: tuple[str, ...]
    """The sources, as `--source` has them; `multibox` without a file is the one that this run trains"""
    refinement: RefinementRecipe = RefinementRecipe()  # noqa: RUF009  frozen
    choice: Choice = Choice()  # noqa: RUF009  frozen
    """which proposals the finished detector classifies, and which of them are detections"""
    kept: Path | None = None
    """the folder of what was proposed once; None: in the run's"""

    @property
    def parts(self) -> Mapping[str, DetectorData]:
        """The data by their names."""
        return {"train": self.data} | ({} if self.validation is None else {"validation": self.validation})

    @property
    def own_boxes(self) -> int | None:
        """How many boxes are asked of the MultiBox that this run trains; None where it trains none."""
        return next(filter(None, map(own_boxes, self.texts)), None)

    @property
    def multibox_recipe(self) -> MultiBoxRecipe:
        """The MultiBox's, which computes as the region classifier's says where it says nothing of its own."""
        plain = MultiBoxRecipe()
        unsaid = [name for name in SHARED if getattr(self.multibox, name) == getattr(plain, name)]
        return replace(self.multibox, **{name: getattr(self.recipe, name) for name in unsaid})

    @cached_property
    def cache(self) -> ProposalCache:
        """Where what was proposed once is kept."""
        return ProposalCache(self.kept or self.folder / "proposals")

    @cached_property
    def given_sources(self) -> tuple[Source, ...]:
        """Those that are there before the run; `InputError` where one is none."""
        return tuple(open_source(text) for text in self.texts if own_boxes(text) is None)

    def sources_to_json(self) -> dict[str, Any]:
        """Return what proposals depend on beside the pictures and the MultiBox of the run."""
        own = [boxes for boxes in map(own_boxes, self.texts) if boxes]
        return {"given": [source.key for source in self.given_sources], "own": own}

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """All of them, which are there once the run's MultiBox is trained."""
        own = self.folder / MULTIBOX_WEIGHTS
        placed = (f"multibox:{own},boxes={own_boxes(text)}" if own_boxes(text) else text for text in self.texts)
        return tuple(open_source(text) for text in placed)

    @cached_property
    def settings(self) -> DetectorSettings:
        """What the finished detector does beside its networks."""
        plain = DetectorSettings(tuple(proposed_by(source, self.folder) for source in self.sources))
        return chosen(plain, self.choice, self.folder / "detector.safetensors")


def own_boxes(text: str) -> int | None:
    """How many boxes are asked of the MultiBox that a run trains, where the text of a source means it."""
    kind, _, rest = text.partition(":")
    if kind != "multibox":
        return None
    path, boxes = file_and_boxes(text, f",{rest}" if rest.startswith("boxes=") else rest)
    return None if path else boxes


class _Listed:
    """Annotated pictures as the data set whose identity is asked for: by file, size and objects."""

    def __init__(self, images: AnnotatedImages) -> None:
        self._images = images
        self.classes: tuple[Class, ...] = tuple(images.classes)
        self.labels: NDArray[np.int32] = np.zeros(len(images), np.int32)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> bytes:
        return self._images.read(index)

    def name(self, index: int) -> str:
        return self._images.name(index)

    def keys(self) -> Iterable[str]:
        found = (self._images.objects(index) for index in range(len(self)))
        return keys_of(
            self._images,
            (
                [one.boxes.tolist(), one.labels.tolist(), one.difficult.tolist(), one.crowd.tolist()]
                + ([sorted(one.excluded)] if one.excluded else [])
                for one in found
            ),
        )

    def sizes(self) -> NDArray[np.int64]:
        return np.array([file_size(self.name(index)) for index in range(len(self))], np.int64)
