"""A lost process or machine costs the steps since the last checkpoint, and nothing else: torchrun and `--restarts`."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from company import context, free_port, in_processes
from safetensors.numpy import load_file
from shared_runs import run
from small_runs import recipe, write_images

from googlenet.data.sources import Source
from googlenet.errors import BrokenOff, InputError
from googlenet.training.checkpoints import newest_step
from googlenet.training.exchange import Exchange, Wish
from googlenet.training.run import train

CHOSEN = recipe(epochs=3, rate=1e-3)
"""18 steps of four images, a checkpoint after each."""
OPTIONS = "--network googlenet-tiny --width 0.25 --epochs 3 --batch-size 4 --burn-in 0.3 --rate 1e-3 --workers 0"
OPTIONS += " --log-every 1 --save-minutes 0 --device cpu"
OBSERVED = Path(__file__).with_name("observed.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
STANDALONE = [*TORCHRUN, "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    return write_images(folder / "train"), write_images(folder / "validation", each=3, seed=1)


@pytest.fixture(scope="module")
def whole(data: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing has interrupted, of one process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(data[0], CHOSEN, validation=data[1], output=folder)
    return folder


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if line["event"] == "step"}


class Attempt:
    """What the processes of one start have noted: the images of each step, of all of them, and its loss."""

    def __init__(self, notes: Path, number: int) -> None:
        files = sorted(notes.glob(f"rank-*-{number}.jsonl"))
        found = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
        self.size = len(files)
        self.steps = [note["step"] for note in found[0]]
        self.losses = {note["step"]: note["loss"] for note in found[0]}
        self.images = {
            step: sorted(index for one in found for note in one if note["step"] == step for index in note["indices"])
            for step in self.steps
        }


def expect_gone_on(notes: Path, whole: Path, end: int, sizes: tuple[int, int]) -> None:
    """The second start goes on after the checkpoint before step `end`, with the images and losses of `whole`."""
    first, second = Attempt(notes, 0), Attempt(notes, 1)
    assert (first.size, second.size) == sizes
    assert first.steps == [*range(1, end + 1)]
    assert second.steps == [*range(end, 19)], "only what came after the checkpoint is done again, nothing is left out"
    assert first.images[end] == second.images[end]
    assert all(len(images) == 4 for images in (first.images | second.images).values())
    for epoch in range(3):
        images = [
            index for step in range(6 * epoch + 1, 6 * epoch + 7) for index in (first.images | second.images)[step]
        ]
        assert sorted(images) == [*range(24)], "each image once an epoch"
    assert first.losses | second.losses == pytest.approx(losses(whole), rel=2e-4)


def command(data: tuple[Path, Path], folder: Path) -> list[str]:
    return ["train", str(data[0]), "--validation", str(data[1]), "-o", str(folder), *OPTIONS.split()]


def finished(arguments: list[str], seconds: float = 300, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments,
        env=ENVIRONMENT,
        timeout=seconds,
        check=False,
        text=True,
        capture_output=True,
        **options,  # type: ignore[call-overload]
    )


def test_torchrun_trains_as_one_process(whole: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    done = finished([*STANDALONE, "-m", "googlenet", *command(data, tmp_path / "run"), "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 18
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=2e-4)
    assert (tmp_path / "run/ranks/rank-1.log").exists()


@pytest.mark.long
def test_torchrun_starts_a_killed_process_again(data: tuple[Path, Path], whole: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    done = finished(
        [*STANDALONE, "--max-restarts", "1", str(OBSERVED), str(notes), "process:9:1", *command(data, tmp_path / "run")]
    )
    assert done.returncode == 0, done.stderr
    expect_gone_on(notes, whole, 9, (2, 2))
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=2e-4)
    assert "going on after step 8 of 18" in done.stderr
    assert (tmp_path / "run/summary.json").exists()


# Without a launcher's delays: the processes are forked, and the number of them changes.


def run_and_die(exchange: Exchange, data: tuple[Source, Source], output: Path) -> dict[str, object]:
    agree, taken = exchange.agree, [0]

    def dying(wish: Wish) -> Wish:
        taken[0] += 1
        if exchange.rank == exchange.size - 1 and taken[0] == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return agree(wish)

    exchange.agree = dying  # type: ignore[method-assign]
    return run(exchange, data, output, CHOSEN)


@pytest.fixture(scope="module")
def shards(data: tuple[Path, Path]) -> tuple[str, str]:
    """The same images in the same order, in shards of five."""
    for part in data:
        files = sorted(part.glob("*/*.png"), key=lambda path: (path.parent.name, path.name))
        for number, file in enumerate(files):
            with tarfile.open(part.parent / f"{part.name}-{number // 5}.tar", "a") as shard:
                shard.add(file, f"{number:03}.png")
                label = tarfile.TarInfo(f"{number:03}.cls")
                label.size = len(file.parent.name)
                shard.addfile(label, io.BytesIO(file.parent.name.encode()))
    return f"{data[0]}-{{0..4}}.tar", f"{data[1]}-{{0..1}}.tar"


@pytest.mark.parametrize(("before", "after", "packed"), [(2, 3, True), (3, 1, False)])
def test_a_run_goes_on_with_another_number_of_processes(
    data: tuple[Path, Path], shards: tuple[str, str], whole: Path, tmp_path: Path, before: int, after: int, packed: bool
) -> None:
    """In the middle of an epoch and, where images are packed in shards, of some of these."""
    train_on: Source
    evaluate_on: Source
    train_on, evaluate_on = shards if packed else data
    found = in_processes(before, run_and_die, (train_on, evaluate_on), tmp_path / "run")
    assert found[-1] == -signal.SIGKILL
    assert all(isinstance(one, BrokenOff) for one in found[:-1]), found
    if after == 1:
        train(train_on, CHOSEN, validation=evaluate_on, output=tmp_path / "run")
    else:
        again = in_processes(after, run, (train_on, evaluate_on), tmp_path / "run", CHOSEN)
        assert all(isinstance(one, dict) for one in again), again
    assert [*losses(tmp_path / "run")] == [*range(1, 19)]
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=2e-4)


LONGER = replace(CHOSEN, epochs=80)
"""480 steps, and an evaluation after each sixth."""


def run_until(exchange: Exchange, data: tuple[Path, Path], output: Path, victim: int, seconds: float) -> None:
    """Train; the process of rank `victim` is killed so many seconds after all have met."""
    exchange.all_gather(None)
    if exchange.rank == victim:
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    run(exchange, data, output, LONGER)


@pytest.mark.long
def test_twenty_kills_at_any_moment_leave_no_trace(data: tuple[Path, Path], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    in_processes(2, run, data, whole, LONGER)
    longest = (time.monotonic() - begun) / 20  # about half of the run is done by the twentieth kill
    moment, steps = random.Random(5), [0]
    for number in range(20):
        found = in_processes(2, run_until, data, killed, number % 2, moment.uniform(0.05, longest))
        assert found[number % 2] == -signal.SIGKILL, found
        assert isinstance(found[1 - number % 2], InputError), found
        steps.append(newest_step(killed))
    assert steps == sorted(steps), "no step was ever lost that had been saved"
    assert steps[-1] > 20
    in_processes(2, run, data, killed, LONGER)
    assert (killed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    ours, theirs = load_file(killed / "final.safetensors"), load_file(whole / "final.safetensors")
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def run_elsewhere(exchange: Exchange, data: tuple[Path, Path], folders: list[Path]) -> dict[str, object]:
    return run(exchange, data, folders[exchange.rank], replace(CHOSEN, epochs=1))


def test_a_folder_that_rank_0_does_not_share_is_named(data: tuple[Path, Path], whole: Path, tmp_path: Path) -> None:
    """Or the run would begin anew, where another machine has become the first."""
    for found in in_processes(2, run_elsewhere, data, [tmp_path / "mine", whole]):
        assert isinstance(found, InputError), found
        told = f"{tmp_path / 'mine'}: rank 1 finds a checkpoint of step 18 there, rank 0 none"
        assert str(found).startswith(told) or str(found).startswith(told.replace(str(tmp_path / "mine"), str(whole)))
    assert not (tmp_path / "mine").exists()


def hold(folder: Path, seconds: float) -> None:
    from googlenet.training.folder import alone_in

    with alone_in(folder):
        (folder / "held").touch()
        time.sleep(seconds)


def test_a_process_of_before_has_time_to_let_go_of_the_folder(tmp_path: Path) -> None:
    from googlenet.training.folder import RunFolder

    holder = context.Process(target=hold, args=(tmp_path / "run", 1.0))
    holder.start()
    while not (tmp_path / "run/held").exists():
        time.sleep(0.02)
    (tmp_path / "run/recipe.json").write_text("{}")
    with pytest.raises(InputError, match="another process trains in this folder"), RunFolder(tmp_path / "run").held():
        pass
    with RunFolder(tmp_path / "run").held(patience=20):
        pass
    holder.join()


# Real launchers.


@pytest.mark.long
def test_restarts_of_the_short_form(data: tuple[Path, Path], whole: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from googlenet.processes import launch;"
        "sys.exit(launch(sys.argv[1:], 2, 'observed', restarts=1))"
    )
    arguments = [str(notes), "process:9:0", *command(data, tmp_path / "run")]
    done = finished([sys.executable, "-c", program, str(OBSERVED.parent), *arguments])
    assert done.returncode == 0, done.stderr
    assert "process 0 of 2 (counted from 0) was killed (SIGKILL)" in done.stderr
    assert "all are started again and go on from what was saved (1 of 1 times)" in done.stderr
    expect_gone_on(notes, whole, 9, (2, 2))


@pytest.fixture
def nodes(data: tuple[Path, Path], tmp_path: Path) -> "Iterator[Nodes]":
    started = Nodes(data, tmp_path)
    yield started
    started.end()


class Nodes:
    """Launchers of one process each, as if each were a machine; they meet at the first one's."""

    def __init__(self, data: tuple[Path, Path], folder: Path) -> None:
        self._data, self._folder, self._port = data, folder, free_port()
        self.notes, self.run = folder / "notes", folder / "run"
        self.notes.mkdir()
        self.launchers: list[subprocess.Popen[bytes]] = []

    def start(self, number: str, end: str) -> "subprocess.Popen[bytes]":
        """Start a launcher; `number` says how many there may be."""
        place = f"127.0.0.1:{self._port}"
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", place, "--rdzv-id", "test"]
        meeting += ["--rdzv-conf", "last_call_timeout=30,is_host=" + ("0" if self.launchers else "1")]
        program = [str(OBSERVED), str(self.notes), end, *command(self._data, self.run)]
        log = (self._folder / f"launcher-{len(self.launchers)}.log").open("wb")
        self.launchers.append(
            subprocess.Popen(
                [*TORCHRUN, "--nnodes", number, "--nproc-per-node", "1", "--max-restarts", "3", *meeting, *program],
                env=ENVIRONMENT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        )
        return self.launchers[-1]

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("launcher-*.log")))

    def end(self) -> None:
        for launcher in self.launchers:
            launcher.kill()
            launcher.wait()


@pytest.mark.long
def test_two_machines_train_as_one(nodes: Nodes, whole: Path) -> None:
    started = [nodes.start("2", "never") for _ in range(2)]
    assert [one.wait(300) for one in started] == [0, 0], nodes.said()
    assert Attempt(nodes.notes, 0).size == 2
    assert losses(nodes.run) == pytest.approx(losses(whole), rel=2e-4)


@pytest.mark.long
def test_what_is_left_goes_on_where_a_machine_is_lost(nodes: Nodes, whole: Path) -> None:
    host = nodes.start("1:2", "node:9:1")
    time.sleep(1)
    nodes.start("1:2", "node:9:1")
    assert host.wait(400) == 0, nodes.said()
    if Attempt(nodes.notes, 0).size == 2:  # the first one may have begun alone
        expect_gone_on(nodes.notes, whole, 9, (2, 1))
    assert losses(nodes.run) == pytest.approx(losses(whole), rel=2e-4)


@pytest.mark.long
def test_torchrun_evaluates_too(data: tuple[Path, Path], whole: Path, tmp_path: Path) -> None:
    arguments = ["-m", "googlenet", "evaluate", str(whole / "final.safetensors"), str(data[1]), "--json"]
    alone = finished([sys.executable, *arguments])
    together = finished([*STANDALONE, *arguments])
    assert together.returncode == alone.returncode == 0, together.stderr
    one, two = json.loads(alone.stdout), json.loads(together.stdout)
    assert two["images"] == one["images"] == 9
    assert [row["top1"] for row in two["rows"]] == [row["top1"] for row in one["rows"]]
