"""One run from the first step, or from where it stopped, to the last: logging, evaluating, saving around the loop."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from googlenet.data.batch import Batch
from googlenet.data.dataset import Dataset
from googlenet.data.loader import Loader
from googlenet.data.pool import WorkerPool, default_workers
from googlenet.data.samples import Samples
from googlenet.errors import InputError
from googlenet.files import write_json
from googlenet.inference.device import find_device
from googlenet.records import decode
from googlenet.reporting.console import percent, say
from googlenet.reporting.progress import Progress
from googlenet.training.averaging import Average
from googlenet.training.bad_images import BadImages
from googlenet.training.checkpoints import Checkpoints, State, load
from googlenet.training.early_stopping import EarlyStopping
from googlenet.training.exchange import Exchange
from googlenet.training.execution import Execution, continued, find_execution
from googlenet.training.folder import RunFolder
from googlenet.training.interruption import Interrupted, Interruption
from googlenet.training.log import RunLog
from googlenet.training.loop_recipe import to_json
from googlenet.training.monitoring import Monitor
from googlenet.training.report import write_report
from googlenet.training.setup import Outcome, Setup
from googlenet.training.step import Step, Wish
from googlenet.training.trainer import Diverged, steps
from googlenet.training.validation import Validation
from googlenet.training.work import Work
from googlenet.weights import checkpoint
from googlenet.weights.checkpoint import Checkpoint

__all__ = ["Session"]


class Session:
    """The moving parts of a run, as a context manager that ends worker processes and closes files.

    Each process of a run has one. They go through the same methods; what the folder needs is rank 0's alone.
    """

    def __init__(self, folder: RunFolder, setup: Setup, exchange: Exchange) -> None:
        self.folder, self.setup, self.recipe, self.exchange = folder, setup, setup.recipe, exchange
        self._closing = ExitStack()
        self._interruption = Interruption()
        workers = default_workers() if self.recipe.workers is None else self.recipe.workers
        self._pool = self._closing.enter_context(WorkerPool(workers if exchange.loads else 0))
        self.sampler = setup.sampler(*exchange.share)
        assert self.recipe.epochs is not None
        self.epochs, self.steps_per_epoch = self.recipe.epochs, self.sampler.steps_per_epoch
        self.total_steps = self.epochs * self.steps_per_epoch
        state: State | None = exchange.lead(lambda: load(folder.path))
        if state and state.step > self.total_steps:
            done = -(-state.step // self.steps_per_epoch)
            raise InputError(
                f"epochs {self.epochs}: {folder.path} has begun epoch {done}; give no fewer, or another folder"
            )
        self.execution: Execution = exchange.lead(lambda: self._execution(state))
        self.network = self.execution.place(setup.network).eval()
        elsewhere = exchange.take_part(self.network, self.execution, self.recipe)
        if elsewhere:  # frozen rows at the beginning may be those of two stages
            self.execution = replace(self.execution, front="")
        self.training_network = self.execution.fuse(self.network, frozen=(*self.recipe.freeze, *elsewhere))
        exchange.join(self.training_network)
        self.optimizer = setup.optimizer(self.network)
        self.average = Average(
            self.network,
            self.recipe.averaging or "none",
            begin=int(self.recipe.burn_in * self.total_steps),
            decay=self.recipe.average_decay,
        )
        self.validation = Validation(self.training_network, self.average, self.execution, setup, exchange, self._loader)
        self.early_stopping = EarlyStopping(self.recipe.patience)
        self.checkpoints = Checkpoints(
            folder.path, self.network, self.optimizer, self.average, exchange, self.recipe.save_minutes
        )
        self.outcomes: dict[str, Outcome] = {}
        self.step, self.evaluated = 0, 0
        self._begun = time.monotonic()
        if state:
            self.step, self.evaluated = state.step, state.counters["evaluated"]
            self._begun -= state.counters["seconds"]
            self.early_stopping.restore(state.counters)
            self.checkpoints.restore(state)
            if moved := self.average.moved(self.step):
                others = f"as burn_in {self.recipe.burn_in} was of other epochs"
                self._say(f"{moved[0]}, {others}; in a run of {self.epochs} epochs at once it would {moved[1]}")
        self._monitor: Monitor | None = None
        self.bad_images: dict[str, str] = {}
        """Those of this process that rank 0, which keeps them in the folder, has not heard of."""
        if self._leads:
            length = state.counters["bad_images_bytes"] if state else 0
            self.all_bad_images = self._closing.enter_context(closing(BadImages(folder.bad_images, length)))
            length = state.metrics_bytes if state else 0
            self.log = self._closing.enter_context(closing(RunLog(folder, self.recipe, length, self.step)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def run(self) -> Mapping[str, Any]:
        """Train what is left of the run, finish it and return its summary."""
        if not self.exchange.lead(lambda: self.folder.is_claimed):
            self.exchange.lead(self.folder.claim)
        self.exchange.keep_log(self.folder.path)
        if self.step:
            self._say(f"going on after step {self.step:,} of {self.total_steps:,}")
        with self._interruption, self.execution.computing():
            if self._is_due():
                self._end_epoch()
            if not self._is_over():
                self._train()
            self.checkpoints.assemble()
            weights, tensors = self._final()
            self._gather_bad_images()
            return self.exchange.lead(lambda: self._finish(weights, tensors))

    # The run.

    def _train(self) -> None:
        if self._leads:
            together = len(next(self.setup.sampler(0, 1).batches()).draws)
            self._monitor = Monitor(self.recipe, together, len(self.setup.classes), self.total_steps, self.step)
        with self._monitor or nullcontext(), closing(self._steps()) as taken:
            for step in taken:
                self.step = step.number
                if self._monitor:
                    self.log.take(step)
                    self._monitor.take(step)
                is_end = step.number % self.steps_per_epoch == 0
                if is_end or step.agreed:
                    self._save()
                if is_end:
                    self._end_epoch()
                if self._is_over():
                    return
                if Wish.STOP in step.agreed:
                    raise self._interrupted()

    def _steps(self) -> Generator[Step, None, None]:
        """Yield the steps that are left; where one diverges, save what was before it and say where."""

        def here() -> Iterator[Step]:
            epoch, within = divmod(self.step, self.steps_per_epoch)
            loader = self._loader(self.setup.data, self.setup.samples(), self.sampler)
            task, batches = self.exchange.divide(
                self.setup.task(self.training_network, self.execution, self.steps_per_epoch),
                self._noting_bad(loader.batches(epoch, within, self.epochs)),
            )
            return steps(
                task,
                self.optimizer,
                self.average,
                batches,
                self.recipe,
                self.exchange,
                start=self.step,
                steps_per_epoch=self.steps_per_epoch,
                name=self.setup.data.name,
                wish=self._wish,
            )

        try:
            yield from self.exchange.take_steps(self._work(), here)
        except Diverged as error:
            cures = "what usually cures it, in another folder: a lower --rate, --warm-up 1 or --clip 1"
            raise Diverged(f"{error}; {self.exchange.lead(self._keep_last_good)}; {cures}") from None

    def _work(self) -> Work:
        parts = (self.setup, self.execution, self.network, self.optimizer, self.average)
        return Work(*parts, self.step, self.steps_per_epoch, self.total_steps, self._wish, self._note_bad)

    def _keep_last_good(self) -> str:
        """Make a checkpoint for all commands of the last one of the run; what this process holds may be spoilt."""
        state = load(self.folder.path)
        if state is None:
            return "nothing was saved before it"
        self.step = state.step
        self._write_weights(self.folder.last_good, "raw", state.part("network"))
        return f"the last good checkpoint, of step {state.step}, is {self.folder.last_good}"

    def _wish(self) -> Wish:
        """What this process would have after the step at hand."""
        wish = Wish.SAVE if self._leads and self.checkpoints.are_due else Wish.NOTHING
        return wish | Wish.STOP if self._interruption.wanted else wish

    def _noting_bad(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self._note_bad(dict(batch.bad))
            yield batch

    def _note_bad(self, bad: Mapping[str, str]) -> None:
        self.bad_images |= bad

    def _is_over(self) -> bool:
        return self.step >= self.total_steps or self.early_stopping.wanted

    def _interrupted(self) -> Interrupted:
        return Interrupted(f"stopped after step {self.step:,} of {self.total_steps:,}, saved in {self.folder.path}")

    # Saving.

    def _execution(self, state: State | None) -> Execution:
        """Compute as the run did before, as far as this machine can, or else as it suits this machine."""
        left = self.total_steps - (state.step if state else 0)
        sizes: dict[str, Any] = {"batch_size": self.recipe.batch_size, "images": left * self.recipe.batch_size}
        sizes["frozen"] = self.recipe.freeze
        network, precision = self.setup.network, self.recipe.precision
        if state is None:
            device = find_device(self.recipe.device)
            execution, why = find_execution(network, device=device, precision=precision, **sizes)
            together = f", in {self.exchange.size} processes" if self.exchange.size > 1 else ""
            say(f"computing on {execution}{together}{f' ({why})' if why else ''}")
            return execution
        before = decode(Execution, state.counters["execution"], f"{self.folder.path}: execution")
        execution, why = continued(before, network, device=self.recipe.device, precision=precision, **sizes)
        if execution != before:
            say(
                f"computed on {before} so far; from here on ({why}) on {execution}: "
                "results differ from those of the run that stayed by rounding"
            )
        return execution

    def _save(self) -> None:
        self._gather_bad_images()
        counters = {
            "seconds": self._seconds(),
            "evaluated": self.evaluated,
            **self.early_stopping.counters(),
            "bad_images_bytes": self.all_bad_images.settle() if self._leads else 0,
            "execution": asdict(self.execution),
        }
        self.checkpoints.save(self.step, self.log.settle() if self._leads else 0, counters)
        if self._leads:
            self.folder.claim()

    def _gather_bad_images(self) -> None:
        """Let rank 0 note what all have found."""
        for found in self.exchange.all_gather(self.bad_images):
            if self._leads:
                self.all_bad_images.take(found.items())
        self.bad_images = {}

    def _weights(self, which: str) -> dict[str, Tensor]:
        """Return a copy of the `raw` or `averaged` weights; of none where this process does not hold them all."""
        if self.exchange.evaluation_share is None:
            return {}
        with self.validation.averaged() if which == "averaged" else nullcontext():
            return {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}

    def _write_weights(
        self, path: Path, which: str, tensors: Mapping[str, Tensor], metrics: Mapping[str, Any] | None = None
    ) -> None:
        """Write a checkpoint that all commands read."""
        provenance = {
            "source": self.setup.command,
            "date": checkpoint.today(),
            "weights": which,
            "step": self.step,
            "metrics": dict(metrics or {}),
            "recipe": to_json(self.recipe),
            **self.setup.origin,
            **self.exchange.described(),
        }
        checkpoint.save(path, Checkpoint(self.network.specification, self.setup.classes, tensors, provenance))

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    # Evaluation.

    def _end_epoch(self) -> None:
        """Evaluate where that is due, and say how the epoch went."""
        told = self._evaluate() if self._is_due() else ""
        pace = self._monitor.pace() if self._monitor else "evaluated now"
        self._say(f"epoch {self.step // self.steps_per_epoch}/{self.epochs}: {told}{pace}")

    def _is_due(self) -> bool:
        """Whether this is a time to evaluate, and it was not done before the run stopped."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        return (
            self.setup.validation is not None
            and self.step > self.evaluated
            and not within
            and (epoch % self.recipe.evaluate_every == 0 or self.step == self.total_steps)
        )

    def _evaluate(self) -> str:
        """Evaluate, and save what came of it."""
        self.checkpoints.assemble()
        self.outcomes = self._validated()
        self.exchange.lead(self._log_outcomes)
        self.evaluated = self.step
        figures: dict[str, dict[str, Any]] = {name: dict(one.figures()) for name, one in self.outcomes.items()}
        weights, last = list(figures.items())[-1]
        score = self.setup.score
        is_best = self.early_stopping.take(last[score.name])
        if is_best and self.recipe.patience:
            tensors = self._weights(weights)
            self.exchange.lead(lambda: self._write_weights(self.folder.best, weights, tensors, last))
        self._save()
        told = " and ".join(f"{percent(found[score.name])} {weights}" for weights, found in figures.items())
        return f"{score.words} {told} on {last['images']:,} validation images; "

    def _log_outcomes(self) -> None:
        for weights, outcome in self.outcomes.items():
            self.log.evaluation(self.step, self.step // self.steps_per_epoch, weights, outcome)

    def _validated(self) -> dict[str, Outcome]:
        """Evaluate with all processes and show how far it has come; an interruption ends it, since all was saved."""
        aside = self._monitor.progress.aside() if self._monitor else nullcontext()
        total = self.validation.images
        with aside, Progress("evaluating", total, threshold=total + 1) as progress:  # seen where it takes its time

            def watched(batches: Iterator[Batch]) -> Iterator[Batch]:
                for batch in self._noting_bad(batches):
                    if self._interruption.wanted:
                        raise self._interrupted()
                    yield batch
                    progress.update(len(batch) + len(batch.bad))

            return self.validation.evaluate(watched)

    # The end.

    def _final(self) -> tuple[str, dict[str, Tensor]]:
        """Return which the final weights are, and themselves, evaluated where there are validation images."""
        if best := self.exchange.lead(self._best):
            return self._evaluated_again(best)
        weights = "averaged" if self.average.ready else "raw"
        tensors = self._weights(weights)
        if not self.outcomes and self.setup.validation is not None:
            self.outcomes = self._validated()
        return weights, tensors

    def _finish(self, weights: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Any]:
        """Write the final weights, the report and, last, the summary that marks the run as finished."""
        self.folder.claim()
        figures = {name: dict(outcome.figures()) for name, outcome in self.outcomes.items()}
        self._write_weights(self.folder.final, weights, tensors, figures.get(weights))
        summary = {
            "network": self.network.specification.name,
            **self.setup.counts,
            "images": len(self.setup.data),
            "epochs": self.step // self.steps_per_epoch,
            "steps": self.step,
            "seconds": round(self._seconds(), 3),
            "weights": weights,
            "evaluation": figures,
            "execution": str(self.execution),
            "bad_images": self.all_bad_images.reasons,
        }
        if exchange := dict(self.exchange.summary()):
            summary["exchange"] = exchange
        write_report(self.folder, self.setup, summary, self.outcomes.get(weights))
        write_json(self.folder.summary, summary)
        self.all_bad_images.tell()
        return summary

    def _best(self) -> tuple[str, dict[str, Tensor]] | None:
        """Return which the best weights of a run with patience are, and themselves."""
        if not self.recipe.patience or not self.folder.best.exists():
            return None
        best = checkpoint.read(self.folder.best)
        return str(best.provenance["weights"]), dict(best.weights)

    def _evaluated_again(self, best: tuple[str, dict[str, Tensor]]) -> tuple[str, dict[str, Tensor]]:
        weights, tensors = best
        if self.exchange.evaluation_share is not None:
            self.network.load_state_dict(tensors)
        self.average.count = 0
        self.outcomes = {weights: self._validated()["raw"]}
        return weights, tensors

    # Helpers.

    @property
    def _leads(self) -> bool:
        return self.exchange.rank == 0

    def _say(self, message: str) -> None:
        if self._leads:
            say(message)

    def _loader(self, data: Dataset, samples: Samples, plan: Any) -> Loader:
        return Loader(data, samples, plan, self._pool, skip_bad_images=self.recipe.skip_bad_images)
