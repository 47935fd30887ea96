"""Processes that work together: what they are told, and how they end, together, however one of them ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from googlenet import processes
from googlenet.errors import InputError
from googlenet.machine import processor
from googlenet.processes import launch, ranks

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


MEMORY = "was killed (SIGKILL), as happens where memory runs out"
LOST = f"googlenet: process 1 of 2 (counted from 0) {MEMORY}"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a module of the given body, run as one of the processes, and returns its name.

    The body finds its rank, and a folder for what it has to tell, in `rank` and `folder`.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("RANK", "WORLD_SIZE", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)

    def write(body, name="worked"):
        head = "import os, signal, sys, time\nfrom pathlib import Path\n"
        head += f"rank, folder = int(os.environ['RANK']), Path({str(tmp_path)!r})\n"
        Path(tmp_path, f"{name}.py").write_text(head + body)
        return name

    return write


BEYOND_DOUBT = 60.0
"""Seconds, less than those sleep who must not be waited for; where much else is done, a few of them may go by."""


def wait_for(what):
    end = time.monotonic() + BEYOND_DOUBT
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def lives(pid):
    """Whether there is such a process, beyond the entry of one that has ended and is not yet waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


# What a process is told.


def test_alone_where_nothing_is_said(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ranks() == (0, 1)


def test_ranks_are_those_of_torchrun(monkeypatch):
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert ranks() == (2, 4)


@pytest.mark.parametrize(
    ("rank", "size"),
    [("4", "4"), ("-1", "2"), ("one", "2"), ("0", "0"), (None, "2"), ("0", None), ("0", "9" * 5000), ("٣", "٥")],
)
def test_an_environment_that_makes_no_sense_is_named(monkeypatch, rank, size):
    for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"RANK={rank or ''} and WORLD_SIZE={(size or '')[:9]}"):
        ranks()


def test_each_process_finds_the_variables_of_torchrun_and_its_share_of_the_cores(module, tmp_path):
    names = ["RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS"]
    body = f"import json\nnote = {{name: os.environ[name] for name in {names}}} | {{'arguments': sys.argv[1:]}}\n"
    body += "Path(folder, f'{rank}.json').write_text(json.dumps(note | {'stdin': sys.stdin.read()}))"
    assert launch(["evaluate", "-o", "a b"], 3, module(body)) == 0
    notes = [json.loads(Path(tmp_path, f"{rank}.json").read_text()) for rank in range(3)]
    assert [note.pop("RANK") for note in notes] == [note.pop("LOCAL_RANK") for note in notes] == ["0", "1", "2"]
    assert notes[0] == notes[1] == notes[2]
    assert notes[0]["WORLD_SIZE"] == "3"
    assert notes[0]["MASTER_ADDR"] == "127.0.0.1"
    assert 1024 <= int(notes[0]["MASTER_PORT"]) < 65536
    assert notes[0]["OMP_NUM_THREADS"] == str(max(1, processor().cores // 3))
    assert notes[0]["arguments"] == ["evaluate", "-o", "a b"]
    assert notes[0]["stdin"] == ""


def test_what_another_torchrun_has_left_is_not_passed_on(module, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "9")
    body = "found = {name: value for name, value in os.environ.items() if name.startswith('TORCHELASTIC')}\n"
    assert launch([], 2, module("import json\n" + body + "Path(folder, str(rank)).write_text(json.dumps(found))")) == 0
    expected = {"TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "0"}
    assert json.loads(Path(tmp_path, "1").read_text()) == expected


def test_a_process_knows_whether_all_are_started_again(module, tmp_path):
    body = "from googlenet.processes import will_be_started_again\nattempt = os.environ['TORCHELASTIC_RESTART_COUNT']\n"
    body += "Path(folder, attempt).write_text(str(will_be_started_again()))\nos.kill(os.getpid(), 9)"
    assert launch([], 1, module(body), restarts=1) == 1
    assert [Path(tmp_path, attempt).read_text() for attempt in "01"] == ["True", "False"]


def test_threads_that_the_user_has_set_stay(module, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert launch([], 2, module("Path(folder, f'{rank}').write_text(os.environ['OMP_NUM_THREADS'])")) == 0
    assert Path(tmp_path, "1").read_text() == "7"


def test_one_process_or_one_of_those_that_there_are_does_the_work_itself(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launch(["--version"], 1) is None
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launch(["--version"], 4) is None
    assert launch(["--version"], 1) is None
    with pytest.raises(InputError, match="--processes 2: there are 4 already"):
        launch(["--version"], 2)


def test_one_is_started_where_that_is_asked_for(module, tmp_path):
    body = "Path(folder, os.environ['WORLD_SIZE']).touch()\nsys.exit(3)"
    assert launch([], 1, module(body), also_one=True) == 3
    assert (tmp_path / "1").exists()


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_a_number_of_processes_that_is_none_is_refused(count):
    with pytest.raises(InputError, match="--processes must be a whole number"):
        launch([], count)


@pytest.mark.parametrize("count", [1_000_000, 10**20])
def test_more_processes_than_a_machine_can_bear_are_refused(count, monkeypatch):
    monkeypatch.setattr(processes.subprocess, "Popen", None)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    with pytest.raises(InputError, match=f"--processes {count}: there are 6 cores here; give at most 24"):
        launch([], count)


def test_the_command_itself_is_what_runs(capfd):
    assert launch(["summary", "list"], 2) == 0
    out, err = capfd.readouterr()
    assert out.count("googlenet-naive") == 1
    assert err == ""


def test_they_can_meet_where_they_are_told(module, tmp_path):
    body = """
import socket
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(place) as server:
        server.accept()[0].sendall(b"met")
else:
    for _ in range(6000):
        try:
            Path(folder, "met").write_bytes(socket.create_connection(place).recv(3))
            break
        except ConnectionRefusedError:
            time.sleep(0.01)
"""
    assert launch([], 2, module(body)) == 0
    assert Path(tmp_path, "met").read_text() == "met"


@pytest.mark.long
def test_they_exchange_through_torch(module, tmp_path):
    body = """
import torch
import torch.distributed as distributed
distributed.init_process_group("gloo")
value = torch.tensor([10.0 ** rank])
distributed.all_reduce(value)
Path(folder, str(rank)).write_text(str(value.item()))
distributed.destroy_process_group()
"""
    assert launch([], 2, module(body)) == 0
    assert [Path(tmp_path, rank).read_text() for rank in "01"] == ["11.0", "11.0"]


# What is heard of them.


def test_only_rank_0_speaks(module, capfd):
    assert launch([], 3, module("print('result', rank)\nprint('talk', rank, file=sys.stderr)")) == 0
    assert capfd.readouterr() == ("result 0\n", "talk 0\n")


def test_rank_0_says_what_became_of_the_whole(module, capfd):
    assert launch([], 2, module("sys.exit(1 if rank == 0 else 0)")) == 1
    assert capfd.readouterr().err == ""


def test_what_all_refuse_is_said_once(module, capfd):
    assert launch([], 3, module("print('googlenet: data: no such folder', file=sys.stderr)\nsys.exit(2)")) == 2
    assert capfd.readouterr().err == "googlenet: data: no such folder\n"


def test_the_first_that_fails_is_said_with_its_last_line(module, capfd, monkeypatch):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    body = (
        "if rank == 2:\n    print('one\\ngooglenet: disk full\\n', file=sys.stderr)\n    sys.exit(2)\ntime.sleep(120)"
    )
    begun = time.monotonic()
    assert launch([], 3, module(body)) == 2
    assert time.monotonic() - begun < BEYOND_DOUBT
    said = "googlenet: process 2 of 3 (counted from 0) ended with status 2; its last line: googlenet: disk full\n"
    assert capfd.readouterr().err == said


def test_a_traceback_is_shown_whole(module, capfd):
    assert launch([], 2, module("if rank == 1:\n    raise RuntimeError('the cause')")) == 1
    first, *_, error, last = capfd.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert error == "RuntimeError: the cause"
    assert last == (
        "googlenet: process 1 of 2 (counted from 0) ended with status 1; its last line: RuntimeError: the cause"
    )


def test_the_cause_is_said_and_not_what_follows_from_it(module, capfd):
    """Rank 0 finds that rank 1 is gone, as torch's exchanges do, and ends in its own way."""
    body = "pid = Path(folder, 'pid')\n"
    body += "if rank == 1:\n    pid.write_text(str(os.getpid()))\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    body += "while not pid.exists():\n    time.sleep(0.01)\ntime.sleep(0.3)\nsys.exit('connection closed by peer')"
    assert launch([], 2, module(body)) == 1
    told = capfd.readouterr().err.splitlines()
    assert told == ["connection closed by peer", LOST]


def test_rank_0_that_fails_has_said_why(module, capfd, monkeypatch):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    assert launch([], 2, module("if rank == 0:\n    sys.exit('no room')\ntime.sleep(120)")) == 1
    assert capfd.readouterr().err.splitlines() == [
        "no room",
        "googlenet: process 0 of 2 (counted from 0) ended with status 1; the others were ended",
    ]


@POSIX
def test_one_that_does_not_want_to_end_is_killed(module, monkeypatch, capfd):
    monkeypatch.setattr(processes, "NOTICE", 0.5)
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nPath(folder, str(rank)).touch()\n"
    body += "if rank == 1:\n    while not Path(folder, '0').exists():\n        time.sleep(0.01)\n    sys.exit(3)\n"
    body += "time.sleep(120)"
    begun = time.monotonic()
    assert launch([], 2, module(body)) == 3
    assert time.monotonic() - begun < BEYOND_DOUBT


def test_none_is_left_where_one_cannot_be_started(module, monkeypatch):
    real, begun = subprocess.Popen, []

    def popen(*arguments, **options):
        if begun:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        begun.append(real(*arguments, **options))
        return begun[0]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(InputError, match=r"--processes 2: process 1 could not be started .*; give fewer"):
        launch([], 2, module("time.sleep(120)"))
    assert begun[0].returncode is not None


# How they are started again.

KILLED = """
attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
Path(folder, f"{attempt}-{rank}").touch()
if rank == 1 and attempt != "2":
    while not Path(folder, f"{attempt}-0").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
while rank == 0 and attempt != "2":
    time.sleep(0.01)
"""


@POSIX
def test_what_is_killed_is_started_again_so_many_times(module, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    assert launch([], 2, module(KILLED), restarts=3) == 0
    assert sorted(path.name for path in tmp_path.glob("?-?")) == [f"{n}-{rank}" for n in range(3) for rank in range(2)]
    assert capfd.readouterr().err.splitlines() == [
        line
        for number in (1, 2)
        for line in (
            LOST,
            f"googlenet: all are started again and go on from what was saved ({number} of 3 times)",
        )
    ]


@POSIX
def test_no_more_often_than_that(module, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    assert launch([], 2, module(KILLED), restarts=1) == 1
    assert sorted(path.name for path in tmp_path.glob("?-0")) == ["0-0", "1-0"]
    assert capfd.readouterr().err.splitlines()[-1] == LOST


def test_what_has_said_why_it_ended_is_not_started_again(module, tmp_path):
    body = "Path(folder, os.environ['TORCHELASTIC_RESTART_COUNT']).touch()\nsys.exit(2)"
    assert launch([], 1, module(body), restarts=3) == 2
    assert [path.name for path in tmp_path.glob("?")] == ["0"]


# How they end with the process that started them.


@pytest.fixture
def started(module, tmp_path):
    """A function that starts a launcher of two processes and returns it with their ids, once they are at work."""
    launchers = []

    def start(body):
        name = module("Path(folder, f'{rank}.pid').write_text(str(os.getpid()))\n" + body)
        code = f"from googlenet.processes import launch; import sys; sys.exit(launch([], 2, {name!r}))"
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        launchers.append(subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True))
        notes = [tmp_path / f"{rank}.ready" for rank in range(2)]
        wait_for(lambda: all(note.exists() for note in notes))
        return launchers[-1], [int(Path(tmp_path, f"{rank}.pid").read_text()) for rank in range(2)]

    yield start
    for launcher in launchers:
        launcher.kill()
        launcher.wait()


READY = "Path(folder, f'{rank}.ready').touch()\n"


@POSIX
def test_no_orphan_is_left_when_the_launcher_is_killed(started):
    launcher, pids = started("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(120)")
    launcher.kill()
    wait_for(lambda: not any(map(lives, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a stopped process with its parent")
def test_a_stopped_process_is_no_orphan_either(started):
    launcher, pids = started(READY + "time.sleep(120)")
    os.kill(pids[1], signal.SIGSTOP)
    launcher.kill()
    wait_for(lambda: not any(map(lives, pids)))


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_once_and_it_is_waited_for_what_they_do(started, tmp_path, number):
    body = f"""
heard = []
signal.signal({int(number)}, lambda *_: heard.append(1))
{READY}
while not heard:
    time.sleep(0.01)
time.sleep(0.3)
Path(folder, f'{{rank}}.heard').write_text(str(len(heard)))
sys.exit(130)
"""
    launcher, _ = started(body)
    launcher.send_signal(number)
    assert launcher.wait(timeout=BEYOND_DOUBT) == 130
    assert [Path(tmp_path, f"{rank}.heard").read_text() for rank in range(2)] == ["1", "1"]


@POSIX
def test_an_interrupt_while_the_work_is_loaded_is_no_traceback(module, capfd):
    assert launch([], 1, module("os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(120)"), also_one=True) == 130
    assert capfd.readouterr().err == "googlenet: interrupted\n"


@POSIX
def test_an_interrupt_before_they_are_at_work_is_answered_in_one_line(module, capfd, monkeypatch):
    """As if Ctrl-C came the moment each is started, when Python has hardly begun."""
    real = subprocess.Popen

    def popen(*arguments, **options):
        begun = real(*arguments, **options)
        begun.send_signal(signal.SIGINT)
        return begun

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert launch([], 2, module("time.sleep(120)")) == 130
    assert capfd.readouterr().err == "googlenet: interrupted\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@POSIX
def test_a_second_interrupt_ends_what_does_not_listen(started):
    launcher, pids = started("signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + READY + "time.sleep(120)")
    launcher.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert launcher.poll() is None
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=BEYOND_DOUBT) == 130
    assert not any(map(lives, pids))


@POSIX
def test_a_stopped_process_is_killed_some_time_after_the_interrupt(module, capfd, monkeypatch):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    body = """
Path(folder, str(rank)).touch()
if rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
try:
    while not Path(folder, "1").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(120)
except KeyboardInterrupt:
    sys.exit(130)
"""
    begun = time.monotonic()
    assert launch([], 2, module(body)) == 130
    assert time.monotonic() - begun < BEYOND_DOUBT
    said = r"googlenet: waiting for [12] of 2 processes; killed in 0.4 s, or by a second Ctrl-C at once\n"
    said += "googlenet: 1 of 2 processes was killed; what was saved before is kept\n"
    assert re.fullmatch(said, capfd.readouterr().err)


@POSIX
@pytest.mark.parametrize(("name", "again"), [("other", ""), ("googlenet", "; go on with: googlenet train 'a b'")])
def test_that_all_were_killed_is_said_and_how_to_go_on(module, capfd, monkeypatch, name, again):
    monkeypatch.setattr(processes, "NOTICE", 0.1)
    monkeypatch.setattr(processes, "PATIENCE", 0.3)
    real = processes._started
    monkeypatch.setattr(processes, "_started", lambda arguments, count, _, turn: real(arguments, count, "stuck", turn))
    module(STUCK, "stuck")
    assert launch(["train", "a b"], 2, name) == 130
    said = f"googlenet: 2 of 2 processes were killed; what was saved before is kept{again}"
    assert capfd.readouterr().err.splitlines()[-1] == said


STUCK = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
Path(folder, str(rank)).touch()
while not Path(folder, str(1 - rank)).exists():
    time.sleep(0.01)
if rank == 0:
    os.kill(os.getppid(), signal.SIGINT)
time.sleep(120)
"""
