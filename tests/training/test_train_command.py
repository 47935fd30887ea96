"""`googlenet train` as a user gives it: a process of its own, its exit status, its two streams."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import write_images

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder / "validation", each=3, seed=1)
    return write_images(folder / "train")


def command(data: Path, output: Path, *options: str) -> list[str]:
    small = ["--network", "googlenet-tiny", "--width", "0.25", "--batch-size", "4", "--log-every", "1"]
    where = [str(data), "-o", str(output), "--validation", str(data.parent / "validation")]
    return [sys.executable, "-m", "googlenet", "train", *where, *small, "--workers", "0", "--device", "cpu", *options]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),  # type: ignore[arg-type]
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=ENVIRONMENT,
    )


def interrupted(data: Path, folder: Path, number: signal.Signals, *options: str) -> tuple[int, str, str]:
    """Send a signal to a run after some steps; return its exit status, and what it wrote to its two streams."""
    process = subprocess.Popen(
        command(data, folder, *options), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while not metrics.exists() or metrics.stat().st_size < 1000:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def steps(folder: Path) -> list[int]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if line["event"] == "step"]


def expect_saved(status: int, out: str, err: str, data: Path, folder: Path) -> None:
    assert status == 130
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert "stopped after step" in last
    assert f"go on with: googlenet train {data} -o {folder}" in last
    assert "finished and saved first" in err
    assert "Traceback" not in err
    assert not (folder / "summary.json").exists()


def test_an_interruption_saves_and_the_same_command_goes_on(data: Path, tmp_path: Path):
    epochs = ("--epochs", "6")
    expect_saved(*interrupted(data, tmp_path / "run", signal.SIGINT, *epochs), data, tmp_path / "run")
    again = run(data, tmp_path / "run", *epochs, "--json")
    assert again.returncode == 0, again.stderr
    assert "going on after step" in again.stderr
    summary = json.loads(again.stdout)
    assert summary == json.loads((tmp_path / "run/summary.json").read_text())
    assert steps(tmp_path / "run") == list(range(1, 37))
    finished = run(data, tmp_path / "run", *epochs, "--json")
    assert finished.returncode == 0
    assert finished.stdout == again.stdout


def test_being_ended_saves_as_well(data: Path, tmp_path: Path):
    expect_saved(*interrupted(data, tmp_path / "run", signal.SIGTERM, "--epochs", "6"), data, tmp_path / "run")


STAGES = ("--stages", "2", "--accumulate", "2")


@pytest.mark.parametrize("stages", [(), pytest.param(STAGES, marks=pytest.mark.long)])
def test_two_processes_stop_together_and_go_on_together(data: Path, tmp_path: Path, stages: tuple[str, ...]):
    options = ("--epochs", "6", "--processes", "2", *stages)
    status, out, err = interrupted(data, tmp_path / "run", signal.SIGINT, *options)
    assert status == 130, err
    assert out == ""
    assert err.count("go on with: googlenet train") == 1
    assert "Traceback" not in err
    again = run(data, tmp_path / "run", *options, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads((tmp_path / "run/summary.json").read_text())
    assert steps(tmp_path / "run") == list(range(1, 37))
    assert [one.name for one in (tmp_path / "run/ranks").iterdir()] == ["rank-1.log"]
    assert "stopped after step" in (tmp_path / "run/ranks/rank-1.log").read_text()


def test_what_cannot_be_begun_is_one_line_and_status_2(data: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for arguments, wanted in {
        (tmp_path / "none", tmp_path / "a"): "none: no such file or folder",
        (data, tmp_path / "b", "--rate", "-1"): "rate -1.0: give a number above 0",
        (data, tmp_path / "c", "--pretrained", str(tmp_path / "w.safetensors")): "w.safetensors: no such file",
        (data, tmp_path / "file"): "file: cannot be written",
        (data, tmp_path / "d", "--stages", "2", "--network", "googlenet-bn"): "stages 2: googlenet-bn normalises over",
        (data, tmp_path / "d", "--stages", "2"): "stages 2: there is one process; give 2, 4, 6 ... (--processes)",
    }.items():
        done = run(*arguments)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        (line,) = done.stderr.strip().splitlines()
        assert wanted in line


def test_a_run_that_breaks_off_after_some_steps_is_one_line_and_status_1(data: Path, tmp_path: Path):
    broken = tmp_path / "images/train"
    shutil.copytree(data.parent, broken.parent)
    file = broken / "ash/0.png"
    file.write_bytes(file.read_bytes()[:300])
    done = run(broken, tmp_path / "run", "--epochs", "1", "--seed", "1")
    logged = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert len(logged) > 0, "the bad image is in the first batch; take another seed"
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "ash/0.png: not a whole PNG file" in done.stderr.splitlines()[-1]
    assert "take it away to go on, or give --skip-bad-images" in done.stderr.splitlines()[-1]


def test_a_run_that_diverges_ends_with_status_1_and_names_the_batch(data: Path, tmp_path: Path):
    done = run(data, tmp_path / "run", "--epochs", "3", "--rate", "1e30", "--save-minutes", "0")
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "is not finite" in line]
    assert line.count(".png") == 4
    assert f"{tmp_path}/run/last-good.safetensors" in line
    assert "Traceback" not in done.stderr
