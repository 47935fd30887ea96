"""The checkpoint of a run survives what disks do: torn files, full disks, folders that may not be written."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet import files
from googlenet.errors import InputError
from googlenet.training.checkpoints import CURRENT, PREVIOUS, State, load, save
from googlenet.training.log import MetricsLog


def made(step: int) -> State:
    tensors = {
        "network.conv.weight": torch.full((40, 3), float(step)),
        "network.norm.num_batches_tracked": torch.tensor(step),
        "velocity.conv.weight": torch.arange(120.0).reshape(40, 3).t(),  # not contiguous
    }
    return State(step, tensors, 100 * step, {"average_updates": step, "bad_images": {"é.jpg": "broken"}})


def test_what_is_saved_is_loaded(tmp_path: Path):
    save(tmp_path, made(7))
    found = load(tmp_path)
    assert found is not None
    assert (found.step, found.metrics_bytes, found.counters) == (7, 700, made(7).counters)
    assert found.tensors.keys() == made(7).tensors.keys()
    for name, tensor in made(7).tensors.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype
    assert found.part("velocity").keys() == {"conv.weight"}


def test_there_is_nothing_before_the_first_save(tmp_path: Path):
    assert load(tmp_path) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_torn_anywhere_costs_only_itself(tmp_path: Path, share: float):
    for step in (1, 2):
        save(tmp_path, made(step))
    content = (tmp_path / CURRENT).read_bytes()
    (tmp_path / CURRENT).write_bytes(content[: int(share * len(content))])
    found = load(tmp_path)
    assert found is not None
    assert found.step == 1
    save(tmp_path, made(3))  # and the whole one that was left is not overwritten by the torn one
    assert (tmp_path / PREVIOUS).exists()
    (tmp_path / CURRENT).unlink()
    found = load(tmp_path)
    assert found is not None
    assert found.step == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_believed(tmp_path: Path, share: float, bit: int):
    for step in (1, 2):
        save(tmp_path, made(step))
    content = bytearray((tmp_path / CURRENT).read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    place = header + int(share * (len(content) - header))  # among the numbers; the header has checks of its own
    content[place] ^= 1 << bit
    (tmp_path / CURRENT).write_bytes(content)
    found = load(tmp_path)
    assert found is not None
    assert found.step == 1


def test_two_torn_checkpoints_are_said_and_left_alone(tmp_path: Path):
    for step in (1, 2):
        save(tmp_path, made(step))
    for name in (CURRENT, PREVIOUS):
        (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(InputError, match=r"state\.safetensors: not a safetensors file.*state\.previous"):
        load(tmp_path)
    assert (tmp_path / CURRENT).exists()


def test_another_file_is_not_taken_for_a_state(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / CURRENT)
    with pytest.raises(InputError, match="not the state of a training run"):
        load(tmp_path)


def test_a_full_disk_costs_nothing_that_was_saved(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
):
    for step in (1, 2):
        save(tmp_path, made(step))
    size = (tmp_path / CURRENT).stat().st_size
    with full_disk(size // 2), pytest.raises(InputError, match=r"state\.safetensors: cannot be written"):
        save(tmp_path, made(3))
    assert_steps(tmp_path, 2, 1)


@pytest.mark.parametrize(("module", "function"), [(files.os, "fsync"), (files.tempfile, "mkstemp")])
def test_a_disk_that_fails_costs_nothing_that_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, function: str
):
    for step in (1, 2):
        save(tmp_path, made(step))
    with monkeypatch.context() as patch:
        patch.setattr(module, function, _refuse)
        with pytest.raises(InputError, match="cannot be written"):
            save(tmp_path, made(3))
    found = load(tmp_path)
    assert found is not None
    assert found.step == 2
    save(tmp_path, made(3))
    assert_steps(tmp_path, 3, 2)


def test_without_hard_links_the_state_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "link", _refuse)
    for step in (1, 2, 3):
        save(tmp_path, made(step))
    assert_steps(tmp_path, 3, 2)


def assert_steps(folder: Path, current: int, previous: int) -> None:
    """Both checkpoints are whole, and nothing else lies about."""
    assert sorted(path.name for path in folder.iterdir()) == [PREVIOUS, CURRENT]
    for name, step in ((CURRENT, current), (PREVIOUS, previous)):
        found = load(folder)
        assert found is not None
        assert found.step == step
        (folder / name).unlink()


def _refuse(*arguments: object, **options: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused_and_kept(tmp_path: Path):
    save(tmp_path, made(1))
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            save(tmp_path, made(2))
        found = load(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert found is not None
    assert found.step == 1


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    log.write({"step": 1, "loss": 1 / 3})
    length = log.settle()
    log.write({"step": 2})
    path.open("ab").write(b'{"step": 3, "lo')  # a line that a killed process left
    log.close()
    again = MetricsLog(path, length)
    again.write({"step": 2, "loss": 2.0})
    again.close()
    assert path.read_text() == '{"step": 1, "loss": 0.333333}\n{"step": 2, "loss": 2.0}\n'


def test_metrics_that_were_lost_stay_lost_and_the_log_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "metrics.jsonl"
    for before, kept in ((None, ""), ('{"a": 1}\n{"a"', '{"a": 1}\n')):
        if before:
            path.write_text(before)
        log = MetricsLog(path, 100)
        assert "shorter than it was at the checkpoint" in " ".join(capsys.readouterr().err.split())
        log.write({"a": 2})
        assert log.settle() == path.stat().st_size
        log.close()
        assert path.read_text() == kept + '{"a": 2}\n'
