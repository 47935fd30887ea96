"""Several processes are one: unequal batches, none at all, what is decided together, who owns the folder."""

import json
from pathlib import Path

import pytest
import torch
from exchange_over_threads import InStep, in_threads
from small_runs import recipe, write_images
from toy_task import TwoHeads, batch

from googlenet.data.batch import Batch
from googlenet.errors import InputError
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone, Exchange, Wish
from googlenet.training.interruption import Interrupted
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import complete
from googlenet.training.run import train
from googlenet.training.task import Sum
from googlenet.training.trainer import Diverged, Step, steps

SHARES = [
    ([1, 2, 3], [4], [5, 6]),
    ([7], [], [8, 9, 10, 11]),
    ([], [], []),
    ([], [12], []),
    ([13, 15], [16], []),
]
"""Images of three processes, step by step: unequal, some without any, one step without any at all."""


def trained(task: TwoHeads, batches: list[Batch], exchange: Exchange, wishes: dict[int, Wish] | None = None):  # type: ignore[no-untyped-def]
    chosen = complete(recipe(epochs=3, rate=0.1, clip=1.0), fresh_classifiers=False)
    done: list[Step] = []
    for step in steps(
        task,
        SGD(list(task.parameters.items())),  # type: ignore[arg-type]
        Average(torch.nn.Module(), "none"),
        iter(batches),
        chosen,
        exchange,
        start=0,
        steps_per_epoch=5,
        name=str,
        wish=lambda: (wishes or {}).get(len(done), Wish.NOTHING),
    ):
        done.append(step)
        if Wish.STOP in step.agreed:
            break
    return done, {name: value.detach().clone() for name, value in task.parameters.items()}


def shared(rank: int) -> list[Batch]:
    return [batch(share[rank], step) for step, share in enumerate(SHARES)]


def joint() -> list[Batch]:
    return [batch([index for some in share for index in some], step) for step, share in enumerate(SHARES)]


def test_unequal_batches_are_the_joint_batch_of_one_process():
    expected, weights = trained(TwoHeads(), joint(), Alone())
    for done, found in in_threads(3, lambda exchange: trained(TwoHeads(), shared(exchange.rank), exchange)):
        assert [step.images for step in done] == [6, 5, 0, 1, 3]
        for name, value in weights.items():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-14)
        for one, other in zip(expected, done, strict=True):
            assert one.figures == pytest.approx(other.figures, rel=1e-6)  # sent as float32
            assert one.gradient == pytest.approx(other.gradient, rel=1e-6)
    assert expected[2].figures == {}


@pytest.mark.parametrize("rank", [0, 2])
def test_what_one_wishes_all_do_after_the_same_step(rank: int):
    def work(exchange: Exchange):  # type: ignore[no-untyped-def]
        wishes = {1: Wish.SAVE, 3: Wish.STOP} if exchange.rank == rank else {}
        return trained(TwoHeads(), shared(exchange.rank), exchange, wishes)[0]

    for done in in_threads(3, work):
        assert [step.agreed for step in done] == [Wish.NOTHING, Wish.SAVE, Wish.NOTHING, Wish.STOP]


def test_where_one_diverges_all_stop_with_the_weights_of_the_step_before():
    def spoilt(rank: int) -> list[Batch]:
        batches = shared(rank)
        if rank == 0:
            batches[1]["inputs"][0] = float("inf")
        return batches

    _, weights = trained(TwoHeads(), joint()[:1], Alone())
    tasks = [TwoHeads() for _ in range(3)]
    errors = in_threads(3, lambda exchange: trained(tasks[exchange.rank], spoilt(exchange.rank), exchange))
    for error, task in zip(errors, tasks, strict=True):
        assert isinstance(error, Diverged), error
        for name, value in task.parameters.items():
            torch.testing.assert_close(value.detach(), weights[name], rtol=1e-12, atol=1e-14)
    assert "step 2: the loss of" in str(errors[0])
    assert "its images: 7" in str(errors[0])
    assert "its images: none" in str(errors[1])


def test_rank_0_leads_and_its_errors_reach_all():
    assert in_threads(3, lambda exchange: exchange.lead(lambda: f"of {exchange.rank}")) == ["of 0"] * 3

    def refuse() -> None:
        raise InputError("no such folder")

    def stop() -> None:
        raise Interrupted("stopped")

    def fail() -> None:
        raise ZeroDivisionError

    assert [str(error) for error in in_threads(2, lambda exchange: exchange.lead(refuse))] == ["no such folder"] * 2
    assert all(isinstance(error, Interrupted) for error in in_threads(2, lambda exchange: exchange.lead(stop)))
    first, second = in_threads(2, lambda exchange: exchange.lead(fail))
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, RuntimeError)


def test_alone_is_everybody():
    alone = Alone()
    assert (alone.rank, alone.size, alone.agree(Wish.STOP), alone.all_gather(3)) == (0, 1, Wish.STOP, [3])
    assert alone.total({"loss": Sum(2.0, 4)}) == {"loss": Sum(2.0, 4)}
    assert alone.lead(lambda: 5) == 5


# Whole runs.


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines]


CHOSEN = recipe(epochs=2, rate=1e-3, skip_bad_images=True, patience=2)


def test_a_run_of_two_is_the_run_of_one(images: tuple[Path, Path], tmp_path: Path):
    data, validation = images
    bad = data / "ash/0.png"  # so that a process has fewer images than the other in some step
    content = bad.read_bytes()
    bad.write_bytes(content[:100])
    try:
        alone = train(data, CHOSEN, validation=validation, output=tmp_path / "one")

        def work(exchange: Exchange):  # type: ignore[no-untyped-def]
            return train(data, CHOSEN, validation=validation, output=tmp_path / "two", exchange=exchange)

        runs = in_threads(2, work)
    finally:
        bad.write_bytes(content)
    assert [type(run) for run in runs] == [type(alone)] * 2, runs
    assert runs[0].summary == runs[1].summary
    assert runs[0].summary["bad_images"].keys() == alone.summary["bad_images"].keys() != set()
    assert len(losses(tmp_path / "two")) == len(losses(tmp_path / "one")) == 16  # each step and evaluation once
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


def test_two_that_are_stopped_go_on_together(images: tuple[Path, Path], tmp_path: Path):
    data, validation = images

    class Stopping(InStep):
        """Rank 1 is asked to stop after the fourth step."""

        taken = 0

        def agree(self, wish: Wish) -> Wish:
            self.taken += 1
            return super().agree(wish | (Wish.STOP if self.rank == 1 and self.taken == 4 else Wish.NOTHING))

    def work(exchange: Exchange, name: str):  # type: ignore[no-untyped-def]
        return train(data, CHOSEN, validation=validation, output=tmp_path / name, exchange=exchange)

    def stopping(exchange: InStep):  # type: ignore[no-untyped-def]
        return work(Stopping(exchange.rank, exchange.size, exchange._meeting, exchange._table), "stopped")

    whole = in_threads(2, lambda exchange: work(exchange, "whole"))
    stopped = in_threads(2, stopping)  # type: ignore[arg-type]
    assert [str(error).partition(", saved")[0] for error in stopped] == ["stopped after step 4 of 12"] * 2
    again = in_threads(2, lambda exchange: work(exchange, "stopped"))
    assert [type(run) for run in again] == [type(run) for run in whole], again
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")


def test_the_state_of_an_exchange_is_saved_and_comes_back(images: tuple[Path, Path], tmp_path: Path):
    class Remembering(Alone):
        def __init__(self) -> None:
            self.moves = torch.zeros(1, dtype=torch.int64)

        def apply(self, optimizer, rate):  # type: ignore[no-untyped-def]
            super().apply(optimizer, rate)
            self.moves += 1

        def state(self):  # type: ignore[no-untyped-def]
            return {"moves": self.moves}

        def restore(self, state):  # type: ignore[no-untyped-def]
            self.moves = state["moves"].clone()

    class Stopping(Remembering):
        def agree(self, wish: Wish) -> Wish:
            return wish | (Wish.STOP if self.moves == 4 else Wish.NOTHING)

    with pytest.raises(Interrupted):
        train(images[0], recipe(epochs=1), output=tmp_path, exchange=Stopping())
    later = Remembering()
    train(images[0], recipe(epochs=1), output=tmp_path, exchange=later)
    assert later.moves == 6


def test_what_the_folder_refuses_is_refused_to_all(images: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text("mine\n")
    errors = in_threads(2, lambda exchange: train(images[0], recipe(), output=tmp_path, exchange=exchange))
    assert [type(error) for error in errors] == [InputError] * 2
    assert "no recipe.json" in str(errors[1])


def test_sessions_say_and_write_on_rank_0_alone(images: tuple[Path, Path], tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    in_threads(2, lambda exchange: train(images[0], recipe(epochs=1), output=tmp_path / "run", exchange=exchange))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("computing on cpu")]
    assert ", in 2 processes" in line
