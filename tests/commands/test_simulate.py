"""`googlenet simulate` on a few digits: table and answers, JSON, a page, going on, and what is refused."""

import json

import pytest

from googlenet.__main__ import main
from googlenet.distributed.simulation import study as studies

TIMES = ["--step-seconds", "0.5", "--update-seconds", "0.02"]
FEW = ["digits:validation", "--validation", "digits:validation", *TIMES, "--workers", "1", "8", "--shards", "2"]
SHORT = [
    *FEW,
    "--learning-workers",
    "1",
    "3",
    "--rates",
    "0.02",
    "--epochs",
    "1",
    "--exchanges",
    "synchronous",
    "downpour",
]


def simulate(capsys, *arguments):
    status = main(["simulate", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_paces_as_a_table_and_the_answer_in_words(capsys):
    status, out, err = simulate(capsys, *FEW, "--learning-workers")
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0].split("\t")[0].strip() == "exchange"
    assert [line.split("\t")[0].strip() for line in lines[1:7]] == [
        *["synchronous"] * 2,
        *["backup"] * 2,
        *["downpour"] * 2,
    ]
    assert "For googlenet" in lines[8]
    assert "machines are worth it" in lines[8]


def test_json_is_the_same_each_time_and_a_page_goes_on(capsys, tmp_path, monkeypatch):
    status, out, err = simulate(capsys, *SHORT, "--json", "--report", tmp_path / "report")
    assert status == 0, err
    assert "at the most" in err
    found = json.loads(out)
    assert found["settings"]["exchanges"] == ["synchronous", "downpour"]
    assert [(run["arm"], run["workers"]) for run in found["learning"]] == [
        *[("synchronous", 1), ("synchronous", 3), ("downpour", 3)],
    ]
    assert {"report.html", "simulation.json", "speed.png", "staleness.png", "learning.png", "runs.jsonl"} == {
        path.name for path in (tmp_path / "report").iterdir()
    }
    monkeypatch.setattr(studies, "learn", None)  # all runs are kept
    _, again, _ = simulate(capsys, *SHORT, "--json", "--report", tmp_path / "report")
    assert again == out


def test_the_pace_is_shown_before_the_learning_and_nothing_twice(capsys, monkeypatch):
    shown, learn = [], studies.learn

    def learning(*arguments, **options):
        shown.append(capsys.readouterr())
        return learn(*arguments, **options)

    monkeypatch.setattr(studies, "learn", learning)
    status, out, _ = simulate(capsys, *SHORT, "--rates", "0.02", "--learning-workers", "1")
    assert status == 0
    (before,) = shown
    assert before.out.splitlines()[0].startswith("exchange")
    assert "machines are worth it" in before.out
    assert "downpour: worth it up to" in before.out
    assert "learning: 1 setting, 1 rate each" in before.err
    assert before.err.rstrip().endswith("--learning-workers without a number leaves it out")
    assert "worth it" not in out
    assert out.splitlines()[-1].startswith("Not calibrated")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bandwidth", "0"], "bandwidth 0.0: give at least 1e-06"),
        (["--failures", "10", "--checkpoint-minutes", "6000"], "--failures 10: one machine alone gets nothing done"),
        (
            ["--failures", "100", "--push-every", "1000", "--checkpoint-minutes", "1", "--learning-workers"],
            "--failures 100: a worker hardly",
        ),
        (["--failures", "10", "--learning-workers", "500"], "--learning-workers 500: with synchronous nothing gets"),
        (["--seed", "9" * 400], "--seed 999"),
        (["--network", "alexnet"], "network 'alexnet' is not known"),
        (["--workers", "0"], "workers 0: give numbers from 1"),
        (["--exchanges", "telepathy"], "exchanges"),
        (["--calibrate", "2"], "--calibrate: give several numbers of workers, such as 1 2 4"),
        (["nowhere", "--validation", "digits"], "nowhere: no such file or folder"),
        (["nowhere"], "nowhere: no such file or folder"),
        (["digits:train"], "digits:train: give --validation DATA"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(capsys, arguments, message):
    status, out, err = simulate(capsys, *arguments, *TIMES)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["runs.jsonl", "report.html", "speed.png"])
def test_what_the_report_could_not_be_written_over_is_said_at_once(capsys, tmp_path, monkeypatch, name):
    monkeypatch.setattr(studies, "compare", None)
    (tmp_path / name).mkdir()
    status, out, err = simulate(capsys, *FEW, "--report", tmp_path)
    assert (status, out) == (2, "")
    assert err == f"googlenet: {tmp_path / name}: not a file but a folder, pipe or device; remove it\n"
