"""Forms whose speed is known, and a cache folder of the test's own."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from googlenet import machine
from googlenet.errors import InputError

PAUSE = machine.PAUSE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path))
    monkeypatch.delenv("GOOGLENET_FORMS", raising=False)
    monkeypatch.setattr(machine, "PAUSE", 0.0)
    machine._said.clear()
    return tmp_path


FORMS: dict[str, Callable[[], None]] = {"slow": lambda: time.sleep(0.002), "quick": lambda: None}


def _refuse() -> None:
    pytest.fail("measured although the answer was known")


def test_the_quicker_form_is_found_and_remembered(folder: Path) -> None:
    first = machine.choose("sleeping", FORMS, key="two")
    assert (first.form, first.ground) == ("quick", "measured")
    assert first.seconds["slow"] >= 0.002 > first.seconds["quick"]
    second = machine.choose("sleeping", dict.fromkeys(FORMS, _refuse), key="two")
    assert (second.form, second.ground) == ("quick", "remembered")
    assert second.seconds == first.seconds
    assert machine.choose("sleeping", FORMS, key="three").ground == "measured"
    assert len(list(folder.iterdir())) == 1


def test_other_forms_are_measured_anew() -> None:
    machine.choose("sleeping", FORMS)
    assert machine.choose("sleeping", FORMS | {"other": lambda: None}).ground == "measured"


def test_threads_that_still_spin_are_not_held_against_the_next_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PAUSE", PAUSE)
    spinning_until = 0.0

    def spins_on() -> None:
        nonlocal spinning_until
        time.sleep(0.01)
        spinning_until = time.perf_counter() + 0.03

    def quick() -> None:
        time.sleep(0.02 if time.perf_counter() < spinning_until else 0.005)

    assert machine.choose("sleeping", {"spins on": spins_on, "quick": quick}, rounds=1).form == "quick"


def test_the_variable_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_FORMS", "waking=early, sleeping=slow")
    choice = machine.choose("sleeping", dict.fromkeys(FORMS, _refuse))
    assert (choice.form, choice.ground) == ("slow", "told")


@pytest.mark.parametrize(
    ("value", "message"),
    [("sleeping=deep", "'deep' is no form of sleeping here; there is slow, quick"), ("sleeping", "QUESTION=FORM")],
)
def test_a_wrong_variable_is_one_line(value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_FORMS", value)
    with pytest.raises(InputError, match=message):
        machine.choose("sleeping", FORMS)


def test_a_single_form_is_not_measured(folder: Path) -> None:
    assert machine.choose("sleeping", {"slow": _refuse}).ground == "only one"
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"sleeping": 3}',
        b'{"sleeping": {"slow": 1}}',
        b'{"sleeping": {"slow": null, "quick": "now"}}',
        b'{"sleeping": {"slow": NaN, "quick": 1.0}}',
        b"[" * 100000,
    ],
)
def test_a_damaged_memory_is_measured_again(content: bytes, folder: Path) -> None:
    machine.choose("sleeping", FORMS)
    (file,) = folder.iterdir()
    file.write_bytes(content)
    assert machine.choose("sleeping", FORMS).ground == "measured"
    assert json.loads(file.read_bytes())["sleeping"].keys() == FORMS.keys()


@pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_a_memory_that_others_may_write_is_measured_again(mode: int, folder: Path) -> None:
    machine.choose("sleeping", FORMS)
    (file,) = folder.iterdir()
    file.write_text('{"sleeping": {"slow": 0.0, "quick": 9.0}}')
    file.chmod(mode)
    assert machine.choose("sleeping", FORMS).ground == "measured"
    assert machine.choose("sleeping", FORMS).ground == "remembered"  # what was written then is its user's


@pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
def test_a_memory_of_somebody_else_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine.choose("sleeping", FORMS)
    assert machine.choose("sleeping", FORMS).ground == "remembered"
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert machine.choose("sleeping", FORMS).ground == "measured"


def test_a_folder_that_cannot_be_written_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", "/dev/null/here")
    assert machine.choose("sleeping", FORMS).form == "quick"


def test_a_choice_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "googlenet"):
        for _ in range(3):
            machine.choose("sleeping", FORMS)
    (record,) = caplog.records
    assert record.message.startswith("sleeping: quick, measured now (slow 2")
    assert str(machine.choose("sleeping", FORMS)).startswith(
        "sleeping: quick, as measured before on this machine (slow"
    )


def test_the_cache_folder_follows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLENET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert machine.cache_folder() == Path("/somewhere/googlenet")


def test_a_cache_folder_that_still_has_its_tilde_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLENET_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: Path("~/.cache/googlenet"))
    assert machine.cache_folder().is_absolute()


def test_without_a_home_the_cache_is_the_processs_own(tmp_path: Path) -> None:
    """A user whom the system does not know, as containers have them."""
    program = """
import pwd
def unknown(user): raise KeyError(user)
pwd.getpwuid = unknown
from googlenet.machine import cache_folder, choose
print(cache_folder())
choose("sleeping", {"a": lambda: None, "b": lambda: None})
assert len(list(cache_folder().iterdir())) == 1
"""
    environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_not_known_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", "~nobody-of-that-name/cache")
    with pytest.raises(InputError, match="GOOGLENET_CACHE: no home folder is known for '~nobody"):
        machine.cache_folder()


def test_the_processor_is_described() -> None:
    found = machine.processor()
    assert found.cores >= 1
    assert str(found.cores) in str(found)
    assert found.fingerprint == machine.processor().fingerprint


def test_keeping_memory_spares_page_faults() -> None:
    """Ten times 64 MB, freed each time: touched anew each time by default, once when the library keeps them."""
    if not sys.platform.startswith("linux"):
        pytest.skip("page faults are counted as Linux does")
    program = """
import ctypes, resource, sys
from googlenet.machine import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(1 << 26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {}
    for setting in ("keep", "default"):
        run = subprocess.run([sys.executable, "-c", program, setting], capture_output=True, text=True, check=False)
        if run.returncode == 3:
            pytest.skip("this C library takes no such setting")
        faults[setting] = int(run.stdout)
    assert faults["keep"] < faults["default"] / 2
