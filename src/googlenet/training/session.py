"""One run from the first step, or from where it stopped, to the last: logging, evaluating, saving around the loop."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from googlenet.data.dataset import Dataset, Subset
from googlenet.data.loader import Loader, default_workers
from googlenet.data.sampler import InOrder, Sampler
from googlenet.data.samples import EvaluationSamples, Samples, TrainingSamples
from googlenet.images.crops import SCHEMES
from googlenet.network import checkpoint as checkpoints
from googlenet.network.checkpoint import Checkpoint
from googlenet.randomness import generator
from googlenet.reporting.console import percent, say
from googlenet.reporting.progress import Progress
from googlenet.training.averaging import Average, recompute_batch_statistics
from googlenet.training.folder import RunFolder
from googlenet.training.form import Form, find_device
from googlenet.training.interruption import Interrupted, Interruption
from googlenet.training.loop import Exchange, Step, steps
from googlenet.training.material import Material
from googlenet.training.optimizer import SGD, rate_factors
from googlenet.training.recipe import to_json
from googlenet.training.state import MetricsLog, State, load, save
from googlenet.training.validation import Outcome, validate
from googlenet.training.watching import Smoothed

__all__ = ["Session"]


class Session:
    """The moving parts of a run, as a context manager that ends worker processes and closes files."""

    def __init__(self, folder: RunFolder, material: Material, exchange: Exchange | None = None) -> None:
        self.folder, self.material, self.recipe = folder, material, material.recipe
        self._exchange = exchange
        self._closing = ExitStack()
        state = load(folder.path)
        self.counters: dict[str, Any] = {"seconds": 0.0, "average_updates": 0, "evaluated": 0, "best": None, "bad": {}}
        self.counters |= state.counters if state else {}
        self.form = Form(find_device(self.recipe.device))
        self.network = self.form.place(material.network)
        self.sampler = Sampler(
            material.data.labels, self.recipe.batch_size, self.recipe.seed, balance=self.recipe.balance
        )
        assert self.recipe.epochs is not None
        self.epochs, self.steps_per_epoch = self.recipe.epochs, self.sampler.steps_per_epoch
        self.total_steps = self.epochs * self.steps_per_epoch
        self._prepare_optimizer()
        self.step = 0
        if state:
            self._restore(state)
        self.log = MetricsLog(folder.metrics, state.metrics_bytes if state else 0)
        self._closing.callback(self.log.close)
        self._begun = self._saved = time.monotonic()
        self.outcomes: dict[str, Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def run(self) -> Mapping[str, Any]:
        """Train what is left of the run, finish it and return its summary."""
        if self.step:
            say(f"going on after step {self.step:,} of {self.total_steps:,}")
        with Interruption() as interruption, self._own_random_numbers():
            self._evaluate_if_due(interruption)
            if not self._is_over():
                self._train(interruption)
        return self._finish()

    def _train(self, interruption: Interruption) -> None:
        samples = TrainingSamples(
            self._size,
            self.recipe.seed,
            replace(SCHEMES[self.recipe.sampling], mirror=self.recipe.mirror and SCHEMES[self.recipe.sampling].mirror),
            self.recipe.distortion or "none",
        )
        epoch, within = divmod(self.step, self.steps_per_epoch)
        self.network.train()
        loader = self._loader(self.material.data, samples, self.sampler)
        smoothed = Smoothed(len(self.material.classes), self.total_steps)
        batch_size = self.recipe.batch_size
        with Progress("training", self.total_steps * batch_size, start=self.step * batch_size) as progress:
            taken = steps(
                self.network,
                lambda images: self.form.train(self.network, images),
                self.optimizer,
                self.average,
                loader.batches(epoch, within, self.epochs),
                self.recipe,
                start=self.step,
                steps_per_epoch=self.steps_per_epoch,
                name=self.material.data.name,
                exchange=self._exchange,
            )
            for step in taken:
                self.step = step.number
                self._note(step)
                smoothed.take(step)
                progress.update(batch_size, **smoothed.shown(self.epochs))
                self.counters["bad"] |= loader.bad_images
                if step.number % self.steps_per_epoch == 0:
                    self._evaluate_if_due(interruption)
                    self._save()
                elif interruption.wanted or time.monotonic() - self._saved >= 60 * self.recipe.save_minutes:
                    self._save()
                if interruption.wanted:
                    raise Interrupted(
                        f"stopped after step {self.step:,} of {self.total_steps:,}, saved in {self.folder.path}"
                    )
                if self._is_over():
                    return

    # What is remembered.

    def _prepare_optimizer(self) -> None:
        recipe, network = self.recipe, self.network
        parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
        self.optimizer = SGD(
            parameters,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            factors=rate_factors(parameters, self.material.fresh, recipe.classifier_rate or 1.0),
            decayed=[name for name in parameters if name.endswith(".weight") and ".batch_norm." not in name],
        )
        self.average = Average(
            network,
            recipe.averaging or "none",
            begin=int(recipe.burn_in * self.total_steps),
            decay=recipe.average_decay,
        )

    def _restore(self, state: State) -> None:
        self.step = state.step
        self.network.load_state_dict(state.part("network"))
        self.optimizer.load_velocity(state.part("velocity"))
        self.average.load(state.part("average"), self.counters["average_updates"])

    def _save(self) -> None:
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.tensors,
            "velocity": self.optimizer.velocity,
        }
        tensors = {f"{part}.{name}": tensor for part, found in parts.items() for name, tensor in found.items()}
        counters = {**self.counters, "seconds": self._seconds(), "average_updates": self.average.count}
        save(self.folder.path, State(self.step, tensors, self.log.settle(), counters))
        self._saved = time.monotonic()

    def _seconds(self) -> float:
        return self.counters["seconds"] + time.monotonic() - self._begun

    # What is told.

    def _note(self, step: Step) -> None:
        if step.number % self.recipe.log_every and step.number != self.total_steps:
            return
        self.log.write(
            {
                "event": "step",
                "step": step.number,
                "epoch": step.epoch,
                "rate": step.rate,
                "images": step.images,
                "loss": step.loss,
                "losses": step.losses,
                "top1": step.top1,
                "top5": step.top5 if len(self.material.classes) > 5 else None,
                "gradient": step.gradient,
            }
        )

    # Evaluation.

    def _evaluate_if_due(self, interruption: Interruption) -> None:
        """Evaluate both sets of weights at the end of an epoch, unless that was done before the run stopped."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        due = epoch % self.recipe.evaluate_every == 0 or self.step == self.total_steps
        if not self.step or within or not due or self.counters["evaluated"] == self.step:
            return
        if self.material.validation is None:
            return
        self.outcomes = self._evaluate()
        self.counters["evaluated"] = self.step
        for weights, outcome in self.outcomes.items():
            self.log.write(
                {
                    "event": "evaluation",
                    "step": self.step,
                    "epoch": epoch,
                    "weights": weights,
                    "images": outcome.images,
                    "loss": outcome.loss,
                    "top1": outcome.top1,
                    "top5": outcome.top5,
                }
            )
        told = ", ".join(f"{weights} top-1 {percent(outcome.top1)}" for weights, outcome in self.outcomes.items())
        say(f"epoch {epoch}/{self.epochs}: {told} of {outcome.images:,} validation images")

    def _evaluate(self) -> dict[str, Outcome]:
        assert self.material.validation is not None
        samples = EvaluationSamples(self._size, self.network.specification.pixels)
        plan = InOrder(len(self.material.validation), self.recipe.batch_size)
        loader = self._loader(self.material.validation, samples, plan)
        sets = {"raw": nullcontext()} | ({"averaged": self._averaged()} if self.average.ready else {})
        outcomes = {}
        for weights, installed in sets.items():
            with installed:
                outcomes[weights] = validate(
                    self.network, lambda images: self.form.evaluate(self.network, images), loader.batches()
                )
        return outcomes

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the averaged weights, with batch statistics of their own, into the network for the length of a block."""
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        try:
            with self.average.swapped_in():
                recompute_batch_statistics(self.network, self._clean_inputs())
                yield
        finally:
            for name, buffer in self.network.named_buffers():
                buffer.copy_(buffers[name])

    def _clean_inputs(self) -> Iterator[torch.Tensor]:
        """Some training images as they are prepared for evaluation."""
        data = self.material.data
        count = min(len(data), max(512, len(data) // 50))
        chosen = Subset(data, np.sort(generator(self.recipe.seed, "statistics").permutation(len(data))[:count]))
        samples = EvaluationSamples(self._size, self.network.specification.pixels)
        for batch in self._loader(chosen, samples, InOrder(count, self.recipe.batch_size)).batches():
            yield self.form.prepare(self.network, batch.images)

    def _is_over(self) -> bool:
        return self.step >= self.total_steps

    def _finish(self) -> Mapping[str, Any]:
        weights = "averaged" if self.average.ready else "raw"
        with self._averaged() if self.average.ready else nullcontext():
            tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
        results = {
            name: {"images": o.images, "loss": o.loss, "top1": o.top1, "top5": o.top5}
            for name, o in self.outcomes.items()
        }
        summary = {
            "network": self.network.specification.name,
            "classes": len(self.material.classes),
            "images": len(self.material.data),
            "epochs": self.step // self.steps_per_epoch,
            "steps": self.step,
            "seconds": round(self._seconds(), 3),
            "weights": weights,
            "evaluation": results,
        }
        checkpoints.save(
            self.folder.final,
            Checkpoint(
                self.network.specification,
                self.material.classes,
                tensors,
                {
                    "source": "googlenet train",
                    "date": checkpoints.today(),
                    "weights": weights,
                    "recipe": to_json(self.recipe),
                    "origin": dict(self.material.origin),
                    "metrics": results.get(weights, {}),
                    "steps": self.step,
                },
            ),
        )
        self.folder.write_json(self.folder.summary, summary)
        return summary

    # Helpers.

    @property
    def _size(self) -> tuple[int, int]:
        return self.network.specification.input[1:]

    def _loader(self, data: Dataset, samples: Samples, plan: Any) -> Loader:
        workers = default_workers() if self.recipe.workers is None else self.recipe.workers
        loader = Loader(data, samples, plan, workers=workers, skip_bad_images=self.recipe.skip_bad_images)
        return self._closing.enter_context(loader)

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Leave torch's generators as they were found: each step seeds them for its dropout."""
        devices = range(torch.cuda.device_count()) if self.form.device == "cuda" else ()
        with torch.random.fork_rng(devices):
            yield
