"""Stages of one network are that network: gradients, whole runs, going on in others, one that is killed."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from company import in_processes
from safetensors.torch import load_file
from small_runs import recipe, write_images

from googlenet.data.batch import Batch
from googlenet.distributed import stages
from googlenet.errors import BrokenOff, InputError
from googlenet.network.initialization import initialise
from googlenet.network.module import Network
from googlenet.network.specification import Specification
from googlenet.network.zoo import specification
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone, Exchange
from googlenet.training.execution import Execution
from googlenet.training.optimizer import SGD, parameter_groups
from googlenet.training.recipe import Recipe, complete
from googlenet.training.run import train
from googlenet.training.task import Classification, Figures, Task
from googlenet.training.trainer import Step, steps

NETWORK = specification("googlenet-tiny", classes=6, width=0.25)
"""Two heads, dropout in three places."""

BATCHES = [[*range(8)], [8, 9, 10, 11, 12], [13], [], [14, 15, 16]]
"""Images of each step: parts that are filled up, parts and replicas without any, a step without any."""

PARTS = 4

Learnt = tuple[list[dict[str, torch.Tensor]], list[Step]]


def learnt(exchange: Exchange, network: Specification = NETWORK) -> Learnt:
    """Take steps and return the gradients of what this process trains, and what was seen of each step."""
    if exchange.size > 1:  # in a process of its own
        os.environ["GOOGLENET_FORMS"] = "stage-costs=multiply-adds"
    chosen = complete(recipe(epochs=3, batch_size=8, accumulate=PARTS, rate=0.002), fresh_classifiers=False)
    execution = Execution(joined=True)
    built = Network(network)
    initialise(built, "xavier", 0)
    elsewhere = exchange.take_part(execution.place(built), execution, chosen)
    assert elsewhere == () or all(p.is_meta for n in elsewhere for p in built.get_submodule(n).parameters()) == bool(
        exchange.rank
    )
    fused = execution.fuse(built, frozen=elsewhere)
    task, batches = exchange.divide(
        Classification(fused, execution, seed=3, steps_per_epoch=len(BATCHES), parts=PARTS),
        shares(*exchange.share) if exchange.loads else iter(()),
    )
    optimizer = SGD(parameter_groups(built))
    gradients: list[dict[str, torch.Tensor]] = []
    apply = exchange.apply

    def noting(optimizer: SGD, rate: float) -> None:
        gradients.append({name: p.grad.clone() for name, p in task.parameters.items() if p.grad is not None})
        apply(optimizer, rate)

    exchange.apply = noting  # type: ignore[method-assign]
    average = Average(built, "exponential")
    options = {"start": 0, "steps_per_epoch": len(BATCHES), "name": str}
    done = list(steps(task, optimizer, average, batches, chosen, exchange, **options))  # type: ignore[arg-type]
    return gradients, [replace(step, waited=0.0, seconds=0.0) for step in done]


def shares(rank: int, world: int) -> Iterator[Batch]:
    for step, numbers in enumerate(BATCHES):
        own = numbers[rank::world]
        shape = NETWORK.input[1:]
        images = [np.random.default_rng(number).integers(0, 256, (*shape, 3), np.uint8) for number in own]
        arrays = {
            "images": torch.from_numpy(np.stack(images) if own else np.empty((0, *shape, 3), np.uint8)),
            "labels": torch.tensor([number % 6 for number in own], dtype=torch.int64),
        }
        yield Batch(0, step, arrays, torch.tensor(own, dtype=torch.int64))


@pytest.fixture(scope="module")
def of_one() -> Learnt:
    return learnt(Alone())


@pytest.mark.parametrize(("processes", "stages"), [(2, 2), (4, 4), (4, 2)])
def test_gradients_are_those_of_one_process(processes: int, stages: int, of_one: Learnt) -> None:
    gradients, seen = of_one
    assert [step.images for step in seen] == [8, 5, 1, 0, 3]
    found = in_processes(processes, learnt, stages=stages, seconds=300)
    assert all(isinstance(one, tuple) for one in found), found
    for replica in range(processes // stages):
        own = found[replica * stages : (replica + 1) * stages]
        for number, expected in enumerate(gradients):
            together = {name: value for one in own for name, value in one[0][number].items()}
            assert together.keys() == expected.keys()
            assert sum(len(one[0][number]) for one in own) == len(expected)  # each is trained in one place
            for name, value in expected.items():
                assert (together[name] - value).abs().max() <= 1e-5 * value.abs().max(), (number, name)
    for _, steps_seen in found:
        for step, other in zip(seen, steps_seen, strict=True):
            assert (step.number, step.images, step.rate) == (other.number, other.images, other.rate)
            assert other.figures == pytest.approx(step.figures, rel=1e-5)
            assert other.gradient == pytest.approx(step.gradient, rel=1e-5)


# Whole runs.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


CHOSEN = recipe(epochs=2, rate=1e-3, accumulate=4, clip=1.0, averaging="exponential")
"""12 steps of four images, both heads with dropout."""


def run(exchange: Exchange, data: tuple[Path, Path], output: Path, chosen: Recipe) -> dict[str, object]:
    os.environ["GOOGLENET_FORMS"] = "stage-costs=multiply-adds"
    return dict(train(data[0], chosen, validation=data[1], output=output, exchange=exchange).summary)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one / "final.safetensors"), load_file(other / "final.safetensors")
    return ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_run_begun_in_two_stages_and_ended_by_two_replicas_is_that_of_one(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    train(data[0], CHOSEN, validation=data[1], output=tmp_path / "one")
    begun = in_processes(2, run, data, tmp_path / "four", replace(CHOSEN, epochs=1), stages=2, seconds=300)
    assert isinstance(begun[0], dict), begun
    ended = in_processes(4, run, data, tmp_path / "four", CHOSEN, stages=2, seconds=300)
    assert all(summary == ended[0] for summary in ended), ended
    assert ended[0]["exchange"] == {"name": "step", "processes": 4, "wire": "float32", "stages": 2}
    found, expected = lines(tmp_path / "four"), lines(tmp_path / "one")
    assert [line["event"] for line in found] == [line["event"] for line in expected]
    for line, wanted in zip(found, expected, strict=True):
        assert line["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
        assert line.get("gradient", 0.0) == pytest.approx(wanted.get("gradient", 0.0), rel=1e-3)
    ours, theirs = (load_file(tmp_path / name / "final.safetensors") for name in ("four", "one"))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5 * float(value.abs().max()), msg=name)


def run_and_die(exchange: Exchange, data: tuple[Path, Path], output: Path) -> dict[str, object]:
    """Kill the last stage where the first one waits for its gradients, in the second epoch."""
    divide, taken = exchange.divide, [0]

    def dying(task: Task, batches: Iterator[Batch]) -> tuple[Task, Iterator[Batch]]:
        task, batches = divide(task, batches)
        compute = task.compute

        def computing(batch: Batch) -> Figures:
            taken[0] += 1
            if exchange.rank == 1 and taken[0] == 8:
                os.kill(os.getpid(), signal.SIGKILL)
            return compute(batch)

        task.compute = computing  # type: ignore[method-assign]
        return task, batches

    exchange.divide = dying  # type: ignore[method-assign]
    return run(exchange, data, output, CHOSEN)


@pytest.mark.long
def test_a_killed_stage_ends_the_others_and_the_run_goes_on(data: tuple[Path, Path], tmp_path: Path) -> None:
    first, killed = in_processes(2, run_and_die, data, tmp_path / "killed", stages=2, seconds=300)
    assert killed == -signal.SIGKILL
    assert isinstance(first, BrokenOff), first
    assert "another process of this run has ended" in str(first)
    for name in ("killed", "whole"):
        found = in_processes(2, run, data, tmp_path / name, CHOSEN, stages=2, seconds=300)
        assert isinstance(found[0], dict), found
    assert lines(tmp_path / "killed") == lines(tmp_path / "whole")
    assert same_weights(tmp_path / "killed", tmp_path / "whole")


def test_parts_for_which_there_are_no_images_are_said() -> None:
    assert stages._waiting(2, 33, 32).startswith("a batch in 32 parts (not 33, as it has no more images), with which")
    assert stages._waiting(2, 1, 32).startswith("a batch in 1 part, with which a stage waits 50 % of the time; with")
    assert stages._waiting(2, 1, 4) == "a batch in 1 part, with which a stage waits 50 % of the time"


# What cannot be shared out.


def complaints(exchange: Exchange) -> list[str]:
    os.environ["GOOGLENET_FORMS"] = "stage-costs=multiply-adds"
    found = []
    for network, frozen in (
        (specification("googlenet-bn"), ()),
        (NETWORK, ("conv1", "conv2", "inception_3a", "inception_3b")),
    ):
        with torch.device("meta"):
            built = Network(network)
        for row in frozen:
            built.get_submodule(row).requires_grad_(False)
        try:
            exchange.take_part(built, Execution(), recipe())
            found.append("")
        except InputError as error:
            found.append(str(error))
    return found


def test_what_cannot_be_shared_out_is_said_by_every_process() -> None:
    for normalised, frozen in in_processes(2, complaints, stages=2, seconds=300):
        assert normalised.startswith("stages 2: googlenet-bn normalises over batches")
        assert frozen.startswith("stages 2: nothing is trained in stage 1 (conv1, pool1, ")


def nothing(exchange: Exchange) -> None:
    return None


def test_processes_that_are_no_multiple_of_the_stages() -> None:
    for error in in_processes(2, nothing, stages=3, seconds=300):
        assert isinstance(error, InputError)
        assert str(error) == "stages 3: there are 2 processes; give 3, 6, 9 ... (--processes)"
