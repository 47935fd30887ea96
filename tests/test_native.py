"""Compiling: what a compiler says is not the user's trouble, and what it made is found again."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from googlenet import native


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path))
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def test_the_result_is_cached_and_needs_no_compiler_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if native.library("local_response_norm") is None:
        pytest.skip("no C++ compiler here")
    (file,) = (tmp_path / "native").iterdir()
    native.library.cache_clear()
    monkeypatch.setattr(native, "_compile", lambda *_: pytest.fail("compiled twice"))
    assert native.library("local_response_norm") is not None
    assert list((tmp_path / "native").iterdir()) == [file]


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler-anywhere"])
def test_without_a_working_compiler_there_is_none(
    compiler: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(native.shutil, "which", lambda name: "/bin/false" if name == "false" else None)
    with caplog.at_level(logging.INFO, "googlenet"):
        assert native.library("local_response_norm") is None
    assert "local response norm takes a slower form" in caplog.text


def test_a_damaged_file_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_compile", lambda *_: b"not a library")
    assert native.library("local_response_norm") is None
