"""Signals: what they wish, what is said at once, and what a second one does."""

import os
import signal
from collections.abc import Iterator

import pytest

from googlenet.training.interruption import EndedAtOnce, Interruption

NUMBERS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.fixture
def interruption() -> Iterator[Interruption]:
    with Interruption() as found:
        yield found


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_a_wish_and_is_answered_at_once(
    interruption: Interruption, number: signal.Signals, capfd: pytest.CaptureFixture[str]
):
    os.kill(os.getpid(), number)
    assert interruption.wanted
    assert "finished and saved first; Ctrl-C once more ends at once" in capfd.readouterr().err


def test_of_several_in_a_terminal_one_answers(
    interruption: Interruption, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LOCAL_RANK", "1")
    os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.wanted
    assert capfd.readouterr().err == ""


def test_a_second_ctrl_c_ends_at_once_and_other_signals_may_come_twice(
    interruption: Interruption, capfd: pytest.CaptureFixture[str]
):
    for number in (*NUMBERS[1:], *NUMBERS[1:]):
        os.kill(os.getpid(), number)
    with pytest.raises(EndedAtOnce, match="what was saved before"):
        os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err.count("stopping") == 1


def test_handlers_come_back_and_what_is_ignored_stays_ignored():
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(NUMBERS[-1], signal.SIG_IGN)  # as nohup does
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), NUMBERS[-1])
            assert not interruption.wanted
        assert signal.getsignal(NUMBERS[-1]) is signal.SIG_IGN
    finally:
        signal.signal(NUMBERS[-1], before[NUMBERS[-1]])
    assert {number: signal.getsignal(number) for number in NUMBERS} == before


def test_a_terminal_that_is_gone_silences_and_does_not_fail(
    interruption: Interruption, capfd: pytest.CaptureFixture[str]
):
    kept = os.dup(2)
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 2)  # nobody reads: writing fails, as on a terminal that was closed
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.wanted
        assert os.write(2, b"unheard") == 7
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, writing):
            os.close(descriptor)
