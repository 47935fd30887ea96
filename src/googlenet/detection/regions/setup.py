"""A run that learns what is in a box, put together and checked before the first step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from googlenet.data.batch import Batch
from googlenet.data.sampler import Plan, Planned
from googlenet.data.samples import Samples
from googlenet.detection.annotations import AnnotatedImages, Objects
from googlenet.detection.regions.background import BACKGROUND
from googlenet.detection.regions.dataset import RegionImages
from googlenet.detection.regions.findings import findings
from googlenet.detection.regions.judging import Found, RegionOutcome, detect, judge
from googlenet.detection.regions.recipe import RegionRecipe
from googlenet.detection.regions.sampler import WindowSampler
from googlenet.detection.regions.samples import DrawnWindows, FirstWindows
from googlenet.detection.regions.task import RegionTask, mask_of
from googlenet.detection.regions.windows import Windows
from googlenet.errors import InputError, shown
from googlenet.training.classification import fit_to_classes
from googlenet.training.execution import Execution
from googlenet.training.fused import TrainingNetwork
from googlenet.training.setup import (
    LEAST_FOR_STATISTICS,
    Answer,
    Findings,
    Score,
    Setup,
    Weights,
    check_fit,
    origin_of,
    read_weights,
)
from googlenet.weights.checkpoint import expect_classes

__all__ = ["RegionData", "RegionSetup", "check_data", "prepare"]


@dataclass(frozen=True)
class RegionData:
    """Pictures, and where they came from: a source as it is recorded, and what proposed the windows."""

    source: Any
    images: RegionImages


@dataclass(frozen=True)
class RegionSetup(Setup):
    """Pictures with windows, and a network with a classifier for them."""

    recipe: RegionRecipe
    data: RegionImages
    validation: RegionImages | None

    command: ClassVar[str] = "googlenet detector train"
    score: ClassVar[Score] = Score("mAP", "mAP")

    @property
    def counts(self) -> Mapping[str, int]:
        return {"classes": len(self.classes), "windows": len(self.data.all_windows)}

    def task(self, network: TrainingNetwork, execution: Execution, steps_per_epoch: int) -> RegionTask:
        recipe = self.recipe
        options = {"seed": recipe.seed, "steps_per_epoch": steps_per_epoch, "parts": recipe.accumulate}
        return RegionTask(network, execution, auxiliary_weight=recipe.auxiliary_weight, **options)

    def samples(self) -> DrawnWindows:
        recipe = self.recipe
        return DrawnWindows(self._size, recipe.seed, recipe.mirror, recipe.distortion or "none")

    def evaluation_samples(self) -> FirstWindows:
        return FirstWindows(self._size, self.recipe.validation_boxes)

    @property
    def evaluation_batch(self) -> int:
        return max(1, self.recipe.batch_size // self.recipe.validation_boxes)

    def statistics(self) -> tuple[Samples, Plan, int]:
        """Return windows as they are drawn for training: another share of background has other statistics."""
        sampler = self.sampler(0, 1)
        steps = -(-LEAST_FOR_STATISTICS // self.recipe.batch_size)
        plan = _First(sampler, min(steps, sampler.steps_per_epoch))
        return DrawnWindows(self._size, self.recipe.seed), plan, plan.steps_per_epoch * self.recipe.batch_size

    def pictures(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return batch["images"], mask_of(batch)

    def sampler(self, rank: int, world: int) -> WindowSampler:
        recipe = self.recipe
        return WindowSampler(self.data.all_windows, recipe.batch_size, recipe.seed, rank=rank, world=world)

    def validate(self, answer: Answer, batches: Iterable[Batch]) -> Found:
        assert self.validation is not None
        return detect(answer, batches, self.validation, self.recipe.batch_size)

    def judge(self, answers: Sequence[Found]) -> RegionOutcome:
        assert self.validation is not None
        return judge(answers, self.validation)

    def findings(self, outcome: Any | None, weights: str) -> Findings:
        return findings(outcome, weights, self.recipe.validation_boxes)

    @property
    def _size(self) -> tuple[int, int]:
        return self.network.specification.input[1:]


class _First:
    """The first batches of an epoch."""

    def __init__(self, sampler: WindowSampler, steps: int) -> None:
        self._sampler, self.steps_per_epoch = sampler, steps

    def batches(self, epoch: int = 0, step: int = 0, stop: int | None = 1) -> Iterator[Planned]:
        return (self._sampler.batch(epoch, number) for number in range(step, self.steps_per_epoch))


def check_data(images: AnnotatedImages, held_out: AnnotatedImages | None) -> None:
    """Raise `InputError` where a region classifier cannot be trained on `images`, or judged on those held out."""
    if BACKGROUND.id in (one.id for one in images.classes):
        raise InputError(f"a class of the data is called '{BACKGROUND.id}', which is what is in none; rename it")
    for what, part in (("training", images), ("validation", held_out)):
        if part is not None and not any(_counts(part.objects(index)) for index in range(len(part))):
            raise InputError(
                f"no object in {len(part):,} {what} images that is neither difficult nor a crowd; give annotated ones"
            )
    if held_out is not None and [one.id for one in held_out.classes] != [one.id for one in images.classes]:
        listed = shown(", ".join(one.id for one in held_out.classes))
        raise InputError(f"the validation images have other classes, {listed}; give data of the same ones")


def _counts(objects: Objects) -> bool:
    """Whether something is to be learnt from them, and whoever finds them is rewarded."""
    return not bool((objects.difficult | objects.crowd).all())


def prepare(
    data: RegionData,
    recipe: RegionRecipe,
    validation: RegionData | None,
    pretrained: Weights,
    sources: str = "windows",
) -> RegionSetup:
    """Check that everything fits together; raises `InputError` before any work is done.

    `sources` says what proposed the windows, to be recorded with them.
    """
    start = read_weights(pretrained)
    expect_classes(start, pretrained if not hasattr(pretrained, "classes") else "the pretrained weights")
    held_out = None if validation is None else validation.images
    check_data(data.images.annotated, held_out.annotated if held_out else None)
    classes = (*data.images.classes, BACKGROUND)
    start = replace(start, specification=recipe.specification(start.specification))
    heads = start.specification.auxiliary if recipe.auxiliary_weight else ()
    network, fresh = fit_to_classes(start, classes, heads, seed=recipe.seed)
    check_fit(recipe, network, held_out)
    sets = {
        "data": (data.source, data.images),
        "validation": None if validation is None else (validation.source, validation.images),
    }
    origin, identities = origin_of(sets, pretrained)
    origin["windows"] = {"source": sources, "sha256": _identity(data.images.all_windows, held_out)}
    setup = RegionSetup(recipe, data.images, held_out, classes, network, fresh, origin, identities)
    setup.sampler(0, 1)  # which refuses windows of one kind alone
    return setup


def _identity(windows: Windows, held_out: RegionImages | None) -> str:
    return windows.identity if held_out is None else f"{windows.identity} {held_out.all_windows.identity}"
