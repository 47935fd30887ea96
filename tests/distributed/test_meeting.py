"""How processes find each other, and what is said where they do not."""

import os
import socket
import subprocess
import sys

import pytest

from googlenet.distributed import meeting
from googlenet.errors import InputError


def complaint(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught, meeting.all_processes():
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("port", [None, "x", "0", "70000"])
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
        [sys.executable, "-c", program], env={**os.environ, **place}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith(f"127.0.0.1:{port}: {words}"), done
