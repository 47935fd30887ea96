"""Processes that move in step are one: unequal batches, whole runs, what is sent, one that is killed."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from company import in_processes
from shared_runs import SHARES, logged, run
from small_runs import recipe, write_images
from toy_task import TwoHeads, batch

from googlenet.data.batch import Batch
from googlenet.distributed import synchronous
from googlenet.distributed.synchronous import InStep
from googlenet.errors import BrokenOff, InputError
from googlenet.training.averaging import Average
from googlenet.training.exchange import Alone, Exchange, Wish
from googlenet.training.optimizer import SGD
from googlenet.training.recipe import complete
from googlenet.training.run import train
from googlenet.training.trainer import steps

Trained = tuple[list[int], list[float], dict[str, torch.Tensor]]


def trained(exchange: Exchange, batches: list[Batch], parts: int = 1) -> Trained:
    """Images and gradients of each step, and the weights in the end."""
    task = TwoHeads(parts=parts)
    chosen = complete(recipe(epochs=3, rate=0.1, clip=1.0, accumulate=parts), fresh_classifiers=False)
    options = {"start": 0, "steps_per_epoch": 5, "name": str}
    optimizer = SGD(list(task.parameters.items()))  # type: ignore[arg-type]
    average = Average(torch.nn.Module(), "none")
    done = list(steps(task, optimizer, average, iter(batches), chosen, exchange, **options))  # type: ignore[arg-type]
    weights = {name: value.detach().clone() for name, value in task.parameters.items()}
    return [step.images for step in done], [step.gradient for step in done], weights


def share(exchange: Exchange, parts: int, bucket: int) -> Trained:
    synchronous.BUCKET = bucket
    return trained(exchange, [batch(one[exchange.rank], step) for step, one in enumerate(SHARES)], parts)


@pytest.mark.parametrize(("parts", "bucket"), [(1, 1), (2, 100), (1, 2**20)])
def test_unequal_batches_are_the_joint_batch_of_one_process(parts: int, bucket: int) -> None:
    joint = [batch([index for some in one for index in some], step) for step, one in enumerate(SHARES)]
    images, gradients, weights = trained(Alone(), joint)
    for found in in_processes(3, share, parts, bucket):
        assert found[0] == images == [6, 5, 0, 1, 3]
        assert found[1] == pytest.approx(gradients, rel=1e-6)
        for name, value in weights.items():
            torch.testing.assert_close(found[2][name], value, rtol=1e-12, atol=1e-14)


def answers(exchange: Exchange) -> list[object]:
    wishes = exchange.agree(Wish.SAVE if exchange.rank == 1 else Wish.STOP if exchange.rank == 2 else Wish.NOTHING)
    return [wishes, exchange.all_gather({"rank": exchange.rank}), exchange.lead(lambda: exchange.rank)]


def test_what_is_decided_and_told_is_the_same_everywhere() -> None:
    expected = [Wish.SAVE | Wish.STOP, [{"rank": 0}, {"rank": 1}, {"rank": 2}], 0]
    assert in_processes(3, answers) == [expected] * 3


# Whole runs.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


CHOSEN = recipe(epochs=9, rate=1e-3)
"""54 steps of four images, both heads with dropout."""


def test_two_processes_give_the_losses_of_one(data: tuple[Path, Path], tmp_path: Path) -> None:
    train(data[0], CHOSEN, validation=data[1], output=tmp_path / "one")
    first, second = in_processes(2, run, data, tmp_path / "two", CHOSEN)
    assert first == second, (first, second)
    assert first["exchange"] == {"name": "step", "processes": 2, "wire": "float32"}
    assert len(logged(tmp_path / "two")) == 54
    assert logged(tmp_path / "two") == pytest.approx(logged(tmp_path / "one"), rel=2e-4)
    assert (tmp_path / "two/ranks").is_dir() is False or not (tmp_path / "two/ranks/rank-0.log").exists()


class Halved(InStep):
    def __init__(self, rank: int, size: int, wire: object) -> None:
        super().__init__(rank, size, "bfloat16")


def run_halved(exchange: Exchange, data: tuple[Path, Path], output: Path) -> dict[str, object]:
    return run(InStep(exchange.rank, exchange.size, "bfloat16"), data, output, replace(CHOSEN, epochs=2))


def test_half_as_much_on_the_wire_is_nearly_the_same(data: tuple[Path, Path], tmp_path: Path) -> None:
    train(data[0], replace(CHOSEN, epochs=2), output=tmp_path / "one")
    first, second = in_processes(2, run_halved, data, tmp_path / "two")
    assert first == second, (first, second)
    exact, found = logged(tmp_path / "one"), logged(tmp_path / "two")
    assert found == pytest.approx(exact, rel=0.02)
    assert found[1:] != exact[1:]


@pytest.mark.parametrize(("count", "mend"), [("1", ""), ("2", ", and give the same command again to go on")])
def test_who_is_left_behind_is_told_to_go_on_unless_all_are_started_again(
    count: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", count)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "2")
    with pytest.raises(BrokenOff, match=f"ended; see what it said{mend}$"), synchronous.together():
        raise RuntimeError("Connection closed by peer [127.0.0.1]")


def run_and_die(exchange: Exchange, data: tuple[Path, Path], output: Path) -> dict[str, object]:
    agree, taken = exchange.agree, [0]

    def dying(wish: Wish) -> Wish:
        taken[0] += 1
        if exchange.rank == 1 and taken[0] == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return agree(wish)

    exchange.agree = dying  # type: ignore[method-assign]
    return run(exchange, data, output, replace(CHOSEN, epochs=3))


def test_a_killed_process_ends_the_others_and_the_run_goes_on_to_the_same_bytes(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    chosen = replace(CHOSEN, epochs=3)
    first, killed = in_processes(2, run_and_die, data, tmp_path / "killed")
    assert killed == -signal.SIGKILL
    assert isinstance(first, BrokenOff)
    assert "another process of this run has ended" in str(first)
    for name in ("killed", "whole"):
        found = in_processes(2, run, data, tmp_path / name, chosen)
        assert isinstance(found[0], dict), found
    whole, again = tmp_path / "whole", tmp_path / "killed"
    assert (again / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    from safetensors.numpy import load_file

    ours, theirs = load_file(again / "final.safetensors"), load_file(whole / "final.safetensors")
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def run_otherwise(exchange: Exchange, data: tuple[Path, Path], output: Path) -> dict[str, object]:
    return run(exchange, data, output, replace(CHOSEN, seed=exchange.rank))


def run_elsewhere(exchange: Exchange, data: tuple[Path, Path], output: Path) -> dict[str, object]:
    return run(exchange, (data[0] if exchange.rank == 0 else data[0] / "gone", data[1]), output, CHOSEN)


def test_what_differs_between_processes_is_named_before_the_first_step(data: tuple[Path, Path], tmp_path: Path) -> None:
    for found in in_processes(2, run_otherwise, data, tmp_path / "run"):
        assert isinstance(found, InputError), found
        assert "rank 1 has" in str(found)
        assert "give all processes the same" in str(found)
    first, second = in_processes(2, run_elsewhere, data, tmp_path / "run")
    assert str(first) == f"rank 1: {second}"
    assert "gone" in str(second)
    assert not (tmp_path / "run").exists()
