"""The compiled kernels: the right library is loaded, and a wrong or damaged one ends no process."""

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from googlenet import native
from googlenet.errors import InputError

needs_kernels = pytest.mark.skipif(native.library() is None, reason="built without kernels")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    native.library.cache_clear()
    yield
    native.library.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the libraries without their sources, as a wheel has them."""
    for file in native._FOLDER.glob("*.so"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(native, "_FOLDER", tmp_path)
    return tmp_path


def _processor_flags() -> set[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return set(next(line for line in lines if line.startswith(("flags", "Features"))).split())


@pytest.mark.skipif(not any(map(shutil.which, ["c++", "g++", "clang++"])), reason="no C++ compiler here")
def test_where_there_is_a_compiler_there_are_kernels() -> None:
    native.load("baseline")  # `make kernels` builds them anew


@needs_kernels
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_the_level_is_the_best_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLENET_INSTRUCTIONS", raising=False)
    flags = _processor_flags()
    wide = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    best = "baseline" if not {"avx2", "fma"} <= flags else "avx512" if wide <= flags else "avx2"
    assert native.level() == best


@needs_kernels
def test_a_level_may_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_INSTRUCTIONS", "baseline")
    assert native.level() == "baseline"


def test_none_may_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_INSTRUCTIONS", "none")
    assert native.library() is None
    assert native.level() == "none"


def test_an_unknown_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_INSTRUCTIONS", "avx3")
    with pytest.raises(InputError, match="'avx3' is not known; there is baseline, avx2, avx512 and none"):
        native.library()


@needs_kernels
def test_a_level_beyond_the_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if native.level() == "avx512":
        pytest.skip("this processor runs all")
    native.library.cache_clear()
    monkeypatch.setenv("GOOGLENET_INSTRUCTIONS", "avx512")
    with pytest.raises(InputError, match="this processor does not run avx512, but baseline"):
        native.library()


def test_without_a_library_one_line_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for file in folder.iterdir():
        file.unlink()
    with caplog.at_level(logging.INFO, "googlenet"):
        assert native.library() is None
        assert native.library() is None
    (record,) = caplog.records
    assert "slower forms" in record.message
    assert "built without a C++ compiler" in record.message


@needs_kernels
def test_a_wheel_has_no_sources_to_compare_with(folder: Path) -> None:
    assert native.library() is not None


@needs_kernels
def test_a_library_of_other_sources_is_not_believed(folder: Path) -> None:
    (folder / "more.cpp").write_text("// something else")
    with pytest.raises(OSError, match="built from other sources; call make kernels"):
        native.load("baseline")


@needs_kernels
@pytest.mark.parametrize("part", [0.0, 0.0001, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_cut_library_does_not_end_the_process(part: float, folder: Path) -> None:
    for file in folder.iterdir():
        os.truncate(file, int(file.stat().st_size * part))
    lines = f"import pathlib; from googlenet import native; native._FOLDER = pathlib.Path({str(folder)!r})"
    code = f"{lines}; print(native.library())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "None\n" or part >= 0.9  # only what is never mapped is missing


@needs_kernels
def test_a_library_of_rubbish_is_not_loaded(folder: Path) -> None:
    for content in (b"", b"\x7fELF\x02", b"\x7fELF\x02" + b"\xff" * 200, b"rubbish" * 1000):
        (folder / "kernels-baseline.so").write_bytes(content)
        with pytest.raises(OSError, match=r"kernels-baseline\.so"):
            native.load("baseline")


@needs_kernels
def test_a_refusal_is_an_error_of_the_kernels_name() -> None:
    with pytest.raises(ValueError, match="shrink_by_area: each side may only shrink"):
        native.call("shrink_by_area", 0, 3, 3, 9, 0, 4, 3)


@needs_kernels
def test_what_a_cut_library_lacks_is_named(folder: Path) -> None:
    for file in folder.iterdir():
        os.truncate(file, file.stat().st_size // 2)
    assert native.library() is None
    assert re.fullmatch(r".*kernels-baseline\.so is damaged; install the package again", native.lack())


@needs_kernels
def test_nothing_is_lacking_where_there_is_a_library() -> None:
    assert native.lack() == ""
