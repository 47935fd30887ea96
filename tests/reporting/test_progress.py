"""Progress on a terminal and elsewhere, with a clock that the test turns."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
import types

import pytest

from googlenet.reporting.console import say
from googlenet.reporting.progress import Progress


class Clock:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stand-in for a terminal."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was drawn, line by line, without control sequences."""
        return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue()))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def run(stream: io.StringIO, seconds: int, **options: int) -> None:
    """100 images a second for `seconds` seconds, with a loss of 1 / second."""
    clock = Clock()
    with Progress("training", 2500, stream=stream, clock=clock, **options) as progress:
        for second in range(1, seconds + 1):
            clock.now += 1
            progress.update(100, loss=1 / second, **{"top-1": "71.3 %"})


def test_elsewhere_a_line_every_ten_seconds_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    run(stream, 25)
    assert stream.getvalue().split("\n") == [
        "training: 1,000/2,500 images (40 %), 100 images/s, 15 s left, loss 0.100, top-1 71.3 %",
        "training: 2,000/2,500 images (80 %), 100 images/s, 5.0 s left, loss 0.050, top-1 71.3 %",
        "training: 2,500 images in 25 s, 100 images/s, loss 0.040, top-1 71.3 %",
        "",
    ]
    assert capsys.readouterr() == ("", "")


def test_by_default_it_speaks_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", 10) as progress:
        progress.update(10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("reading: 10 images in 0.0 s")


def test_a_handful_shows_nothing() -> None:
    stream = io.StringIO()
    with Progress("predicting", 5, stream=stream) as progress:
        for _ in range(5):
            progress.update()
    assert stream.getvalue() == ""


def test_a_handful_that_lasts_is_shown() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("predicting", 2, stream=stream, clock=clock) as progress:
        for _ in range(2):
            clock.now += 8
            progress.update()
    assert stream.getvalue().split("\n") == [
        "predicting: 2/2 images (100 %), 0.12 images/s",
        "predicting: 2 images in 16 s, 0.12 images/s",
        "",
    ]


def test_work_without_a_known_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("reading", unit="files", stream=stream, clock=clock) as progress:
        for _ in range(10):
            clock.now += 1
            progress.update(3)
    assert stream.getvalue() == ("reading: 30 files, 3 files/s\nreading: 30 files in 10 s, 3 files/s\n")


def test_what_an_earlier_run_did_is_not_in_the_rate() -> None:
    stream = io.StringIO()
    run(stream, 15, start=1000)
    first, last, _ = stream.getvalue().split("\n")
    assert first.startswith("training: 2,000/2,500 images (80 %), 100 images/s, 5.0 s left")
    assert last.startswith("training: 1,500 images in 15 s, 100 images/s")


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("training", 10**6, stream=stream, clock=clock) as progress:
        for second in range(1, 101):
            clock.now += 1
            progress.update(10 if second <= 60 else 1000)
    lines = stream.getvalue().split("\n")
    assert " 10 images/s" in lines[4]
    assert " 1,000 images/s" in lines[9]


def test_an_error_says_where_it_stopped() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("training", 2500, stream=stream, clock=clock)
    with contextlib.suppress(KeyboardInterrupt), progress:
        clock.now += 4
        progress.update(100)
        raise KeyboardInterrupt
    assert stream.getvalue() == "training: stopped at 100/2,500 images in 4.0 s, 25 images/s\n"


def test_a_new_description_and_hostile_fields_show_from_the_next_line_on() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("epoch 1", 100, stream=stream, clock=clock) as progress:
        progress.description = "epoch 2"
        clock.now += 10
        progress.update(50, image="a\x1b[2J\nb.jpg")
    assert stream.getvalue().split("\n")[0] == ("epoch 2: 50/100 images (50 %), image a\\x1b[2J\\nb.jpg")


@pytest.mark.parametrize("columns", [160, 80, 40, 20])
def test_the_live_line_keeps_within_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    run(stream, 24)
    *drawn, last, end = stream.lines()
    assert end == ""
    assert last == "training: 2,400 images in 24 s, 100 images/s, loss 0.042, top-1 71.3 %"
    assert max(len(line) for line in drawn) <= columns
    text = "\n".join(drawn)
    for part in ("1,700/2,500", "loss 0.059", "top-1 71.3 %", *(["8.0 s left"] if columns >= 40 else [])):
        assert part in text
    assert any("1,700/2,500" in line and "loss 0.059" in line for line in drawn) == (columns == 160)


def test_the_live_line_is_redrawn_at_most_ten_times_a_second() -> None:
    stream, clock = Terminal(), Clock()
    with Progress("training", 10_000, stream=stream, clock=clock) as progress:
        for _ in range(1000):
            clock.now += 0.001
            progress.update()
    assert stream.getvalue().count("training") <= 13


def test_the_cursor_is_never_left_hidden() -> None:
    stream = Terminal()
    with contextlib.suppress(KeyboardInterrupt), Progress("training", 100, stream=stream) as progress:
        progress.update(50)
        assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
        raise KeyboardInterrupt
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
    assert "stopped at 50/100 images" in stream.lines()[-2]


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m")
    coloured, plain = Terminal(), Terminal()
    run(coloured, 5)
    monkeypatch.setenv("NO_COLOR", "1")
    run(plain, 5)
    assert colour.search(coloured.getvalue())
    assert not colour.search(plain.getvalue())
    assert "500/2,500" in plain.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    dumb, elsewhere = Terminal(), io.StringIO()
    run(dumb, 25)
    run(elsewhere, 25)
    assert dumb.getvalue() == elsewhere.getvalue()


def test_forced_colours_do_not_make_a_pipe_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    run(stream, 25)
    assert "\x1b" not in stream.getvalue()


def test_what_is_said_meanwhile_stands_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("training", 100) as progress:
        progress.update(10)
        before = len(stream.getvalue())
        say("one image is broken")
    # The line is erased (carriage return, erase) before the message, and drawn again after it.
    assert re.match(r"\r\x1b\[2K(\x1b\[1A\x1b\[2K)*one image is broken\r?\n.*training", stream.getvalue()[before:])
    assert sys.stderr is stream


def test_aside_the_line_is_gone_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("training", 100) as progress:
        progress.update(10)
        assert sys.stderr is not stream
        with progress.aside():
            assert sys.stderr is stream
            assert stream.getvalue().endswith("\x1b[1A\x1b[2K")
        assert stream.getvalue().rindex("training") > stream.getvalue().rindex("\x1b[2K")
    assert sys.stderr is stream


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a matter of POSIX")
def test_control_c_on_a_real_terminal_restores_it_and_leaves_stdout_alone() -> None:
    import pty

    program = """
import time
import types
from googlenet.reporting.progress import Progress
with Progress("training", 1000) as progress:
    while True:
        progress.update(1, loss=0.5)
        time.sleep(0.02)
"""
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + 120
    while b"loss 0.500" not in seen and time.monotonic() < deadline:
        seen += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    out, _ = process.communicate(timeout=120)
    os.close(master)
    assert out == b""
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert re.search(rb"training: stopped at [\d,]+/1,000 images in ", seen)


def test_what_came_before_the_first_images_is_not_in_the_rate() -> None:
    """Two minutes of loading, then a batch of 50 at once each 5 seconds: 10 images a second."""
    stream, clock = io.StringIO(), Clock()
    with Progress("predicting", 400, stream=stream, clock=clock) as progress:
        clock.now += 120
        for _ in range(49):
            progress.update()  # the first batch, image by image
        for _ in range(4):
            progress.update(1 + 50 * (progress.done > 49))
            clock.now += 5
    assert stream.getvalue().split("\n") == [
        "predicting: 1/400 images (0 %)",
        "predicting: 152/400 images (38 %), 10 images/s, 24 s left",
        "predicting: 203 images in 2 min 20 s, 7.7 images/s once under way",
        "",
    ]


def test_a_full_disk_under_the_log_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w")  # noqa: PTH123, SIM115
    monkeypatch.setattr(sys, "stderr", full)
    clock = Clock()
    with Progress("training", 100, clock=clock) as progress:
        for _ in range(10):
            clock.now += 10
            progress.update(10)
        say("one image is broken")
    with pytest.raises(OSError, match="No space left"):
        full.close()


class ZMQInteractiveShell:
    """What Jupyter's kernels call themselves."""


class Shell(ZMQInteractiveShell):
    """A relative of theirs."""


class Output:
    """One output of a cell: the texts that it showed."""

    def __init__(self, data: dict[str, str]) -> None:
        self.texts = [data["text/plain"]]

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.texts.append(data["text/plain"])


def test_a_notebook_shows_one_output_drawn_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs: list[Output] = []

    def display(data: dict[str, str], raw: bool, display_id: bool) -> Output:
        assert raw
        assert display_id
        outputs.append(Output(data))
        return outputs[-1]

    module, shown = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.get_ipython, shown.display = Shell, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    clock = Clock()
    with Progress("training", 100, clock=clock) as progress:
        for _ in range(9):
            clock.now += 1
            progress.update(10, loss=0.5)
        with progress.aside():
            print("a result")
        say("one image is broken")
    [output] = outputs
    assert re.fullmatch(r"training +━+╸? +90/100 +10 images/s +1\.0 s left +loss 0\.500", output.texts[-3])
    assert output.texts[-1] == "training: 90 images in 9.0 s, 10 images/s, loss 0.500"
    assert all(text.strip() for text in output.texts)
    assert capsys.readouterr() == ("a result\n", "one image is broken\n")
