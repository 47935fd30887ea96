"""However a run of several processes ends, no process, port or shared memory of it is left."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from small_runs import write_images

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in Linux's folders"),
]

OPTIONS = "--network googlenet-tiny --width 0.25 --epochs 200 --batch-size 4 --rate 1e-3 --workers 1 --device cpu"
OPTIONS += " --log-every 1"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
LAUNCHERS = {
    "processes": [sys.executable, "-m", "googlenet"],
    "torchrun": [*TORCHRUN, "-m", "googlenet"],
}


class Traces:
    """What bears the mark of one test: processes with all that they have started, by their environment."""

    def __init__(self) -> None:
        self.environment = os.environ | {"OMP_NUM_THREADS": "1", "GOOGLENET_TEST_MARK": uuid.uuid4().hex}
        self._mark = f"GOOGLENET_TEST_MARK={self.environment['GOOGLENET_TEST_MARK']}".encode()

    def processes(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):  # it has ended meanwhile
                    if self._mark in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def ports(self) -> set[str]:
        """Where these processes listen."""
        inodes = set()
        for pid in self.processes():
            for file in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(os.readlink(file))  # noqa: PTH115
        return {port for port, inode in listening() if f"socket:[{inode}]" in inodes}

    def memory(self) -> set[str]:
        """Files of shared memory that these processes use."""
        found = set()
        for pid in self.processes():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
                found |= {line.split()[-1] for line in lines if "/dev/shm/" in line}
        return found

    def expect_none(self, ports: set[str], memory: set[str]) -> None:
        deadline = time.monotonic() + 60
        while (self.processes() or ports & {port for port, _ in listening()}) and time.monotonic() < deadline:
            time.sleep(0.1)  # a process that is killed loses its environment before its sockets
        assert self.processes() == []
        assert not [name for name in memory if Path(name).exists()]
        assert not ports & {port for port, _ in listening()}


def listening() -> list[tuple[str, str]]:
    """Port and inode of all that is listened to on this machine."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [(row[1].rpartition(":")[2], row[9]) for row in rows if row[3] == "0A"]


@pytest.fixture
def traces() -> Iterator[Traces]:
    found = Traces()
    yield found
    for pid in found.processes():
        os.kill(pid, signal.SIGKILL)


def interrupt(launcher: "subprocess.Popen[str]", traces: Traces) -> None:
    launcher.send_signal(signal.SIGINT)


def kill_launcher(launcher: "subprocess.Popen[str]", traces: Traces) -> None:
    launcher.kill()


def kill_rank_1(launcher: "subprocess.Popen[str]", traces: Traces) -> None:
    for pid in traces.processes():
        with suppress(OSError):  # it has ended with another one
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if b"RANK=1" in environment and b"data.worker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


ENDS: dict[str, tuple[Callable[["subprocess.Popen[str]", Traces], None], tuple[int, ...]]] = {
    "Ctrl-C": (interrupt, (130, 1, -signal.SIGINT)),
    "launcher killed": (kill_launcher, (-signal.SIGKILL,)),
    "process killed": (kill_rank_1, (1,)),
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left(launcher: str, end: str, traces: Traces, tmp_path: Path) -> None:
    data, run = write_images(tmp_path / "data"), tmp_path / "run"
    arguments = [*LAUNCHERS[launcher], "train", str(data), "-o", str(run), *OPTIONS.split()]
    arguments += ["--processes", "2"] if launcher == "processes" else []
    process = subprocess.Popen(arguments, env=traces.environment, stderr=subprocess.PIPE, text=True)
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ports, memory, (act, statuses) = traces.ports(), traces.memory(), ENDS[end]
    assert ports, "rank 0 or its launcher is met somewhere"
    act(process, traces)
    assert process.wait(60) in statuses
    traces.expect_none(ports, memory)
    if end == "Ctrl-C":
        steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
        assert (run / "state.safetensors").exists(), f"saved after step {steps[-1]}"


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_nothing_is_left_of_a_finished_run(launcher: str, traces: Traces, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data")
    arguments = [
        *LAUNCHERS[launcher],
        "train",
        str(data),
        "-o",
        str(tmp_path / "run"),
        *OPTIONS.split(),
        "--epochs",
        "1",
    ]
    arguments += ["--processes", "2"] if launcher == "processes" else []
    subprocess.run(arguments, env=traces.environment, timeout=300, check=True, capture_output=True)
    traces.expect_none(set(), set())
