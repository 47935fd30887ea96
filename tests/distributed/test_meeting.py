"""How processes find each other, and what is said where they do not."""

import os
import re
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from company import in_processes
from torch.distributed import HashStore
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from googlenet.__main__ import main
from googlenet.distributed import greeting, meeting
from googlenet.errors import InputError
from googlenet.training.exchange import Exchange


def complaint(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught, meeting.all_processes():
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("port", [None, "x", "0", "70000", "٢٩٥٠٠"])
def test_a_place_that_is_none(monkeypatch: pytest.MonkeyPatch, port: str | None) -> None:
    place = {"MASTER_ADDR": "127.0.0.1"} | ({} if port is None else {"MASTER_PORT": port})
    assert "MASTER_ADDR and MASTER_PORT" in complaint(monkeypatch, RANK="0", WORLD_SIZE="2", **place)


def test_a_port_in_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        told = complaint(monkeypatch, RANK="0", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    assert told.startswith(f"127.0.0.1:{port}: the port is in use; give another one")


@pytest.mark.parametrize(("rank", "words"), [("1", "nobody answers there"), ("0", "not all processes have come")])
def test_whoever_does_not_come_is_not_waited_for_without_end(rank: str, words: str) -> None:
    program = (
        "from datetime import timedelta\n"
        "from googlenet.distributed import meeting\n"
        "from googlenet.errors import InputError\n"
        "meeting.MEETING = timedelta(seconds=1)\n"
        "try:\n"
        "    with meeting.all_processes(): pass\n"
        "except InputError as error: print(error)\n"
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    place = {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **place}, capture_output=True, text=True, timeout=180
    )
    assert done.stdout.startswith(f"127.0.0.1:{port}: {words}"), done


def test_any_other_trouble_is_shown_as_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = "Unable to find address for: nosuch0\nand where in the source"
    monkeypatch.setattr(meeting, "rendezvous", lambda *_, **__: (_ for _ in ()).throw(RuntimeError(trouble)))
    told = complaint(monkeypatch, RANK="0", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")
    assert told == (
        "127.0.0.1:29500: the processes cannot be connected (Unable to find address for: nosuch0);"
        " check MASTER_ADDR, and GLOO_SOCKET_IFNAME where it is set"
    )


LINE = "googlenet: nowhere: no such file or folder; check the path"


def test_torchruns_summary_says_what_each_process_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = {}
    for rank in range(2):
        environment = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": 2,
            "TORCHELASTIC_ERROR_FILE": tmp_path / f"{rank}",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        assert main(["train", "nowhere", "-o", str(tmp_path / "run")]) == 2
        failures[rank] = ProcessFailure(rank, 100 + rank, 2, str(tmp_path / f"{rank}"))
    assert capsys.readouterr().err == f"{LINE}\n", "once on a machine"
    summary = ChildFailedError("googlenet", failures).format_msg()
    assert summary.count(f"traceback : {LINE}\n") == 2
    assert "<N/A>" not in summary


@pytest.mark.parametrize("file", ["", "nowhere/error.json"])
def test_where_torchrun_is_not_told_every_process_says_it(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", file)
    assert main(["train", "nowhere", "-o", "run"]) == 2
    assert capsys.readouterr().err == f"{LINE}\n"


@pytest.mark.long
def test_torchrun_sums_up_a_mistake_as_it_was_said(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "googlenet", "train", "nowhere", "-o", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    root = done.stderr.partition("Root Cause")[2]
    assert re.search(r"exitcode  : (-?\d+)", root)[1] == "2"  # type: ignore[index]
    assert f"traceback : {LINE}\n" in root
    assert done.stderr.splitlines().count(LINE) <= 1, "by the first, unless it was ended before it came to that"


def test_a_store_that_outlives_the_processes_does_not_lead_to_those_of_before() -> None:
    """As torchrun's does: three processes of the first start have left their addresses; those of the next come late."""
    store, found = HashStore(), dict[int, bytes]()

    def meet(rank: int, address: str, late: float) -> None:
        threading.Event().wait(late)
        own = greeting.fresh(store, rank, 3, timedelta(seconds=60))
        own.set(f"address {rank}", address)
        found[rank] = own.get("address 0")

    for address, delays in (("first", (0, 0, 0)), ("second", (0.4, 0, 0.2)), ("third", (0, 0.3, 0.1))):
        found.clear()
        threads = [threading.Thread(target=meet, args=(rank, address, late)) for rank, late in enumerate(delays)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == dict.fromkeys(range(3), address.encode())


def test_who_is_missing_is_not_waited_for_without_end() -> None:
    with pytest.raises(TimeoutError):
        greeting.fresh(HashStore(), 0, 2, timedelta(seconds=0.2))


def probed(exchange: Exchange) -> list[bool]:
    """Whether the system watches over each connection of this process."""
    found = []
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            one = socket.socket(fileno=int(entry))
        except OSError:
            continue
        if one.family in (socket.AF_INET, socket.AF_INET6) and not one.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            found.append(one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1)
        one.detach()
    exchange.all_gather(None)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can be told to")
def test_a_machine_without_power_is_noticed() -> None:
    for found in in_processes(2, probed):
        assert isinstance(found, list), found
        assert len(found) > 1
        assert all(found)
