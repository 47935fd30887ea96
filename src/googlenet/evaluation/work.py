"""The work of an evaluation, image by image, and what is gathered from its records in the end."""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import BrokenOff, InputError
from googlenet.evaluation.adaptive import answered_when_sure
from googlenet.evaluation.journal import DONE, UNREADABLE, Journal, record_type
from googlenet.evaluation.models import Judged
from googlenet.evaluation.pipeline import Seen, Views, computed, read_views
from googlenet.evaluation.protocol import Protocol
from googlenet.evaluation.questions import Questions
from googlenet.evaluation.results import Evaluation, Row
from googlenet.evaluation.rows import Answered, RowPlan, answered
from googlenet.evaluation.scoring import score
from googlenet.evaluation.validation import Outcome
from googlenet.evaluation.view_logits import Contents, StoredModel, ViewLogits
from googlenet.files import recorded_name
from googlenet.processes import ranks
from googlenet.records import encode
from googlenet.reporting.console import scaled
from googlenet.reporting.progress import Progress
from googlenet.versions import hardware, versions

__all__ = ["Work"]

log = logging.getLogger("googlenet")

SHARE = 64
"""Images in a row that one of several processes takes."""

_LOOK = 1.0
"""Seconds between two looks at what the other processes have done."""


@dataclass(frozen=True)
class Work:
    """What is to be done, and how its parts belong together."""

    models: Sequence[Judged]
    protocols: tuple[Protocol, ...]
    plans: Sequence[RowPlan]
    questions: Questions
    computing: Mapping[str, Any]
    """How the models compute, as `load` takes it."""
    data: str
    """How many images there are, and the hash of their listing."""
    risk: float | None = None
    """Views are added until the answer is sure but for this risk; None: all are."""
    rounding: "Rounding" = field(default_factory=lambda: Rounding())

    @property
    def _how(self) -> str:
        return f"{self.computing['precision']}, engine {self.computing['engine']}"

    @property
    def kind(self) -> np.dtype[np.void]:
        return record_type(len(self.models), len(self.plans))

    def plan(self, logits_as: str) -> dict[str, Any]:
        """Say what the records mean, for `Journal`."""
        return {
            "weights": [f"{one.name} {one.sha256[:12]}" for one in self.models],
            "data": self.data,
            "right answers": hashlib.sha256(repr(list(self.questions.truths)).encode()).hexdigest()[:16],
            "crops": [encode(protocol) for protocol in self.protocols],
            "rows": [
                [list(plan.system.models), plan.protocol.name, plan.combination, len(plan.class_set.places)]
                for plan in self.plans
            ],
            "computing": self._how,
            "logits": logits_as,
            "until sure": self.risk,
        }

    def open_logits(self, folder: Path, number: str) -> ViewLogits:
        if number not in ("float32", "float16"):
            raise InputError(f"logits are kept as float32 or float16, not {number}")
        stored = tuple(StoredModel(one.name, one.sha256, len(one.model.classes)) for one in self.models)
        count = len(self.questions.dataset)
        wanted = Contents(self.data, count, number, self._how, self.protocols, stored)
        if not folder.exists():
            log.info("%s: the logits take up to %s", folder, scaled(wanted.bytes, "B"))
        return ViewLogits(folder, self.models, self.protocols, wanted)

    def do(self, journal: Journal, stored: ViewLogits | None) -> None:
        """Do this process's share of what is left, then wait for the others where this is the first.

        The first tries what could not be read before once more, whosever share it is. Raises `BrokenOff` where it
        cannot go on.
        """
        rank, size = ranks()
        everything = self.questions.images
        states = journal.states()
        is_left = states == 0
        if stored:
            is_left |= (states == DONE) & ~stored.done()
        left = everything[is_left[everything]]
        mine = left[left // SHARE % size == rank]
        if rank == 0:
            failed = everything[states[everything] == UNREADABLE]
            mine = np.union1d(mine, failed)
            if done := len(everything) - len(left) - len(failed):
                log.info("%d of %d images are done already", done, len(everything))
        try:
            with Progress("evaluating", total=len(mine)) as progress:
                for index, found in self._answered(mine, stored):
                    if isinstance(found, InputError):
                        journal.fail(index, str(found))
                        with progress.aside():
                            log.warning("%s", found)
                    else:
                        journal.write(index, self._record(index, found))
                    progress.update()
        except InputError as error:
            raise BrokenOff(str(error)) from error
        if rank == 0 and size > 1:
            _wait(journal, everything)

    def _answered(
        self, images: NDArray[np.int64], stored: ViewLogits | None
    ) -> Iterator[tuple[int, Answered | InputError]]:
        if self.risk is not None:
            prepared = read_views(self.questions.dataset, images.tolist(), self.models, self.protocols)
            self._expect(len(images))
            yield from answered_when_sure(prepared, self.models, self.plans, self.risk)
            return
        for index, seen in self._seen(images, stored):
            yield index, answered(self.plans, seen) if isinstance(seen, Seen) else seen
        self.rounding.tell()

    def _seen(self, images: NDArray[np.int64], stored: ViewLogits | None) -> Iterator[tuple[int, Seen | InputError]]:
        """Yield what the models make of all views of each image: as it was kept, or computed now."""
        kept = stored.done()[images] if stored else np.zeros(len(images), bool)
        missing = images[~kept].tolist()
        if stored:
            for index in images[kept].tolist():
                if found := stored.read(index):
                    yield index, found
                else:
                    missing.append(index)
            if damaged := len(missing) - int((~kept).sum()):
                told = "%s: the logits of %d of %d images are damaged, and computed anew"
                log.warning(told, stored.folder, damaged, kept.sum())
        if not missing:
            return
        self._expect(len(missing))
        prepared = read_views(self.questions.dataset, missing, self.models, self.protocols)
        if stored:
            prepared = _that_may_be_kept(prepared, stored)
        for index, seen in computed(prepared, self.models):
            yield index, self._kept(index, seen, stored) if stored and isinstance(seen, Seen) else seen

    def _kept(self, index: int, seen: Seen, stored: ViewLogits) -> Seen:
        kept = stored.write(index, seen)
        if stored.contents.number != "float32":
            self.rounding.add(answered(self.plans, seen), answered(self.plans, kept))
        return kept

    def _expect(self, images: int) -> None:
        for one in self.models:
            one.model.predictor.expect(images * sum(protocol.views for protocol in self.protocols))

    def _record(self, index: int, found: Answered) -> NDArray[np.void]:
        record = np.zeros((), self.kind)
        record["state"] = DONE
        record["seconds"], record["views"], record["preparing"] = found.seconds, found.views, found.preparing
        for place, plan in enumerate(self.plans):
            row = record["rows"][place]
            row["score"] = score(found.probabilities[place], plan.class_set.places, self.questions.truths[index])
            row["views"], row["same"] = found.needed[place], found.same[place]
        return record

    def evaluation(self, journal: Journal, source: str) -> Evaluation:
        """Gather the table from the records."""
        images = self.questions.images
        records = journal.records()[images]
        done = records["state"] == DONE
        reasons = journal.reasons()
        dataset = self.questions.dataset
        unreadable = tuple((dataset.name(int(index)), reasons.get(int(index), "")) for index in images[~done])
        rows = tuple(self._row(plan, images[done], records[done], place) for place, plan in enumerate(self.plans))
        return Evaluation(
            source,
            self.questions.classes,
            dataset,
            rows,
            unreadable=unreadable,
            lacking=self.questions.lacking,
            settings=self._settings(),
        )

    def _row(self, plan: RowPlan, images: NDArray[np.int64], records: NDArray[np.void], place: int) -> Row:
        found = records["rows"][:, place]
        scores = found["score"]
        labels = np.array([self.questions.truths[index][0] for index in images.tolist()], np.int64)
        outcome = Outcome(
            len(plan.class_set.places),
            images,
            labels,
            scores["first"].astype(np.int64),
            scores["probabilities"],
            scores["rank"].astype(np.int64),
            scores["loss"],
            scores["brier"],
        )
        costs = np.array([one.multiply_adds for one in self.models])
        taken = found["views"].astype(np.float64)  # [images, models]; 0 of models that are not in the row
        share = taken / np.maximum(records["views"], 1)
        seconds = (share * records["seconds"]).sum(axis=1) + records["preparing"] * share.max(axis=1, initial=0)
        checked = found["same"] >= 0
        return Row(
            tuple(self.models[model].name for model in plan.system.models),
            plan.protocol.name,
            plan.combination,
            outcome,
            sum(int(costs[model]) for model in plan.system.models) * plan.protocol.views,
            float((taken @ costs).mean()) if len(images) else 0.0,
            float(seconds.mean()) if len(images) else 0.0,
            int(checked.sum()),
            int((found["same"][checked] == 0).sum()),
        )

    def _settings(self) -> dict[str, str]:
        weights = {f"weights {one.name}": f"{recorded_name(one.path)}, SHA-256 {one.sha256}" for one in self.models}
        engines = {one.model.predictor.engine for one in self.models} - {""}
        chosen = {"engine": f"{self.computing['engine']}" + (f" ({', '.join(sorted(engines))})" if engines else "")}
        told = {name: str(self.computing[name]) for name in ("device", "precision")}
        return weights | told | chosen | {"machine": hardware()} | versions()


def _that_may_be_kept(
    prepared: Iterable[tuple[int, Views | InputError]], stored: ViewLogits
) -> Iterator[tuple[int, Views | InputError]]:
    """Refuse to go on with the first image of which more would be kept than is computed here."""
    for index, views in prepared:
        if isinstance(views, Views):
            stored.refuse_more()
        yield index, views


def _wait(journal: Journal, images: NDArray[np.int64]) -> None:
    """Wait until the other processes have done their shares; whoever started them sees to it that they live."""
    done = int((journal.states()[images] != 0).sum())
    with Progress("waiting for the other processes", total=len(images), start=done) as progress:
        while done < len(images):
            time.sleep(_LOOK)
            before, done = done, int((journal.states()[images] != 0).sum())
            progress.update(done - before)


class Rounding:
    """What it changes that logits are kept in fewer bits."""

    def __init__(self) -> None:
        self.answers, self.changed, self.largest = 0, 0, 0.0

    def add(self, exact: Answered, rounded: Answered) -> None:
        """Compare what the rows answer to an image."""
        for ours, theirs in zip(exact.probabilities, rounded.probabilities, strict=True):
            self.answers += 1
            self.changed += int(ours.argmax() != theirs.argmax())
            self.largest = max(self.largest, float(np.abs(ours - theirs).max()))

    def tell(self) -> None:
        """Say it, once there was something to compare."""
        if self.answers:
            log.info(
                "float16: %d of %d answers have another best class than in float32; probabilities differ by up to %.5f",
                *(self.changed, self.answers, self.largest),
            )
