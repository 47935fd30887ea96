"""Runs whose shards and replicas are Ray's actors: one process by the digit, past kills, stops and mitigations.

The first test is quick enough for every day; the others start many processes, each of which imports torch.
"""

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file
from small_runs import recipe, write_images

from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError
from googlenet.training.exchange import Wish
from googlenet.training.interruption import Interrupted
from googlenet.training.recipe import Recipe
from googlenet.training.run import Run, train

pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")

from googlenet.distributed.downpour.cluster import connected
from googlenet.distributed.downpour.crew import Crew
from googlenet.distributed.downpour.leader import Leader
from googlenet.distributed.downpour.replica import Report
from googlenet.distributed.downpour.slices import Slices
from googlenet.training.step import Step
from googlenet.training.trainer import Diverged
from googlenet.training.work import Work

pytestmark = pytest.mark.usefixtures("ray_here")

CHOSEN = recipe(epochs=2, rate=1e-3, save_minutes=10.0)
"""12 steps of four images, with both heads and dropout; a checkpoint at the end of each epoch."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


def run(data: tuple[Path, Path], output: Path, exchange: Leader | None, chosen: Recipe = CHOSEN) -> Run:
    return train(str(data[0]), chosen, validation=str(data[1]), output=output, exchange=exchange)


def steps_of(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "step"]


def expect_equal(one: Path, other: Path) -> None:
    assert [step["loss"] for step in steps_of(one)] == [step["loss"] for step in steps_of(other)]
    for name in ("state.safetensors", "final.safetensors"):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert theirs.keys() == {name for name in ours if not name.startswith("exchange.")}
        assert all((ours[name] == theirs[name]).all() for name in theirs), name


def kill(actor: Any) -> None:
    import ray

    os.kill(ray.get(actor.__ray_call__.remote(lambda self: os.getpid())), signal.SIGKILL)


class Watched(Leader):
    """Does something before a step is counted: `at` says what before which."""

    def __init__(self, options: Downpour, at: dict[int, Callable[[Crew], None]], wire: str = "float32") -> None:
        super().__init__(options, wire, cores=2)
        self._at, self._wish = at, Wish.NOTHING

    def stop(self, crew: Crew) -> None:
        self._wish = Wish.STOP

    def _stretch(self, work: Work, crew: Crew, slices: Slices, begin: int) -> Iterator[Step]:
        self._crew = crew
        return super()._stretch(replace(work, wish=lambda: work.wish() | self._wish), crew, slices, begin)

    def _step(self, work: Work, number: int, place: int, report: Report | None) -> Step:
        if number in self._at:
            self._at.pop(number)(self._crew)
        return super()._step(work, number, place, report)


def test_one_replica_is_one_process_by_the_digit_though_its_replicated_shard_is_killed(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    run(data, tmp_path / "one", None)
    leader = Watched(Downpour(replicas=1, replicate=True), {5: lambda crew: kill(crew._places[0].actor)})
    found = run(data, tmp_path / "ray", leader)
    expect_equal(tmp_path / "ray", tmp_path / "one")
    told = found.summary["exchange"]
    assert (told["lost_shards"], told["lost_updates"], told["lost_replicas"]) == (1, 0, 0)
    assert told["clocks"] == [12]
    assert told["staleness"] == [{"0": 12}]
    assert steps_of(tmp_path / "ray")[-1]["exchange"] == {
        "replica": 0,
        "staleness": [0],
        "clocks_apart": 0,
        "lost_pushes": 0,
        "lost_updates": 0,
    }
    page = (tmp_path / "ray/report.html").read_text()
    assert "Staleness: " in page
    with pytest.raises(InputError, match=r"another run \(exchange downpour, now step\)"):
        run(data, tmp_path / "ray", None)
    with pytest.raises(InputError, match=r"another run \(adagrad False, now True\)"):
        run(data, tmp_path / "ray", Leader(Downpour(adagrad=True)))
    assert run(data, tmp_path / "ray", Leader(Downpour(replicas=3, shards=2))).summary == found.summary


def test_a_ray_that_is_joined_already_is_left_alone() -> None:
    import ray

    with pytest.raises(InputError, match="has joined a Ray already"), connected(Downpour()):
        pass
    assert ray.is_initialized()


@pytest.mark.long
def test_shards_and_their_copies_are_killed_in_turn_and_nothing_is_lost(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    run(data, tmp_path / "one", None)
    kills = {
        2: lambda crew: kill(crew._places[1].mirror),
        4: lambda crew: kill(crew._places[0].actor),
        7: lambda crew: kill(crew._places[1].actor),
        10: lambda crew: kill(crew._places[0].mirror),
    }
    leader = Watched(Downpour(replicas=1, shards=2, replicate=True), kills)
    told = run(data, tmp_path / "ray", leader).summary["exchange"]
    expect_equal(tmp_path / "ray", tmp_path / "one")
    assert (told["lost_shards"], told["lost_updates"]) == (2, 0)


@pytest.mark.long
def test_one_that_is_stopped_goes_on_by_the_digit_with_adagrad_too(data: tuple[Path, Path], tmp_path: Path) -> None:
    options = Downpour(replicas=1, shards=3, adagrad=True)
    run(data, tmp_path / "whole", Leader(options))
    stopping = Watched(options, {})
    stopping._at = {4: stopping.stop}
    with pytest.raises(Interrupted, match=r"stopped after step \d+ of 12"):
        run(data, tmp_path / "stopped", stopping)
    run(data, tmp_path / "stopped", Leader(options))
    whole, stopped = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert any(name.startswith("exchange.squares.") for name in whole)
    assert all((whole[name] == stopped[name]).all() for name in whole)
    assert [step["loss"] for step in steps_of(tmp_path / "whole")] == [
        step["loss"] for step in steps_of(tmp_path / "stopped")
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        Downpour(replicas=2, shards=2),
        Downpour(replicas=2, mitigation="divide", warm_start=12, push_every=2, fetch_every=3),
        Downpour(replicas=3, mitigation="bounded", bound=0),
        Downpour(replicas=2, mitigation="delay-compensation", adagrad=True),
        Downpour(replicas=3, shards=2, mitigation="synchronous", backups=1),
        Downpour(replicas=4, shards=2),
    ],
    ids=lambda options: f"{options.replicas} {options.mitigation}",
)
def test_several_replicas_compute_each_batch_once_and_their_staleness_is_counted(
    data: tuple[Path, Path], tmp_path: Path, options: Downpour
) -> None:
    chosen = replace(CHOSEN, epochs=4, rate=2e-4, workers=1)
    wire = "bfloat16" if options.adagrad else "float32"
    found = run(data, tmp_path, Leader(options, wire, cores=2), chosen)
    steps = steps_of(tmp_path)
    assert [step["step"] for step in steps] == list(range(1, 25))
    assert sum(step["images"] for step in steps) == 96
    assert {step["exchange"]["replica"] for step in steps} == set(range(options.replicas))
    told = found.summary["exchange"]
    for counts in told["staleness"]:
        pushes = sum(counts.values())
        late = sum(int(one) * count for one, count in counts.items())
        assert pushes == (24 - told["dropped_pushes"] // options.shards if options.push_every == 1 else pushes)
        assert late / pushes <= 2 * options.replicas * options.fetch_every
    if options.mitigation == "synchronous":
        assert told["staleness"] == [{"0": sum(counts.values())} for counts in told["staleness"]]
    if options.warm_start:
        assert [step["exchange"]["replica"] for step in steps[:3]] == [0, 0, 0]
    if options.mitigation == "none":
        assert told["clocks"] == [24] * options.shards


@pytest.mark.long
def test_a_loss_that_is_not_finite_ends_the_run_with_its_images(data: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"is not finite; its images: .*\.png.*last good checkpoint|nothing was saved"):
        run(data, tmp_path, Leader(Downpour(replicas=1), cores=2), replace(CHOSEN, rate=1e12))


@pytest.mark.long
@pytest.mark.parametrize("what", ["replica", "shard"])
def test_twenty_kills_of_each_are_survived_and_counted(data: tuple[Path, Path], tmp_path: Path, what: str) -> None:
    """Ten in each of two runs, at random moments."""
    for seed in range(2):
        chance = random.Random(seed)
        keep = 3

        def one(crew: Crew, chance: random.Random = chance) -> None:
            if what == "replica":
                there = list(crew._members.values())
                busy = [member for member in there if member.is_running] or [one for one in there if one.ahead]
                kill(chance.choice(busy).actor)
            else:
                kill(chance.choice(crew._places).actor)

        options = Downpour(replicas=2, shards=2, keep_every=keep)
        kills = dict.fromkeys(range(6, 66, 6), one)
        chosen = replace(CHOSEN, epochs=12, batch_size=2, rate=2e-4)
        found = run(data, tmp_path / str(seed), Watched(options, kills), chosen)  # type: ignore[arg-type]
        steps, told = steps_of(tmp_path / str(seed)), found.summary["exchange"]
        assert [step["step"] for step in steps] == list(range(1, 145))
        missing = 144 - sum(step["images"] for step in steps) // 2
        print(f"{what}, run {seed}: {told}; batches without a gradient: {missing}")
        if what == "replica":
            assert told["lost_replicas"] == 10
            assert missing <= told["lost_pushes"] <= 10
            assert told["lost_updates"] == 0
        else:
            assert told["lost_shards"] == 10
            assert told["lost_updates"] <= 10 * (keep + options.replicas)
            assert missing == told["lost_pushes"] == 0
