"""Worker processes: shared by loaders, never a process left behind, never a wait without end."""

import gc
import hashlib
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from googlenet.data import pool as pools
from googlenet.data.batch import Batch
from googlenet.data.dataset import Subset
from googlenet.data.digits import Digits
from googlenet.data.loader import Loader
from googlenet.data.pool import WorkerPool, default_workers
from googlenet.data.sampler import InOrder, Sampler
from googlenet.data.samples import EvaluationSamples, TrainingSamples
from googlenet.data.worker import packed
from googlenet.errors import InputError
from googlenet.network.specification import Pixels, Resize

DIGITS = Subset(Digits("train"), range(0, 1400, 7))
OTHERS = Subset(Digits("validation"), range(100))
PLAN = Sampler(DIGITS.labels, 32, seed=5)
TRAINING = TrainingSamples((20, 24), seed=5, distortion="howard")
EVALUATION = EvaluationSamples((12, 12), Pixels(resize=Resize(geometry="squash", size=16)))


def content(batch: Batch) -> tuple:
    return batch.epoch, batch.step, batch.indices.tolist(), batch["images"].numpy().tobytes()


def pids(pool: WorkerPool) -> list[int]:
    return [worker.process.pid for worker in pool.workers]


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_loaders_share_workers_and_none_holds_up_another():
    """Validation in the middle of training, from the workers that have training batches ready or under way."""
    alone = [content(batch) for batch in Loader(DIGITS, TRAINING, PLAN).batches(stop=3)]
    judged = [content(batch) for batch in Loader(OTHERS, EVALUATION, InOrder(100, 16)).batches()]
    with WorkerPool(2) as pool:
        workers = pids(pool)
        training = Loader(DIGITS, TRAINING, PLAN, pool)
        validation = Loader(OTHERS, EVALUATION, InOrder(100, 16), pool)
        seen = []
        for batch in training.batches(stop=3):
            seen.append(content(batch))
            if batch.step % 3 == 0:
                assert [content(other) for other in validation.batches()] == judged
            if batch.step == 1:  # and one that is left with all its orders open
                next(validation.batches())
        assert seen == alone
        assert pids(pool) == workers
        assert all(is_alive(pid) for pid in workers)


def test_two_iterators_in_turns():
    alone = [content(batch) for batch in Loader(DIGITS, TRAINING, PLAN).batches(stop=2)]
    with WorkerPool(1) as pool:
        one, other = (Loader(DIGITS, TRAINING, PLAN, pool).batches(stop=2) for _ in range(2))
        for expected in alone:
            assert content(next(one)) == content(next(other)) == expected


class Counted(Subset):
    """Counts in a file how often it was unpacked and thrown away."""

    def __init__(self, count: int, log: str) -> None:
        super().__init__(DIGITS, range(count))
        self.log = log

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state
        self.unpacked = True
        with Path(self.log).open("a") as file:
            file.write("+")

    def __del__(self) -> None:
        if "unpacked" in self.__dict__:
            with Path(self.log).open("a") as file:
                file.write("-")


def test_a_worker_gets_a_data_set_once_and_forgets_it_with_its_loader(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    log = tmp_path / "log"
    counted = Counted(64, str(log))
    counted.__class__ = __import__("test_pool").Counted  # as a module that workers can import
    with WorkerPool(1) as pool:
        loader = Loader(counted, EVALUATION, InOrder(64, 16), pool)
        for _ in range(3):
            assert len(list(loader.batches())) == 4
        assert log.read_text() == "+"
        del loader
        gc.collect()
        wait_until(lambda: log.read_text() == "+-")


def test_closing_leaves_no_process():
    pool = WorkerPool(2)
    workers = pids(pool)
    assert all(is_alive(pid) for pid in workers)
    next(Loader(DIGITS, TRAINING, PLAN, pool).batches())
    pool.close()
    assert not any(is_alive(pid) for pid in workers)
    pool.close()


def test_a_pool_that_nobody_has_any_more_is_closed():
    pool = WorkerPool(1)
    [worker] = pids(pool)
    del pool
    gc.collect()
    wait_until(lambda: not is_alive(worker))


def test_a_killed_worker_is_reported():
    with WorkerPool(1) as pool:
        made = Loader(DIGITS, TRAINING, PLAN, pool).batches(stop=None)
        next(made)
        os.kill(pids(pool)[0], signal.SIGKILL)
        with pytest.raises(InputError, match=r"worker process was killed \(status -9\)"):
            list(made)
        with pytest.raises(InputError, match=r"worker process was killed \(status -9\)"):
            list(Loader(OTHERS, EVALUATION, InOrder(100, 16), pool).batches())


ANSWER = packed(("batch", None), {"images": np.zeros(9, np.uint8)})


@pytest.mark.parametrize(
    "last",
    [b"", ANSWER[:1], ANSWER[:30], ANSWER + b"1234", b"\xff" * 300, b"\x05" + bytes(7) + b"wrong"],
    ids=["between messages", "in a length", "in a message", "in the pixels", "a wrong length", "a wrong message"],
)
def test_a_worker_that_dies_between_two_bytes_is_reported(last, monkeypatch):
    """A worker that writes some bytes of an answer and is killed."""
    program = f"import os, signal; os.read(0, 1); os.write(1, {last!r}); os.kill(os.getpid(), signal.SIGKILL)"
    popen = subprocess.Popen
    monkeypatch.setattr(pools.subprocess, "Popen", lambda command, **how: popen([*command[:2], program], **how))
    start = time.monotonic()
    with WorkerPool(1) as pool, pytest.raises(InputError, match=r"killed \(status -9\)"):
        next(Loader(DIGITS, TRAINING, PLAN, pool).batches())
    assert time.monotonic() - start < 60


def test_a_worker_whose_pipe_others_hold_is_reported(monkeypatch):
    """A worker that is killed while a process that it started keeps its output open."""
    program = (
        "import os, signal, time; os.read(0, 1)\n"
        "if os.fork() == 0: time.sleep(90)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(pools.subprocess, "Popen", lambda command, **how: popen([*command[:2], program], **how))
    monkeypatch.setattr(pools, "_LAST_WORDS", 0.2)
    start = time.monotonic()
    with WorkerPool(1) as pool, pytest.raises(InputError, match=r"killed \(status -9\)"):
        next(Loader(DIGITS, TRAINING, PLAN, pool).batches())
    assert time.monotonic() - start < 60


def test_a_worker_with_a_fault_of_its_own_is_another_matter(monkeypatch):
    popen = subprocess.Popen
    monkeypatch.setattr(pools.subprocess, "Popen", lambda command, **how: popen([*command[:2], "1 / 0"], **how))
    with WorkerPool(1) as pool, pytest.raises(RuntimeError, match="ended with status 1"):
        next(Loader(DIGITS, TRAINING, PLAN, pool).batches())


def test_a_worker_that_is_stopped_is_said_and_waited_for(monkeypatch):
    alone = [content(batch) for batch in Loader(DIGITS, TRAINING, PLAN).batches()]
    said = []
    with WorkerPool(1) as pool:
        [worker] = pids(pool)

        def warned(text: str, *values: object) -> None:
            said.append(text % values)
            os.kill(worker, signal.SIGCONT)

        made = Loader(DIGITS, TRAINING, PLAN, pool).batches()
        seen = [content(next(made))]
        monkeypatch.setattr(pools, "_PATIENCE", 1.0)
        monkeypatch.setattr(pools.log, "warning", warned)
        os.kill(worker, signal.SIGSTOP)
        seen += [content(batch) for batch in made]
    assert seen == alone
    assert said[0].startswith(f"worker process {worker} has not answered for ")


SCRIPT = """
import sys, time
from googlenet.data.digits import Digits
from googlenet.data.pool import Job, WorkerPool
from googlenet.data.sampler import Sampler
from googlenet.data.samples import TrainingSamples

digits, pool = Digits(), WorkerPool(2)
job = Job(pool, digits, TrainingSamples((64, 64), 1), False)
for planned in Sampler(digits.labels, 64, 1).batches():
    job.order(planned).result()
    print(*(worker.process.pid for worker in pool.workers), flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_an_unguarded_script(how):
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    workers = [int(pid) for pid in script.stdout.readline().split()]
    assert len(workers) == 2
    if how == signal.SIGKILL and sys.platform == "linux":
        os.kill(workers[0], signal.SIGSTOP)  # also a worker that cannot look after itself
    script.send_signal(how)
    start = time.monotonic()
    _, errors = script.communicate(timeout=60)
    assert script.returncode in (-how, 1, 130)
    assert time.monotonic() - start < 60
    assert ("Traceback" in errors) == (how == signal.SIGINT)  # the script's own
    assert ", in main" not in errors  # of a worker, which says nothing
    wait_until(lambda: not any(is_alive(pid) for pid in workers))


def test_workers_do_without_torch():
    code = "import sys, googlenet.data.worker; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_default_workers():
    assert 0 <= default_workers() <= 8


def resident(pid: int) -> float:
    """Megabytes that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_memory_does_not_grow_over_twenty_epochs():
    held: dict[int, list[float]] = {}
    with WorkerPool(2) as pool:
        validation = Loader(OTHERS, EVALUATION, InOrder(100, 32), pool)
        for batch in Loader(DIGITS, TRAINING, PLAN, pool).batches(stop=20):
            if batch.step == 0:
                assert len(list(validation.batches())) == 4
                for pid in (os.getpid(), *pids(pool)):
                    held.setdefault(pid, []).append(resident(pid))
    assert len(held) == 3
    for megabytes in held.values():
        assert len(megabytes) == 20
        assert megabytes[19] - megabytes[4] < 4


OWN_DATA = """
import hashlib
import numpy as np
from googlenet.data.digits import Digits
from googlenet.data.pool import Job, WorkerPool
from googlenet.data.sampler import Sampler
from googlenet.data.samples import TrainingSamples

class Mine:
    def __init__(self):
        self.digits = Digits("validation")
        self.classes, self.labels = self.digits.classes, self.digits.labels
    def __len__(self):
        return len(self.digits)
    def read(self, index):
        return self.digits.read(index)
    def name(self, index):
        return f"mine {index}"

def show():
    data, digest = Mine(), hashlib.sha256()
    with WorkerPool(2) as pool:
        job = Job(pool, data, TrainingSamples((24, 24), 1), False)
        orders = [job.order(planned) for planned in Sampler(data.labels, 64, 1).batches(stop=2)]
        for order in orders:
            digest.update(order.result().arrays["images"].tobytes())
    print(digest.hexdigest())
"""
GUARDED = OWN_DATA + '\nif __name__ == "__main__":\n    show()\n'
UNGUARDED = OWN_DATA + "\nshow()\n"
CLOSURE = UNGUARDED.replace("        self.digits =", "        self.own = lambda index: index\n        self.digits =")
CELLS = f"""
for source, names in (({UNGUARDED!r}, {{"__name__": "__main__"}}), ({UNGUARDED!r}, {{}}), ({CLOSURE!r}, globals())):
    exec(compile(source, "<cell>", "exec"), names)
"""


@pytest.mark.parametrize(("program", "times"), [(GUARDED, 1), (UNGUARDED, 1), (CELLS, 3)])
def test_a_data_set_defined_in_a_script_or_notebook(program, times, tmp_path):
    """The same bytes as from a data set that workers can import, and one line that says what is slower."""
    script = tmp_path / "script.py"
    script.write_text(program)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    digits = Digits("validation")
    loader = Loader(digits, TrainingSamples((24, 24), 1), Sampler(digits.labels, 64, 1))
    expected = hashlib.sha256(b"".join(batch["images"].numpy().tobytes() for batch in loader.batches(stop=2)))
    assert run.stdout.split() == times * [expected.hexdigest()]
    lines = run.stderr.splitlines()
    assert len(lines) == times
    assert all(line.startswith("Mine with TrainingSamples cannot be sent to worker processes") for line in lines)


class Slow(Subset):
    """Its own errors keep their kind when a thread reads it."""

    def __init__(self) -> None:
        super().__init__(DIGITS, range(40))
        self.unsendable = lambda: None

    def read(self, index: int) -> bytes:
        raise TimeoutError(f"no answer for {index}")


def test_what_a_data_set_in_a_thread_raises_is_raised():
    with WorkerPool(1) as pool, pytest.raises(TimeoutError, match="no answer for 0"):
        list(islice(Loader(Slow(), EVALUATION, InOrder(40, 8), pool).batches(), 2))
