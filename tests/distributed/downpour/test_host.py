"""A Ray of its own session: whoever ends the run ends it, and nothing else does."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from googlenet.distributed.downpour import host
from googlenet.distributed.downpour.host import Host
from googlenet.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


def of_session(leader: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


def gone(leader: int, folder: Path) -> bool:
    deadline = time.monotonic() + 60
    while of_session(leader) or folder.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_ray_is_in_a_session_that_signals_to_the_run_do_not_reach(folder: Path) -> None:
    here = Host(str(folder), 1)
    try:
        leader = here._process.pid
        assert os.getsid(leader) == leader != os.getsid(0)
        assert here.address.rpartition(":")[2].isdecimal()
        assert len(of_session(leader)) > 3
        os.kill(leader, signal.SIGTERM)
        time.sleep(0.5)
        assert len(of_session(leader)) > 3
    finally:
        here.end()
    assert gone(leader, folder)


@pytest.mark.long
def test_the_ray_of_a_run_is_no_cluster_for_others() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'googlenet[cluster]'")
    with tempfile.TemporaryDirectory(prefix="googlenet-", dir="/tmp", ignore_cleanup_errors=True) as name:
        here = Host(name, 1)
        try:
            # `auto` may also find the one of yet another run, which does not let it in.
            for address, why in ((here.address, "the Ray there is that of another run"), ("auto", "")):
                command = [sys.executable, "-m", "googlenet", "train", "digits", "-o", f"{name}/run"]
                command += ["--network", "googlenet-tiny", "--exchange", "downpour", "--address", address]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120)
                assert done.returncode == 2
                assert f"address {address}: {why}" in done.stderr
                assert done.stderr.endswith("start one with: ray start --head\n")
        finally:
            here.end()


@pytest.mark.long
def test_where_the_run_is_killed_ray_and_its_folder_go(folder: Path) -> None:
    leads = "import sys, time; from googlenet.distributed.downpour.host import Host;"
    leads += "print(Host(sys.argv[1], 1)._process.pid, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", leads, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        leader = int(process.stdout.readline())
        assert len(of_session(leader)) > 3
        process.kill()
    assert gone(leader, folder)


@pytest.mark.long
@pytest.mark.parametrize("killed", ["raylet/raylet", "downpour.host"])
def test_where_ray_ends_the_run_says_so_and_ends(folder: Path, killed: str) -> None:
    leads = "import sys, time; from googlenet.distributed.downpour.host import Host;"
    leads += "print(Host(sys.argv[1], 1)._process.pid, flush=True); time.sleep(600)"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", leads, str(folder)], text=True, **pipes) as process:
        assert process.stdout is not None
        leader = int(process.stdout.readline())
        for one in of_session(leader):
            if killed in Path(f"/proc/{one}/cmdline").read_text():
                os.kill(one, signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (
        said == "googlenet: Ray has ended on this machine, and the run with it; give the same command again to go on\n"
    )
    assert gone(leader, folder)


@pytest.mark.long
def test_a_start_that_nobody_waits_for_ends_at_once(folder: Path) -> None:
    command = [sys.executable, "-m", "googlenet.distributed.downpour.host", str(folder), "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not (folder / "start.log").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert process.stdin is not None
        begun = time.monotonic()
        process.stdin.close()
        process.wait(60)
    assert time.monotonic() - begun < 0.7 * host.PATIENCE
    assert gone(process.pid, folder)


def test_why_ray_does_not_start_is_its_last_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder))  # -P leaves it
    (folder / "ray").mkdir()
    (folder / "ray/__init__.py").write_text("raise SystemExit('no memory today')")
    with pytest.raises(InputError, match=r"Ray could not be started on this machine \(no memory today\)"):
        Host(str(folder), 1)
    assert host._reason(folder / "nowhere") == "it said nothing"
