"""The command: what it refuses, and that it leaves nothing behind, however it ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from googlenet.__main__ import main
from googlenet.distributed.downpour.cluster import connected
from googlenet.distributed.downpour.options import Downpour
from googlenet.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shards", "2"], "--shards: is of --exchange downpour; give that too, or leave it out"),
        (["--keep-every", "2"], "--keep-every: is of --exchange downpour"),
        (["--exchange", "downpour", "--processes", "2"], "leave --processes, --stages and torchrun out"),
        (["--exchange", "downpour", "--stages", "2"], "leave --processes, --stages and torchrun out"),
        (
            ["--exchange", "downpour", "--bound", "2"],
            "--bound 2: is of --mitigation bounded; give that too, or leave it out",
        ),
        (
            ["--exchange", "downpour", "--mitigation", "synchronous", "--fetch-every", "3"],
            "--mitigation synchronous: fetches and pushes in each step; leave --fetch-every 3 out",
        ),
        (["--exchange", "downpour", "--replicas", "0"], "replicas 0: give at least 1"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "digits", "-o", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert not (tmp_path / "run").exists()


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs Ray: pip install 'googlenet\[cluster\]'"), connected(Downpour()):
        pass


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", "127.0.0.1:0", ":6379", "127.0.0.1:9x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with pytest.raises(InputError, match="give auto, or HOST:PORT"), connected(Downpour(address=address)):
        pass


def test_the_address_of_the_environment_is_tried_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    words = r"address auto, which is RAY_ADDRESS 127.0.0.1:1: no Ray cluster answers there"
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(InputError, match=words), connected(Downpour(address="auto")):
        pass


def test_a_temporary_folder_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    full = shutil._ntuple_diskusage(10**9, 10**9, 40_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    before = set(Path("/tmp").glob("googlenet-*"))
    with pytest.raises(InputError, match=r"/tmp: 40 KB free, too little for Ray; free some"), connected(Downpour()):
        pass
    assert set(Path("/tmp").glob("googlenet-*")) == before


def test_an_address_where_nobody_answers_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        options = Downpour(address=address)
        with pytest.raises(InputError, match=f"address {address}: no Ray cluster answers"), connected(options):
            pass


# Whole commands.


def command(folder: Path, *more: str) -> list[str]:
    network = ["--network", "googlenet-tiny", "--width", "0.25", "--workers", "0", "--sampling", "none"]
    run = ["--epochs", "2", "--rate", "0.001", "--save-minutes", "0.05", "--log-every", "1", "--no-mirror"]
    downpour = ["--exchange", "downpour", "--replicas", "2", "--shards", "2", "--distortion", "none"]
    return [sys.executable, "-m", "googlenet", "train", "digits", "-o", str(folder), *network, *run, *downpour, *more]


def descendants(parent: int) -> set[int]:
    """All processes that come from one, by /proc."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = set(), [parent]
    while left:
        some = children.get(left.pop(), [])
        found |= set(some)
        left += some
    return found


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, whose path is short, as Ray's sockets need it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def there(processes: set[int]) -> set[int]:
    def is_alive(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return {process for process in processes if is_alive(process)}


def lines(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def begun(folder: Path, *more: str) -> tuple["subprocess.Popen[str]", set[int]]:
    """Start the command and wait for its fifth step."""
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command(folder, *more), text=True, start_new_session=True, **pipes)
    seen: set[int] = set()
    deadline = time.monotonic() + 300
    while lines(folder) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        seen |= descendants(process.pid)
        time.sleep(0.2)
    return process, seen | descendants(process.pid)


def expect_nothing_left(seen: set[int], shared_memory: set[str], place: Path) -> None:
    deadline = time.monotonic() + 30
    while (left := there(seen)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, [Path(f"/proc/{one}/cmdline").read_bytes() for one in left]
    new = set(os.listdir("/dev/shm")) - shared_memory  # noqa: PTH208
    assert not [name for name in new if not name.startswith("sem.")]
    assert not list(place.glob("googlenet-*"))


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_nothing_is_left_behind_after_ctrl_c_a_failure_and_success(tmp_path: Path, place: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    shared_memory = set(os.listdir("/dev/shm"))  # noqa: PTH208
    process, seen = begun(tmp_path / "run")
    assert len(seen) > 4
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "go on with: googlenet train digits" in said
    expect_nothing_left(seen, shared_memory, place)

    process, seen = begun(tmp_path / "failing")
    (tmp_path / "failing").rename(tmp_path / "moved")  # the next checkpoint finds no folder
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert "was deleted or moved while the run went on" in said
    expect_nothing_left(seen, shared_memory, place)

    before = lines(tmp_path / "run")
    done = subprocess.run(command(tmp_path / "run", "--json"), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert lines(tmp_path / "run") >= summary["steps"] > before
    assert summary["exchange"]["lost_replicas"] == 0
    expect_nothing_left(set(), shared_memory, place)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_all_processes_of_a_run_has_it_saved(tmp_path: Path, place: Path, number: signal.Signals) -> None:
    """As `timeout` and SLURM send it: Ray must outlast it."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    shared_memory = set(os.listdir("/dev/shm"))  # noqa: PTH208
    process, seen = begun(tmp_path / "run")
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "saved in" in said
    assert "was lost" not in said
    expect_nothing_left(seen, shared_memory, place)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_where_the_leader_is_killed_all_end_and_the_same_command_goes_on(tmp_path: Path, place: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    shared_memory = set(os.listdir("/dev/shm"))  # noqa: PTH208
    process, seen = begun(tmp_path / "run")
    process.kill()
    process.communicate()
    expect_nothing_left(seen, shared_memory, place)
    done = subprocess.run(command(tmp_path / "run", "--json"), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    numbers = [step["step"] for step in steps if step["event"] == "step"]
    assert numbers == list(range(1, json.loads(done.stdout)["steps"] + 1))
